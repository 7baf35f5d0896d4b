"""Structured logs: one line per event, `area.verb`, with the ids of tenant, call and request, and nothing personal."""

import io
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

from app.kit.redaction import redact_figures, redacted

_PERSONAL = "pii"
_OWN_FIELDS = frozenset({"event", "level", "logger", "timestamp", "job", "code"})
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
_QUIET = ("pymongo", "httpx", "httpcore", "kombu", "amqp", "asyncio", "uvicorn.error")
"""Libraries whose warnings are enough; uvicorn's own lines also show socket paths, which hold one-use tokens."""


def setup_logging(*, json: bool, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Sends structlog's and the standard library's records to one stream in one form; called once by a root.

    Args:
        json: One JSON object per line (production), else a readable line (development).
        level: `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        stream: Where to; None is standard error.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        drop_personal,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    target = stream or sys.stderr
    final: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if json:
        final += [_TRACEBACKS, redact_event, structlog.processors.JSONRenderer(serializer=_to_json)]
    else:
        final.append(redact_event)
        final.append(structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=_traceback))
    handler = logging.StreamHandler(target)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"


def bind_context(**ids: str) -> None:
    """Adds ids (tenant_id, call_id, request_id ...) to every later event of this task and the tasks it starts."""
    structlog.contextvars.bind_contextvars(**ids)


def drop_personal(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Removes whatever stands under `pii` or `pii.*`, at any depth."""
    return _without_personal(event)


def redact_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Masks cards, phones, mail addresses and the like in every text of a record; the words of libraries too."""
    shown: EventDict = redacted(event, keep=_OWN_FIELDS)
    if isinstance(words := event.get("event"), str):
        shown["event"] = redact_figures(words)
    return shown


def _traceback(out: TextIO, failure: Any) -> None:
    plain = io.StringIO()
    structlog.dev.plain_traceback(plain, failure)
    out.write(redact_figures(plain.getvalue()))


def _without_personal(mapping: Mapping[str, Any]) -> MutableMapping[str, Any]:
    return {
        key: _without_personal(value) if isinstance(value, Mapping) else value
        for key, value in mapping.items()
        if key != _PERSONAL and not str(key).startswith(_PERSONAL + ".")
    }


def _to_json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
