"""Files at the Graph API: what a media id stands for, its bytes from Meta's own hosts only, and the way up.

pywa would send the token to any host that an answer names, so that the few requests are made here.
"""

from dataclasses import dataclass
from typing import Any, Final

import httpx

from app.errors import MessagingError, Unavailable
from app.kit.tls import trusted
from app.tenants.models import WhatsAppCredentials
from whatsapp.sender import GRAPH_HOST

VERSION: Final = "v23.0"
_HOSTS: Final = ("fbsbx.com", "fbcdn.net", "whatsapp.net", "facebook.com")
_GONE: Final = (400, 404)
_CHUNK: Final = 65_536


class MediaGone(MessagingError):
    """Meta has no such file, or not any more."""

    code = "media_gone"


class MediaTooLarge(MessagingError):
    """The file is larger than it may be."""

    code = "media_too_large"


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What Meta says of a file; `url` is good for five minutes and needs the token."""

    url: str
    mime_type: str
    size_bytes: int | None
    sha256: str | None


class GraphMedia:
    """Fetches and uploads files for every tenant."""

    def __init__(self, graph_api_url: str, *, timeout_seconds: float = 30.0) -> None:
        self._origin = httpx.URL(graph_api_url)
        self._client = httpx.AsyncClient(timeout=timeout_seconds, follow_redirects=False, verify=trusted())

    async def facts(self, credentials: WhatsAppCredentials, media_id: str) -> MediaFacts:
        """Asks what a media id stands for.

        Raises:
            MediaGone: Meta has no such file.
            Unavailable: No usable answer; ask again later.
        """
        if not media_id.isalnum():
            raise MediaGone(f"{media_id[:40]!r} is no media id")
        answer = await self._asked("GET", f"/{VERSION}/{media_id}", credentials)
        if answer.status_code in _GONE:
            raise MediaGone(f"Meta answered {answer.status_code} for the media id")
        told = _object(answer)
        size = told.get("file_size")
        url, sha256 = told.get("url"), told.get("sha256")
        if not isinstance(url, str):
            raise Unavailable("Meta named no address for the file")
        known = sha256 if isinstance(sha256, str) and sha256 else None
        return MediaFacts(url, str(told.get("mime_type", "")), int(size) if size is not None else None, known)

    async def content(self, credentials: WhatsAppCredentials, url: str, largest_bytes: int) -> bytes:
        """Fetches a file; the token goes to Meta's hosts only.

        Raises:
            MediaGone: The address is none of Meta's.
            MediaTooLarge: It has more than `largest_bytes`.
            Unavailable: It did not come whole; ask for a fresh address later.
        """
        address = httpx.URL(url)
        if not self._is_metas(address):
            raise MediaGone(f"refused to send the token to {address.host}")
        taken = bytearray()
        try:
            async with self._client.stream("GET", address, headers=_bearer(credentials)) as answer:
                if not answer.is_success:
                    raise Unavailable(f"Meta answered {answer.status_code} for the file")
                async for chunk in answer.aiter_bytes(_CHUNK):
                    taken += chunk
                    if len(taken) > largest_bytes:
                        raise MediaTooLarge(f"more than {largest_bytes} bytes")
        except httpx.HTTPError as error:
            raise Unavailable(f"the file did not come ({type(error).__name__})") from error
        return bytes(taken)

    async def upload(self, credentials: WhatsAppCredentials, content: bytes, mime_type: str, name: str) -> str:
        """Uploads a file for messages of this number; returns Meta's id of it, good for 30 days.

        Raises:
            MessagingError: Meta refuses it.
            Unavailable: No usable answer; nothing was sent to anybody.
        """
        files = {"file": (name, content, mime_type)}
        fields = {"messaging_product": "whatsapp", "type": mime_type}
        path = f"/{VERSION}/{credentials.phone_number_id}/media"
        answer = await self._asked("POST", path, credentials, files=files, data=fields)
        if answer.status_code in _GONE:
            raise MessagingError(f"Meta refuses the file ({answer.status_code})", code="media_refused")
        media_id = _object(answer).get("id")
        if not isinstance(media_id, str):
            raise Unavailable("Meta named no id for the file")
        return media_id

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _asked(self, method: str, path: str, credentials: WhatsAppCredentials, **options: Any) -> httpx.Response:
        url = self._origin.copy_with(raw_path=self._origin.raw_path.rstrip(b"/") + path.encode())
        try:
            answer = await self._client.request(method, url, headers=_bearer(credentials), **options)
        except httpx.HTTPError as error:
            raise Unavailable(f"the Graph API does not answer ({type(error).__name__})") from error
        if not answer.is_success and answer.status_code not in _GONE:
            raise Unavailable(f"the Graph API answered {answer.status_code}")
        return answer

    def _is_metas(self, url: httpx.URL) -> bool:
        if self._origin.host != GRAPH_HOST and (url.scheme, url.netloc) == (self._origin.scheme, self._origin.netloc):
            return True
        return url.scheme == "https" and any(url.host == host or url.host.endswith(f".{host}") for host in _HOSTS)


def _bearer(credentials: WhatsAppCredentials) -> dict[str, str]:
    return {"Authorization": f"Bearer {credentials.access_token}"}


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError as error:
        raise Unavailable("the Graph API answered no JSON") from error
    return told if isinstance(told, dict) else {}
