import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.telephony import protocol
from app.telephony.protocol import ProtocolViolation, parse

pytestmark = pytest.mark.unit

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
EVENTS = ["start", "media", "dtmf", "playedStream", "played", "clearedAudio", "stop", "playFailed", "error", "mark"]
FIELDS = ["start", "media", "dtmf", "name", "payload", "digit", "callId", "streamId", "mediaFormat", "reason", "track"]
frames = st.fixed_dictionaries(
    {"event": st.sampled_from(EVENTS)},
    optional={name: json_values | st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5) for name in FIELDS},
)


def start(**changes: Any) -> dict[str, Any]:
    held = {"callId": "c", "streamId": "s", "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}}
    return {"event": "start", "start": {**held, **changes}}


@given(st.text() | st.binary() | json_values.map(json.dumps) | frames.map(json.dumps))
def test_no_input_raises_anything_but_a_violation(text: str | bytes) -> None:
    try:
        parse(text)
    except ProtocolViolation as violation:
        assert violation.code in {"bad_json", "bad_shape", "bad_base64", "unknown_event", "wrong_track"}
        assert 1000 < violation.close_code < 1010


@given(st.binary(max_size=2000))
def test_audio_survives_both_directions(mulaw: bytes) -> None:
    message = {"event": "media", "media": {"track": "inbound", "payload": base64.b64encode(mulaw).decode()}}
    frame = parse(json.dumps(message))
    assert isinstance(frame, protocol.Media) and frame.mulaw == mulaw
    sent = json.loads(protocol.play_audio(mulaw))
    assert sent["event"] == "playAudio" and base64.b64decode(sent["media"].pop("payload")) == mulaw
    assert sent["media"] == {"contentType": "audio/x-mulaw", "sampleRate": 8000}


@pytest.mark.parametrize(
    "message",
    [
        start(),
        {"event": "start", "start": {"call_id": "c", "stream_id": "s", "media_format": {
            "encoding": "audio/x-mulaw;rate=8000", "sample_rate": "8000"}}},
    ],
)  # fmt: skip
def test_start_is_read_in_both_spellings(message: dict[str, Any]) -> None:
    frame = parse(json.dumps(message))
    assert isinstance(frame, protocol.Started)
    assert (frame.call_id, frame.stream_id, frame.encoding, frame.sample_rate_hz) == ("c", "s", "audio/x-mulaw", 8000)
    assert frame.extra_headers == {}


@pytest.mark.parametrize("headers", ["a=1,b=2", "a=1;b=2", ' {"a": "1", "b": 2} ', {"a": 1, "b": "2"}])
def test_extra_headers_are_read_in_every_form(headers: Any) -> None:
    for message in (start() | {"extra_headers": headers}, start(extraHeaders=headers)):
        frame = parse(json.dumps(message))
        assert isinstance(frame, protocol.Started) and frame.extra_headers == {"a": "1", "b": "2"}


@given(json_values)
def test_extra_headers_never_break_a_start(headers: Any) -> None:
    assert isinstance(parse(json.dumps(start() | {"extra_headers": headers})), protocol.Started)


@pytest.mark.parametrize("event", ["playedStream", "played_stream", "played"])
def test_checkpoints_are_read_in_every_spelling(event: str) -> None:
    frame = parse(json.dumps({"event": event, "streamId": "s", "name": "n1"}))
    assert isinstance(frame, protocol.Played) and frame.name == "n1"


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("clearedAudio", protocol.Cleared),
        ("cleared_audio", protocol.Cleared),
        ("cleared", protocol.Cleared),
        ("stop", protocol.Stopped),
        ("stopped", protocol.Stopped),
        ("playFailed", protocol.CarrierFault),
        ("play_failed", protocol.CarrierFault),
        ("error", protocol.CarrierFault),
    ],
)
def test_events_without_fields(event: str, kind: type) -> None:
    assert isinstance(parse(json.dumps({"event": event})), kind)


@pytest.mark.parametrize("digit", ["5", 5, "*", "#", "a"])
def test_keys(digit: Any) -> None:
    frame = parse(json.dumps({"event": "dtmf", "dtmf": {"digit": digit}}))
    assert isinstance(frame, protocol.Dtmf) and frame.digit == str(digit).upper()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad_json"),
        ("[" * 5000, "bad_json"),
        ("[]", "bad_shape"),
        ('{"event":{}}', "bad_shape"),
        ('{"event":"teleport"}', "unknown_event"),
        ('{"event":"media"}', "bad_shape"),
        ('{"event":"media","media":{"payload":[1]}}', "bad_shape"),
        ('{"event":"media","media":{"payload":"AA"}}', "bad_base64"),
        ('{"event":"media","media":{"payload":"AA AA"}}', "bad_base64"),
        ('{"event":"media","media":{"track":"outbound","payload":"AAAA"}}', "wrong_track"),
        ('{"event":"dtmf","dtmf":{"digit":"12"}}', "bad_shape"),
        ('{"event":"dtmf","dtmf":{"digit":true}}', "bad_shape"),
        ('{"event":"playedStream","name":7}', "bad_shape"),
        (json.dumps(start(callId="")), "bad_shape"),
        (json.dumps(start(callId="x" * 300)), "bad_shape"),
        (" " * 70_000, "oversize"),
    ],
)
def test_each_violation_has_its_name(text: str, code: str) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        parse(text)
    assert caught.value.code == code
    assert caught.value.fatal == (code == "oversize")


def test_what_we_say() -> None:
    assert json.loads(protocol.checkpoint("s", 'a"b')) == {"event": "checkpoint", "streamId": "s", "name": 'a"b'}
    assert json.loads(protocol.clear_audio("s")) == {"event": "clearAudio", "streamId": "s"}
    assert json.loads(protocol.send_dtmf("12#w")) == {"event": "sendDTMF", "dtmf": "12#w"}
    assert len(protocol.play_audio(b"\x00" * protocol.MAX_PLAY_BYTES)) < protocol.MAX_MESSAGE_CHARS


@pytest.mark.parametrize("digits", ["", "x", "1 2", "१"])
def test_tones_that_no_keypad_has(digits: str) -> None:
    with pytest.raises(BadRequest):
        protocol.send_dtmf(digits)
