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
    Direction,
    Message,
    Owner,
    Reach,
    Status,
    TranscriptLine,
)
from app.kit.mongo import IndexSpec

CONTACTS = "contacts"
CONVERSATIONS = "conversations"
MESSAGES = "messages"
SNAPSHOTS = "call_snapshots"
INDEXES = (
    IndexSpec(CONTACTS, (("tenant_id", 1), ("phone", 1)), unique=True),
    IndexSpec(CONVERSATIONS, (("tenant_id", 1), ("open_key", 1)), unique=True),
    IndexSpec(CONVERSATIONS, (("tenant_id", 1), ("contact_id", 1))),
    IndexSpec(MESSAGES, (("tenant_id", 1), ("conversation_id", 1))),
    IndexSpec(MESSAGES, (("tenant_id", 1), ("dedupe_key", 1)), unique=True),
    IndexSpec(SNAPSHOTS, (("tenant_id", 1), ("conversation_id", 1))),
)


def contact_document(contact: Contact) -> dict[str, Any]:
    """Returns the stored form of a contact."""
    return {
        "_id": contact.contact_id,
        "phone": contact.phone,
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
        document["phone"],
        document["created_at"],
        document["wa_id"],
        document["name"],
        document["language"],
        Reach(document["whatsapp"]),
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
        "phone": conversation.phone,
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
    }


def conversation_of(document: Mapping[str, Any]) -> Conversation:
    """Reads a conversation."""
    return Conversation(
        conversation_id=document["_id"],
        tenant_id=document["tenant_id"],
        contact_id=document["contact_id"],
        phone=document["phone"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        status=Status(document["status"]),
        owner=Owner(document["owner"]),
        owner_version=document["owner_version"],
        language=document["language"],
        agent_id=document["agent_id"],
        handoff_reason=document["handoff_reason"],
        dialogue=orjson.loads(document["dialogue"]) if document["dialogue"] else None,
    )


def dialogue_text(dialogue: Mapping[str, Any]) -> str:
    """Returns a dialogue state as JSON text, since its keys are words that the store must not interpret."""
    return orjson.dumps(dialogue).decode()


def message_document(message: Message, dedupe_key: str) -> dict[str, Any]:
    """Returns the stored form; `dedupe_key` is what may come twice from outside."""
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
    }


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
    )


def snapshot_document(tenant_id: str, snapshot: CallSnapshot) -> dict[str, Any]:
    """Returns the stored form; the id is the call's, so that a call is attached once."""
    return {
        "_id": f"{tenant_id}:{snapshot.context.call_id}",
        "conversation_id": snapshot.conversation_id,
        "attached_at": snapshot.attached_at,
        "context": orjson.dumps(asdict(snapshot.context)).decode(),
    }


def snapshot_of(document: Mapping[str, Any]) -> CallSnapshot:
    """Reads a call snapshot."""
    context = orjson.loads(document["context"])
    lines = tuple(TranscriptLine(**{**line, "author": Author(line["author"])}) for line in context.pop("transcript"))
    return CallSnapshot(document["conversation_id"], CallContext(**context, transcript=lines), document["attached_at"])
