"""How an outbound message lies in the store: its fields, its rank, and its words sealed under the tenant's key."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.conversations.models import Author, MessageKind
from app.conversations.ports import OutboxState
from app.conversations.repository import media_document, media_of
from app.kit.sealed import SealedText
from whatsapp.models import Kind, OutboundFile, OutboxRow, TemplateVersion

RANK: Final[Mapping[OutboxState, int]] = {
    OutboxState.QUEUED: 0,
    OutboxState.SENDING: 1,
    OutboxState.UNKNOWN: 2,
    OutboxState.SENT: 3,
    OutboxState.DELIVERED: 4,
    OutboxState.READ: 5,
    OutboxState.PLAYED: 6,
    OutboxState.FAILED: 9,
}


class RowWords:
    """Seals what a message says, and opens it again."""

    def __init__(self, sealed: SealedText) -> None:
        self._sealed = sealed

    async def seal(self, row: OutboxRow) -> dict[str, str]:
        """Returns the sealed field of a row's words."""
        versions = [
            {"language": version.language, "code": version.code, "values": list(version.values)}
            for version in row.versions
        ]
        file = {"kind": row.file.kind.value, "media": media_document(row.file.media)} if row.file else None
        words = orjson.dumps({"text": row.text, "versions": versions, "file": file}).decode()
        return {"words": await self._sealed.seal(row.tenant_id, row.outbox_id, words)}

    async def open(self, document: Mapping[str, Any]) -> OutboxRow:
        """Returns a stored row with its words."""
        words = await self._sealed.open(document["tenant_id"], document["_id"], document["words"])
        return _row({**document, **orjson.loads(words)})


def document_of(row: OutboxRow) -> dict[str, Any]:
    """Returns a row as it is stored, but for its words."""
    return {
        "_id": row.outbox_id,
        "conversation_id": row.conversation_id,
        "phone": row.phone,
        "kind": row.kind.value,
        "author": row.author.value,
        "idempotency_key": row.idempotency_key,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "state": row.state.value,
        "rank": RANK[row.state],
        "template": row.template,
        "template_sent": row.template_sent,
        "owner_version": row.owner_version,
        "business_number": row.business_number,
        "retry_of": row.retry_of,
        "left": row.left,
        "attempts": row.attempts,
        "wamid": row.wamid,
        "language": row.language,
        "failure": row.failure,
        "error_code": row.error_code,
        "pricing": dict(row.pricing),
    }


def _row(document: Mapping[str, Any]) -> OutboxRow:
    fields = {key: value for key, value in document.items() if key not in {"_id", "rank", "words"}}
    fields["outbox_id"] = document["_id"]
    fields["kind"] = Kind(document["kind"])
    fields["author"] = Author(document["author"])
    fields["state"] = OutboxState(document["state"])
    file = fields.get("file")
    fields["file"] = OutboundFile(MessageKind(file["kind"]), media_of(file["media"])) if file else None
    fields["versions"] = tuple(
        TemplateVersion(version["language"], version["code"], tuple(version["values"]))
        for version in document["versions"]
    )
    return OutboxRow(**fields)
