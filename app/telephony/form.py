"""A carrier's webhook as it arrives: bounded body, fields, the public address it was sent to; below `webhooks`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from app.calls.ports import Direction
from app.errors import BadRequest, PayloadTooLarge
from app.telephony import signatures

MAX_BODY_BYTES: Final = 65_536
MAX_FIELDS: Final = 200
_CALL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBER: Final = re.compile(r"\+?[1-9][0-9]{6,14}")

ENDED: Final = frozenset({"completed", "busy", "failed", "timeout", "no-answer", "cancel", "canceled", "cancelled"})


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook. `canonical` is what its signature must cover."""

    fields: Mapping[str, str]
    canonical: str
    headers: Mapping[str, str]

    @property
    def carrier_call_id(self) -> str:
        """The carrier's id of the call.

        Raises:
            BadRequest: It is missing or malformed.
        """
        value = self.fields.get("CallUUID") or self.fields.get("call_uuid") or ""
        if not _CALL_ID.fullmatch(value):
            raise BadRequest("CallUUID is missing or malformed", code="bad_webhook")
        return value

    @property
    def direction(self) -> Direction:
        """Who rang whom; inbound unless the carrier says otherwise."""
        return Direction.OUTBOUND if self.fields.get("Direction", "").lower() == "outbound" else Direction.INBOUND

    @property
    def from_number(self) -> str:
        """The caller: E.164, or the carrier's words."""
        return e164(self.fields.get("From", ""))

    @property
    def to_number(self) -> str:
        """The called party: E.164, or the carrier's words."""
        return e164(self.fields.get("To", ""))

    @property
    def our_number(self) -> str:
        """The one of the two that is ours."""
        return self.from_number if self.direction is Direction.OUTBOUND else self.to_number

    @property
    def call_ended(self) -> bool:
        """Whether the carrier says that the call is over, whichever address it asks."""
        return (
            "HangupCause" in self.fields
            or self.fields.get("Event", "").lower() == "hangup"
            or self.fields.get("CallStatus", "").lower() in ENDED
        )


def e164(number: str) -> str:
    """Returns a number as `+<digits>`; Plivo writes them without the plus. Other words are returned as they are."""
    text = number.strip().replace(" ", "")
    if not _NUMBER.fullmatch(text):
        return number.strip()
    return text if text.startswith("+") else "+" + text


async def read(request: Request, public_url: str) -> Webhook:
    """Reads a webhook, GET or POST.

    Args:
        request: As it reached this process, perhaps through a proxy.
        public_url: The address that the carrier knows; it is what the carrier signed.

    Raises:
        PayloadTooLarge: More than 64 KB.
        BadRequest: Not form-encoded UTF-8.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"a webhook has at most {MAX_BODY_BYTES} bytes")
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope["query_string"].decode("latin-1")
    url = public_url.rstrip("/") + raw_path.decode("latin-1").partition("?")[0] + (f"?{query}" if query else "")
    try:
        form = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
        asked = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise BadRequest("the body is not form-encoded text", code="bad_webhook") from error
    canonical = signatures.canonical(request.method, url, form)
    return Webhook(dict(asked) | dict(form), canonical, request.headers)


def recording_of(fields: Mapping[str, str]) -> tuple[str | None, dict[str, str]]:
    """Returns a recording webhook's address and all its fields, from any of the three forms in use.

    Args:
        fields: With `RecordUrl`, with `record_url`, or with both inside JSON text in `response`.
    """
    held = dict(fields)
    if "response" in held:
        try:
            inner = orjson.loads(held["response"])
        except orjson.JSONDecodeError:
            inner = None
        if isinstance(inner, dict):
            held |= {key: str(value) for key, value in inner.items()}
    return held.get("RecordUrl") or held.get("record_url"), held
