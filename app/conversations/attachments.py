"""Files of conversations: what customers sent and what people are about to send, sealed, with type and size checked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.conversations.models import MessageKind
from app.conversations.ports import FileStore
from app.errors import FieldError, NotFound, PayloadTooLarge, Unprocessable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.sealed import SealedText

COLLECTION: Final = "attachments"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("conversation_id", 1))),)
_MIB: Final = 1024 * 1024
_IMAGE, _VIDEO, _AUDIO = 5 * _MIB, 16 * _MIB, 16 * _MIB
_DOCUMENT, _STICKER = 100 * _MIB, 512_000
_TYPES: Final = {
    "image/jpeg": (MessageKind.IMAGE, _IMAGE),
    "image/png": (MessageKind.IMAGE, _IMAGE),
    "image/webp": (MessageKind.STICKER, _STICKER),
    "video/mp4": (MessageKind.VIDEO, _VIDEO),
    "video/3gpp": (MessageKind.VIDEO, _VIDEO),
    "audio/aac": (MessageKind.AUDIO, _AUDIO),
    "audio/amr": (MessageKind.AUDIO, _AUDIO),
    "audio/mpeg": (MessageKind.AUDIO, _AUDIO),
    "audio/mp4": (MessageKind.AUDIO, _AUDIO),
    "audio/ogg": (MessageKind.AUDIO, _AUDIO),
    "text/plain": (MessageKind.DOCUMENT, _DOCUMENT),
    "application/pdf": (MessageKind.DOCUMENT, _DOCUMENT),
    "application/msword": (MessageKind.DOCUMENT, _DOCUMENT),
    "application/vnd.ms-excel": (MessageKind.DOCUMENT, _DOCUMENT),
    "application/vnd.ms-powerpoint": (MessageKind.DOCUMENT, _DOCUMENT),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (MessageKind.DOCUMENT, _DOCUMENT),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (MessageKind.DOCUMENT, _DOCUMENT),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": (MessageKind.DOCUMENT, _DOCUMENT),
}
"""Source: Meta, "Cloud API, Media": supported media types and sizes."""
CARRIED: Final = tuple(sorted(_TYPES))
LARGEST_BYTES: Final = max(size for _, size in _TYPES.values())


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored file. `conversation_id` says who may read it; None: it is not sent yet."""

    attachment_id: str
    tenant_id: str
    mime_type: str
    kind: MessageKind
    size_bytes: int
    file_name: str | None
    conversation_id: str | None
    created_at: datetime
    created_by: str


def checked_type(mime_type: str, size_bytes: int) -> tuple[str, MessageKind]:
    """Returns the bare type of a file and the kind of message that carries it.

    Args:
        mime_type: With or without parameters, such as `audio/ogg; codecs=opus`.
        size_bytes: Of the whole file.

    Raises:
        PayloadTooLarge: More than WhatsApp carries of this type.
        Unprocessable: A type that WhatsApp does not carry, or an empty file.
    """
    bare = mime_type.partition(";")[0].strip().lower()
    if bare not in _TYPES:
        detail = f"must be one of {', '.join(sorted(_TYPES))}"
        raise Unprocessable(
            f"files of type {bare or 'unknown'} are not carried",
            code="media_type",
            errors=[FieldError("/body/file", detail)],
        )
    kind, largest = _TYPES[bare]
    if size_bytes == 0:
        fault = FieldError("/body/file", "must not be empty")
        raise Unprocessable("the file is empty", code="empty_file", errors=[fault])
    if size_bytes > largest:
        raise PayloadTooLarge(f"files of type {bare} have at most {largest} bytes; this one has {size_bytes}")
    return bare, kind


def largest_of(mime_type: str) -> int:
    """Returns how many bytes a file of this type may have."""
    _, largest = _TYPES.get(mime_type.partition(";")[0].strip().lower(), (None, LARGEST_BYTES))
    return largest


class Attachments:
    """Keeps files and what is known of them."""

    def __init__(self, database: Database, sealed: SealedText, files: FileStore, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed
        self._files = files
        self._clock = clock

    async def add(
        self,
        tenant_id: str,
        content: bytes,
        mime_type: str,
        *,
        created_by: str,
        file_name: str | None = None,
        conversation_id: str | None = None,
    ) -> Attachment:
        """Stores a file.

        Args:
            tenant_id: Whose.
            content: The bytes.
            mime_type: As its sender calls it.
            created_by: A member, a key, or `customer`.
            file_name: As its sender calls it.
            conversation_id: Where it belongs, if that is known.

        Raises:
            PayloadTooLarge: See `checked_type`.
            Unprocessable: See `checked_type`.
        """
        bare, kind = checked_type(mime_type, len(content))
        attachment_id = new_id("att")
        await self._files.put(tenant_id, attachment_id, content)
        document = {
            "_id": attachment_id,
            "mime_type": bare,
            "kind": kind.value,
            "size_bytes": len(content),
            "file_name": await self._sealed.seal(tenant_id, attachment_id, file_name) if file_name else None,
            "conversation_id": conversation_id,
            "created_at": self._clock.now(),
            "created_by": created_by,
        }
        await self._rows(tenant_id).insert_one(document)
        return await self.get(tenant_id, attachment_id)

    async def get(self, tenant_id: str, attachment_id: str) -> Attachment:
        """Returns what is known of a file.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._rows(tenant_id).find_one({"_id": attachment_id})
        if found is None:
            raise NotFound(f"no attachment {attachment_id}")
        return await self._attachment(found)

    async def content(self, attachment: Attachment) -> bytes:
        """Returns the file.

        Raises:
            NotFound: It was deleted.
        """
        return await self._files.get(attachment.tenant_id, attachment.attachment_id)

    async def belongs_to(self, attachment: Attachment, conversation_id: str) -> None:
        """Notes where a file was sent; it can be sent again there, and nowhere else.

        Raises:
            NotFound: It belongs to another conversation.
        """
        if attachment.conversation_id not in (None, conversation_id):
            raise NotFound(f"no attachment {attachment.attachment_id} of this conversation")
        await self._rows(attachment.tenant_id).update_one(
            {"_id": attachment.attachment_id}, {"$set": {"conversation_id": conversation_id}}
        )

    async def delete(self, tenant_id: str, attachment_id: str) -> None:
        """Deletes a file and what is known of it; fine if there is none."""
        await self._files.delete(tenant_id, attachment_id)
        await self._rows(tenant_id).delete_one({"_id": attachment_id})

    async def _attachment(self, document: dict[str, Any]) -> Attachment:
        tenant_id, attachment_id, name = document["tenant_id"], document["_id"], document["file_name"]
        return Attachment(
            attachment_id,
            tenant_id,
            document["mime_type"],
            MessageKind(document["kind"]),
            document["size_bytes"],
            await self._sealed.open(tenant_id, attachment_id, name) if name else None,
            document["conversation_id"],
            document["created_at"],
            document["created_by"],
        )

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)
