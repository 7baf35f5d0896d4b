"""Log lines: one form for both kinds of logger, ids on each, nothing personal."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.kit.logging import bind_context, setup_logging

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_production_lines_are_json_with_ids_and_without_personal_data() -> None:
    stream = io.StringIO()
    setup_logging(json=True, stream=stream)
    bind_context(tenant_id="ten_a", call_id="call_1")
    log = structlog.get_logger("app.calls")
    log.info(
        "calls.start", turns=2, pii={"phone": "+919876543210"}, **{"pii.name": "आशा"}, nested={"pii": "x", "ok": 1}
    )
    logging.getLogger("plain").warning("from %s", "stdlib", extra={"pii": {"phone": "+91"}})
    log.debug("calls.detail")
    first, second = lines(stream)
    assert (first["event"], first["level"], first["logger"], first["turns"]) == ("calls.start", "info", "app.calls", 2)
    assert (first["tenant_id"], first["call_id"], first["nested"]) == ("ten_a", "call_1", {"ok": 1})
    assert str(first["timestamp"]).endswith("Z")
    assert (second["event"], second["level"], second["tenant_id"]) == ("from stdlib", "warning", "ten_a")
    assert "+91" not in stream.getvalue()
    assert "आशा" not in stream.getvalue()


def test_a_traceback_is_data_and_shows_no_local_values() -> None:
    stream = io.StringIO()
    setup_logging(json=True, stream=stream)

    def fail(phone: str) -> None:
        raise ValueError("wrong")

    try:
        fail("+91" + "98765")
    except ValueError:
        structlog.get_logger("x").exception("x.failed")
    (line,) = lines(stream)
    assert line["exception"][0]["exc_type"] == "ValueError"  # type: ignore[index]
    assert "+9198765" not in stream.getvalue()


def test_development_lines_are_readable() -> None:
    stream = io.StringIO()
    setup_logging(json=False, level="DEBUG", stream=stream)
    structlog.get_logger("x").debug("calls.start", turns=2, pii="secret")
    assert "calls.start" in stream.getvalue()
    assert "turns=2" in stream.getvalue()
    assert "secret" not in stream.getvalue()


def test_what_slips_into_a_message_is_masked_in_both_forms() -> None:
    for as_json in (True, False):
        stream = io.StringIO()
        setup_logging(json=as_json, stream=stream)
        structlog.get_logger("x").warning("area.verb", reason="card 4111 1111 1111 1111", phone="+919876543210")
        logging.getLogger("a.library").warning("cannot send to %s", "ravi@example.com")
        try:
            raise ValueError("OTP 482913 of 9876543210")
        except ValueError:
            structlog.get_logger("x").exception("area.failed", call_id="call_1234567890")
        shown = stream.getvalue()
        for personal in ("4111 1111", "9876543210", "ravi@", "482913"):
            assert personal not in shown
        assert "…1111" in shown and "call_1234567890" in shown and "cannot send to [email]" in shown
