"""What the parts of the conversations' store share: the collections, the sealing of words, the signals of change."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.conversations import repository
from app.conversations.models import CallSnapshot, Conversation, Message
from app.kit.clock import Clock
from app.kit.mongo import Collection, Database
from app.kit.sealed import SealedText

Signal = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Tells listeners of a tenant what changed: a `type` and ids. Never raises."""


async def unheard(tenant_id: str, message: Mapping[str, Any]) -> None:
    """Signals nobody."""


class Records:
    """Reads stored conversations and messages, opening their words."""

    def __init__(self, database: Database, sealed: SealedText, clock: Clock, signal: Signal = unheard) -> None:
        self._database = database
        self._sealed = sealed
        self._clock = clock
        self._signal = signal

    async def changed(self, tenant_id: str, conversation_id: str, what: str, **ids: Any) -> None:
        """Tells the tenant's listeners that a conversation changed.

        Args:
            tenant_id: Whose.
            conversation_id: Which.
            what: `message`, `message_changed`, `delivery`, `owner`, `status` ...: the part to fetch anew.
            **ids: What else names it; no personal data.
        """
        message = {"type": "conversation.changed", "conversation_id": conversation_id, "what": what, **ids}
        await self._signal(tenant_id, message)

    async def _conversation(self, document: Mapping[str, Any]) -> Conversation:
        dialogue = document["dialogue"]
        if dialogue is not None:
            dialogue = await self._sealed.open(document["tenant_id"], document["_id"], dialogue)
        return repository.conversation_of({**document, "dialogue": dialogue})

    async def _message(self, document: Mapping[str, Any]) -> Message:
        tenant_id, message_id = document["tenant_id"], document["_id"]
        opened = {"text": await self._sealed.open(tenant_id, message_id, document["text"])}
        if document.get("extra"):
            opened["extra"] = await self._sealed.open(tenant_id, message_id, document["extra"])
        return repository.message_of({**document, **opened})

    async def _snapshot(self, document: Mapping[str, Any]) -> CallSnapshot:
        context = await self._sealed.open(document["tenant_id"], document["_id"], document["context"])
        return repository.snapshot_of({**document, "context": context})

    def _collection(self, tenant_id: str, name: str) -> Collection:
        return self._database.tenant(tenant_id).collection(name)
