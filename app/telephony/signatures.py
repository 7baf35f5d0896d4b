"""Plivo's webhook signature, version 3: what it signs and whether it fits; pure, below `webhooks`.

Source: Plivo, "Signature validation", and the canonical forms of its own SDK (plivo 4.63, utils/signature_v3).
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

NONCE_HEADER: Final = "x-plivo-signature-v3-nonce"
SIGNATURE_HEADERS: Final = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")

Pairs = Sequence[tuple[str, str]]


def canonical(method: str, url: str, form: Pairs = ()) -> str:
    """Returns the text that is signed, without the nonce.

    Args:
        method: GET or POST.
        url: The public address as the carrier called it, query included.
        form: The POST body's fields; ignored for GET.
    """
    parts = urlsplit(url)
    query = "&".join(f"{key}={held}" for key, held in sorted(parse_qsl(parts.query, keep_blank_values=True)))
    address = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    if method.upper() == "GET" or not form:
        return f"{address}?{query}" if query else address
    fields = "".join(key + held for key, held in sorted(form))
    return f"{address}?{query}.{fields}" if query else f"{address}?{fields}"


def sign(auth_token: str, text: str, nonce: str) -> str:
    """Returns the signature of a canonical text: base64 of HMAC-SHA256."""
    digest = hmac.new(auth_token.encode(), f"{text}.{nonce}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def fits(headers: Mapping[str, str], auth_token: str, text: str) -> bool:
    """Returns whether any signature in the headers is right, in constant time.

    Args:
        headers: The request's, with case-insensitive look-up or lower-case names.
        auth_token: The account's.
        text: From `canonical`.
    """
    nonce = headers.get(NONCE_HEADER)
    if not nonce:
        return False
    wanted = sign(auth_token, text, nonce).encode()
    right = False
    for given in _given(headers):
        right |= hmac.compare_digest(given.encode(), wanted)
    return right


def _given(headers: Mapping[str, str]) -> Iterable[str]:
    for name in SIGNATURE_HEADERS:
        for signature in headers.get(name, "").split(","):
            if signature.strip():
                yield signature.strip()
