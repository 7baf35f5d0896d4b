"""What the simulated carrier says and reads over HTTP: signed webhooks out, answer XML in, with Plivo's limits."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

import httpx
from plivo.utils.signature_v3 import construct_get_url, construct_post_url, get_signature_v3

MAX_XML_BYTES: Final = 100_000
MAX_URL_CHARS: Final = 2048
MAX_HEADER_CHARS: Final = 512
CONTENT_TYPES: Final = {"audio/x-mulaw;rate=8000": ("audio/x-mulaw", 8000)}
WEBHOOK_SECONDS: Final = 10.0


class CarrierRefusal(Exception):
    """The server said something that Plivo would not accept; the text says what and where."""


@dataclass(frozen=True, slots=True)
class Element:
    """One instruction of the answer XML: its name, attributes, text, and for Dial the numbers inside."""

    name: str
    attributes: Mapping[str, str]
    text: str
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """A checked Stream element."""

    url: str
    content_type: str
    sample_rate_hz: int
    keep_call_alive: bool
    timeout_seconds: int = 86_400
    status_url: str | None = None
    extra_headers: str = ""


def signed(method: str, url: str, fields: Mapping[str, str], auth_token: str) -> dict[str, str]:
    """Returns the signature headers of a webhook, as Plivo's own SDK computes them."""
    nonce = secrets.token_hex(10)
    canonical = construct_get_url(url, dict(fields)) if method == "GET" else construct_post_url(url, dict(fields))
    signature = get_signature_v3(auth_token.encode(), canonical.decode(), nonce).decode()
    return {
        "X-Plivo-Signature-V3": signature,
        "X-Plivo-Signature-Ma-V3": signature,
        "X-Plivo-Signature-V3-Nonce": nonce,
    }


async def post_webhook(http: httpx.AsyncClient, url: str, fields: Mapping[str, str], auth_token: str) -> httpx.Response:
    """Posts a signed, form-encoded webhook.

    Raises:
        CarrierRefusal: No answer in time, or an error status.
    """
    headers = signed("POST", url, fields, auth_token)
    try:
        response = await http.post(url, data=dict(fields), headers=headers, timeout=WEBHOOK_SECONDS)
    except httpx.HTTPError as error:
        raise CarrierRefusal(f"{url} did not answer: {error!r}") from error
    if response.status_code >= 300:
        raise CarrierRefusal(f"{url} answered {response.status_code}: {response.text[:200]}")
    return response


def read_answer(xml: str | bytes) -> tuple[Element, ...]:
    """Reads answer XML.

    Raises:
        CarrierRefusal: Not well-formed, too large, or without `Response`.
    """
    if len(xml) > MAX_XML_BYTES:
        raise CarrierRefusal(f"the XML has {len(xml)} bytes, at most {MAX_XML_BYTES} are allowed")
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise CarrierRefusal(f"the answer is not XML: {error}") from error
    if root.tag != "Response":
        raise CarrierRefusal(f"the XML begins with {root.tag}, not Response")
    return tuple(
        Element(
            child.tag,
            dict(child.attrib),
            (child.text or "").strip(),
            tuple((number.text or "").strip() for number in child if number.tag == "Number"),
        )
        for child in root
    )


def check_stream(element: Element) -> StreamOrder:
    """Checks a Stream element against Plivo's rules.

    Raises:
        CarrierRefusal: An attribute or the address breaks one.
    """
    given = element.attributes
    if given.get("bidirectional") != "true":
        raise CarrierRefusal("Stream: a conversation needs bidirectional=true")
    if given.get("audioTrack", "inbound") != "inbound":
        raise CarrierRefusal("Stream: audioTrack must be inbound when bidirectional")
    wanted = given.get("contentType", "")
    if wanted not in CONTENT_TYPES:
        raise CarrierRefusal(f"Stream: contentType {wanted!r} is not one of {sorted(CONTENT_TYPES)}")
    if not element.text.startswith(("ws://", "wss://")) or len(element.text) > MAX_URL_CHARS:
        raise CarrierRefusal(f"Stream: {element.text[:80]!r} is not a WebSocket address")
    if len(given.get("extraHeaders", "")) > MAX_HEADER_CHARS:
        raise CarrierRefusal(f"Stream: extraHeaders has more than {MAX_HEADER_CHARS} characters")
    if not given.get("streamTimeout", "86400").isdigit():
        raise CarrierRefusal("Stream: streamTimeout must be a whole number of seconds")
    encoding, rate = CONTENT_TYPES[wanted]
    return StreamOrder(
        url=element.text,
        content_type=encoding,
        sample_rate_hz=rate,
        keep_call_alive=given.get("keepCallAlive") == "true",
        timeout_seconds=int(given.get("streamTimeout", "86400")),
        status_url=given.get("statusCallbackUrl"),
        extra_headers=given.get("extraHeaders", ""),
    )
