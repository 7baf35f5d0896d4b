"""The files of the Graph stand-in: uploaded by the business or sent by customers, named by ids that expire.

Source: Meta, "Cloud API: Media": an uploaded id is good for 30 days, a webhook's for 7, an address for five minutes.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from app.simulate.graph.errors import GraphError

UPLOADED_FOR: Final = timedelta(days=30)
RECEIVED_FOR: Final = timedelta(days=7)
ADDRESS_FOR: Final = timedelta(minutes=5)
_MIB: Final = 1024 * 1024
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
TYPES: Final[dict[str, tuple[int, frozenset[str]]]] = {
    "image": (5 * _MIB, frozenset({"image/jpeg", "image/png"})),
    "audio": (16 * _MIB, frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"})),
    "video": (16 * _MIB, frozenset({"video/mp4", "video/3gpp"})),
    "sticker": (500 * 1024, frozenset({"image/webp"})),
    "document": (
        100 * _MIB,
        frozenset(
            {
                "text/plain",
                "application/pdf",
                "application/msword",
                "application/vnd.ms-excel",
                "application/vnd.ms-powerpoint",
                f"{_OFFICE}wordprocessingml.document",
                f"{_OFFICE}spreadsheetml.sheet",
                f"{_OFFICE}presentationml.presentation",
            }
        ),
    ),
}


def kind_of(mime_type: str) -> str | None:
    """Returns the kind of message that a file of this type may be, or None."""
    bare = mime_type.partition(";")[0].strip()
    return next((kind for kind, (_, types) in TYPES.items() if bare in types), None)


@dataclass(frozen=True, slots=True)
class MediaFile:
    """One file. `phone_number_id` is the number that may use it, `expires_at` when its id is forgotten."""

    media_id: str
    phone_number_id: str
    content: bytes
    mime_type: str
    name: str
    expires_at: datetime

    @property
    def sha256(self) -> str:
        """The hexadecimal digest."""
        return hashlib.sha256(self.content).hexdigest()


class MediaShelf:
    """All files, and the addresses given out for them."""

    def __init__(self) -> None:
        self.files: dict[str, MediaFile] = {}
        self._addresses: dict[str, tuple[str, datetime]] = {}

    def upload(self, phone_number_id: str, content: bytes, mime_type: str, name: str, now: datetime) -> MediaFile:
        """Takes a file of the business.

        Raises:
            GraphError: Its type or its size is not taken.
        """
        kind = kind_of(mime_type)
        if kind is None:
            raise GraphError(100, f"Param file must be a file with one of the supported types, not {mime_type}")
        if not 0 < len(content) <= TYPES[kind][0]:
            raise GraphError(131053, f"{kind} files have 1 to {TYPES[kind][0]} bytes")
        return self.keep(phone_number_id, content, mime_type, name, now + UPLOADED_FOR)

    def keep(self, phone_number_id: str, content: bytes, mime_type: str, name: str, expires_at: datetime) -> MediaFile:
        """Keeps a file as it is, as a customer may send it."""
        file = MediaFile(str(10**14 + secrets.randbelow(10**15)), phone_number_id, content, mime_type, name, expires_at)
        self.files[file.media_id] = file
        return file

    def get(self, media_id: str, now: datetime) -> MediaFile:
        """Returns a file by its id.

        Raises:
            GraphError: There is none, or not any more.
        """
        file = self.files.get(media_id)
        if file is None or now >= file.expires_at:
            raise GraphError(
                100, f"Unsupported get request. Object with ID '{media_id}' does not exist", 400, subcode=33
            )
        return file

    def facts(self, media_id: str, base_url: str, now: datetime) -> dict[str, Any]:
        """Returns what the id stands for, with a fresh address.

        Raises:
            GraphError: There is no such file.
        """
        file = self.get(media_id, now)
        ticket = secrets.token_urlsafe(24)
        self._addresses[ticket] = (media_id, now + ADDRESS_FOR)
        return {
            "messaging_product": "whatsapp",
            "url": f"{base_url.rstrip('/')}/_media/{ticket}",
            "mime_type": file.mime_type,
            "sha256": file.sha256,
            "file_size": len(file.content),
            "id": media_id,
        }

    def at(self, ticket: str, now: datetime) -> MediaFile:
        """Returns the file at an address.

        Raises:
            GraphError: The address is unknown or older than five minutes.
        """
        media_id, until = self._addresses.get(ticket, ("", now))
        if now >= until:
            raise GraphError(131052, "The address of the file expired", 404)
        return self.get(media_id, now)

    def delete(self, media_id: str, now: datetime) -> None:
        """Forgets a file.

        Raises:
            GraphError: There is no such file.
        """
        self.files[media_id] = replace(self.get(media_id, now), expires_at=now)
