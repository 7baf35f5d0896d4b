"""Contacts, conversations, messages and call snapshots as documents and back; the service seals their words."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from app.conversations.models import (
    Author,
    CallContext,
    CallSnapshot,
    Channel,
    Contact,
    Conversation,
    Desk,
    Direction,
    Media,
    MediaState,
    Message,
    MessageKind,
    Owner,
    Reach,
    Reaction,
    Status,
    TranscriptLine,
    is_phone,
)
from app.kit.mongo import IndexSpec

CONTACTS = "contacts"
CONVERSATIONS = "conversations"
MESSAGES = "messages"
SNAPSHOTS = "call_snapshots"
IDENTITIES = "contact_identities"
INDEXES = (
    IndexSpec(CONTACTS, (("tenant_id", 1), ("phone", 1)), unique=True),
    IndexSpec(CONVERSATIONS, (("tenant_id", 1), ("open_key", 1)), unique=True),
    IndexSpec(CONVERSATIONS, (("tenant_id", 1), ("contact_id", 1))),
    IndexSpec(MESSAGES, (("tenant_id", 1), ("conversation_id", 1))),
    IndexSpec(CONVERSATIONS, (("tenant_id", 1), ("active_at", -1))),
    IndexSpec(CONVERSATIONS, (("due_at", 1),), across_tenants="the sweep over answers that are due"),
    IndexSpec(CONVERSATIONS, (("snoozed_until", 1),), across_tenants="the sweep over conversations that wake"),
    IndexSpec(MESSAGES, (("tenant_id", 1), ("dedupe_key", 1)), unique=True),
    IndexSpec(MESSAGES, (("tenant_id", 1), ("provider_id", 1))),
    IndexSpec(IDENTITIES, (("tenant_id", 1), ("contact_id", 1))),
    IndexSpec(SNAPSHOTS, (("tenant_id", 1), ("conversation_id", 1))),
)


def contact_document(contact: Contact) -> dict[str, Any]:
    """Returns the stored form of a contact; without a number its own id stands there, as the index wants one."""
    return {
        "_id": contact.contact_id,
        "phone": contact.phone or contact.contact_id,
        "bsuid": contact.bsuid,
        "merged_into": contact.merged_into,
        "wa_id": contact.wa_id,
        "name": contact.name,
        "language": contact.language,
        "whatsapp": contact.whatsapp.value,
        "created_at": contact.created_at,
    }


def contact_of(document: Mapping[str, Any]) -> Contact:
    """Reads a contact."""
    return Contact(
        document["_id"],
        document["tenant_id"],
        document["phone"] if is_phone(document["phone"]) else None,
        document["created_at"],
        document["wa_id"],
        document["name"],
        document["language"],
        Reach(document["whatsapp"]),
        document.get("bsuid"),
        document.get("merged_into"),
    )


def conversation_document(conversation: Conversation) -> dict[str, Any]:
    """Returns the stored form of a new conversation.

    `open_key` is the contact while it is open, so that the index allows one open conversation.
    """
    is_open = conversation.status is Status.OPEN
    return {
        "_id": conversation.conversation_id,
        "open_key": conversation.contact_id if is_open else conversation.conversation_id,
        "contact_id": conversation.contact_id,
        "phone": conversation.address,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "status": conversation.status.value,
        "owner": conversation.owner.value,
        "owner_version": conversation.owner_version,
        "language": conversation.language,
        "agent_id": conversation.agent_id,
        "handoff_reason": conversation.handoff_reason,
        "dialogue": None,
        "lease_until": None,
        "lease_holder": None,
        "version": conversation.version,
        "active_at": conversation.created_at,
        "business_number": conversation.business_number,
        **_desk_document(conversation.desk),
    }


def _desk_document(desk: Desk) -> dict[str, Any]:
    fields = asdict(desk)
    del fields["labels"]
    return {**fields, "labels": dict.fromkeys(desk.labels, True)}


def _desk_of(document: Mapping[str, Any]) -> Desk:
    known = {name: document[name] for name in Desk.__dataclass_fields__ if name in document}
    return Desk(**{**known, "labels": tuple(sorted(document.get("labels") or ()))})


def at_version(conversation_id: str, version: int) -> dict[str, Any]:
    """Returns the filter of a conversation that nobody changed since; one stored without a version has 0."""
    if version:
        return {"_id": conversation_id, "version": version}
    return {"_id": conversation_id, "$or": [{"version": 0}, {"version": {"$exists": False}}]}


def conversation_of(document: Mapping[str, Any]) -> Conversation:
    """Reads a conversation."""
    return Conversation(
        conversation_id=document["_id"],
        tenant_id=document["tenant_id"],
        contact_id=document["contact_id"],
        address=document["phone"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        status=Status(document["status"]),
        owner=Owner(document["owner"]),
        owner_version=document["owner_version"],
        language=document["language"],
        agent_id=document["agent_id"],
        handoff_reason=document["handoff_reason"],
        dialogue=orjson.loads(document["dialogue"]) if document["dialogue"] else None,
        version=document.get("version", 0),
        desk=_desk_of(document),
        business_number=document.get("business_number"),
    )


def dialogue_text(dialogue: Mapping[str, Any]) -> str:
    """Returns a dialogue state as JSON text, since its keys are words that the store must not interpret."""
    return orjson.dumps(dialogue).decode()


def message_document(message: Message, dedupe_key: str) -> dict[str, Any]:
    """Returns the stored form; `dedupe_key` is what may come twice from outside.

    `indexed` is False until the message can be found by its words.
    """
    return {
        "_id": message.message_id,
        "dedupe_key": dedupe_key,
        "conversation_id": message.conversation_id,
        "channel": message.channel.value,
        "direction": message.direction.value,
        "author": message.author.value,
        "text": message.text,
        "created_at": message.created_at,
        "sent_at": message.sent_at,
        "language": message.language,
        "intent": message.intent,
        "provider_id": message.provider_id,
        "outbox_id": message.outbox_id,
        "handled": message.handled,
        "kind": message.kind.value,
        "author_id": message.author_id,
        "media": media_document(message.media) if message.media else None,
        "extra": orjson.dumps(message.extra).decode() if message.extra else "",
        "reply_to": message.reply_to,
        "reactions": {},
        "edited_at": None,
        "versions": [],
        "removed_at": None,
        "indexed": False,
    }


def media_document(media: Media) -> dict[str, Any]:
    """Returns the stored form of a message's file."""
    return {**asdict(media), "state": media.state.value}


def _reactions_of(document: Mapping[str, Any]) -> tuple[Reaction, ...]:
    stored = document.get("reactions") or {}
    return tuple(
        Reaction(Author(author), entry["emoji"], entry["at"]) for author, entry in stored.items() if entry["emoji"]
    )


def message_of(document: Mapping[str, Any]) -> Message:
    """Reads a message."""
    return Message(
        message_id=document["_id"],
        conversation_id=document["conversation_id"],
        channel=Channel(document["channel"]),
        direction=Direction(document["direction"]),
        author=Author(document["author"]),
        text=document["text"],
        created_at=document["created_at"],
        sent_at=document["sent_at"],
        language=document["language"],
        intent=document["intent"],
        provider_id=document["provider_id"],
        outbox_id=document["outbox_id"],
        handled=document["handled"],
        kind=MessageKind(document.get("kind", MessageKind.TEXT)),
        author_id=document.get("author_id"),
        media=media_of(document["media"]) if document.get("media") else None,
        extra=orjson.loads(document["extra"]) if document.get("extra") else {},
        reply_to=document.get("reply_to"),
        reactions=_reactions_of(document),
        edited_at=document.get("edited_at"),
        earlier=len(document.get("versions") or ()),
        removed_at=document.get("removed_at"),
    )


def media_of(stored: Mapping[str, Any]) -> Media:
    """Reads a message's file."""
    return Media(**{**stored, "state": MediaState(stored["state"])})


def snapshot_document(tenant_id: str, snapshot: CallSnapshot) -> dict[str, Any]:
    """Returns the stored form; the id is the call's, so that a call is attached once."""
    return {
        "_id": f"{tenant_id}:{snapshot.context.call_id}",
        "conversation_id": snapshot.conversation_id,
        "attached_at": snapshot.attached_at,
        "indexed": False,
        "context": orjson.dumps(asdict(snapshot.context)).decode(),
    }


def snapshot_of(document: Mapping[str, Any]) -> CallSnapshot:
    """Reads a call snapshot."""
    context = orjson.loads(document["context"])
    lines = tuple(TranscriptLine(**{**line, "author": Author(line["author"])}) for line in context.pop("transcript"))
    return CallSnapshot(document["conversation_id"], CallContext(**context, transcript=lines), document["attached_at"])
