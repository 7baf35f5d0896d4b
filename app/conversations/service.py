"""Keeps contacts, their one open conversation and its messages, for calls and WhatsApp alike."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from app.conversations import repository
from app.conversations.lease import leased
from app.conversations.models import (
    CallContext,
    CallSnapshot,
    Contact,
    Conversation,
    Message,
    NewMessage,
    Owner,
    Reach,
    Status,
)
from app.conversations.sealed import SealedText
from app.errors import Conflict, NotFound, Unavailable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, StorePage


class ConversationService:
    """The state that all channels of a contact share."""

    def __init__(self, database: Database, sealed: SealedText, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed
        self._clock = clock

    async def contact_for(self, tenant_id: str, phone: str) -> Contact:
        """Returns the contact of a phone number (E.164), created if new."""
        contacts = self._collection(tenant_id, repository.CONTACTS)
        found = await contacts.find_one({"phone": phone})
        if found is None:
            contact = Contact(new_id("contact"), tenant_id, phone, self._clock.now())
            with contextlib.suppress(Conflict):
                await contacts.insert_one(repository.contact_document(contact))
            found = await contacts.find_one({"phone": phone})
        if found is None:
            raise Unavailable("the contact could not be stored")
        return repository.contact_of(found)

    async def find_contact(self, tenant_id: str, phone: str) -> Contact | None:
        """Returns the contact with this number (E.164), or None."""
        found = await self._collection(tenant_id, repository.CONTACTS).find_one({"phone": phone})
        return repository.contact_of(found) if found else None

    async def note_contact(
        self,
        tenant_id: str,
        contact_id: str,
        *,
        wa_id: str | None = None,
        name: str | None = None,
        language: str | None = None,
        whatsapp: Reach | None = None,
    ) -> None:
        """Stores what was learnt about a contact; None leaves a field as it is."""
        known = {"wa_id": wa_id, "name": name, "language": language, "whatsapp": whatsapp and whatsapp.value}
        changes = {field: value for field, value in known.items() if value is not None}
        if changes:
            await self._collection(tenant_id, repository.CONTACTS).update_one({"_id": contact_id}, {"$set": changes})

    async def contact(self, tenant_id: str, contact_id: str) -> Contact:
        """Returns a contact.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._collection(tenant_id, repository.CONTACTS).find_one({"_id": contact_id})
        if found is None:
            raise NotFound(f"no contact {contact_id}")
        return repository.contact_of(found)

    async def open_for(
        self, contact: Contact, *, language: str | None = None, agent_id: str | None = None
    ) -> Conversation:
        """Returns the contact's open conversation, created if there is none; parallel callers get the same one."""
        conversations = self._collection(contact.tenant_id, repository.CONVERSATIONS)
        query = {"open_key": contact.contact_id}
        found = await conversations.find_one(query)
        if found is None:
            now = self._clock.now()
            conversation = Conversation(
                new_id("conv"),
                contact.tenant_id,
                contact.contact_id,
                contact.phone,
                now,
                now,
                language=language or contact.language,
                agent_id=agent_id,
            )
            with contextlib.suppress(Conflict):
                await conversations.insert_one(repository.conversation_document(conversation))
            found = await conversations.find_one(query)
        if found is None:
            raise Unavailable("the conversation could not be opened")
        current = await self._conversation(found)
        changes = {
            field: value
            for field, value in (("language", language), ("agent_id", agent_id))
            if value is not None and value != found[field]
        }
        return await self._changed(current, changes) if changes else current

    async def get(self, tenant_id: str, conversation_id: str) -> Conversation:
        """Returns a conversation.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._collection(tenant_id, repository.CONVERSATIONS).find_one({"_id": conversation_id})
        if found is None:
            raise NotFound(f"no conversation {conversation_id}")
        return await self._conversation(found)

    async def page(
        self, tenant_id: str, *, limit: int, starting_after: str | None, query: Mapping[str, Any]
    ) -> tuple[list[Conversation], bool]:
        """Returns one page, newest first, and whether more follow.

        Args:
            tenant_id: Whose.
            limit: 1 to 100.
            starting_after: The last id of the page before.
            query: Equalities on `status`, `owner`, `contact_id` or `phone`.
        """
        page = await self._collection(tenant_id, repository.CONVERSATIONS).page(query, limit, starting_after)
        return [await self._conversation(document) for document in page.data], page.has_more

    async def append(self, conversation: Conversation, new: NewMessage) -> tuple[Message, bool]:
        """Adds a message.

        Returns:
            The message as stored, and whether it is new; False when its `dedupe_key` was there before.
        """
        message = Message(
            message_id=new_id("msg"),
            conversation_id=conversation.conversation_id,
            channel=new.channel,
            direction=new.direction,
            author=new.author,
            text=new.text,
            created_at=self._clock.now(),
            sent_at=new.sent_at,
            language=new.language,
            intent=new.intent,
            provider_id=new.provider_id,
            outbox_id=new.outbox_id,
            handled=new.handled,
        )
        messages = self._collection(conversation.tenant_id, repository.MESSAGES)
        dedupe_key = new.dedupe_key or message.message_id
        try:
            document = repository.message_document(message, dedupe_key)
            document["text"] = await self._sealed.seal(conversation.tenant_id, message.message_id, message.text)
            await messages.insert_one(document)
        except Conflict:
            found = await messages.find_one({"dedupe_key": dedupe_key})
            if found is None:
                raise
            return await self._message(found), False
        await self._changed(conversation, {})
        return message, True

    async def message_of_outbox(self, tenant_id: str, outbox_id: str) -> Message:
        """Returns the message that an outbox row carries.

        Raises:
            NotFound: There is none.
        """
        messages = self._collection(tenant_id, repository.MESSAGES)
        found = await messages.find_one({"dedupe_key": f"outbox:{outbox_id}"})
        if found is None:
            raise NotFound(f"no message of {outbox_id}")
        return await self._message(found)

    async def is_handled(self, tenant_id: str, message_id: str) -> bool:
        """Returns whether everything that must follow an inbound message is done."""
        found = await self._collection(tenant_id, repository.MESSAGES).find_one({"_id": message_id}, ["handled"])
        return found is None or bool(found["handled"])

    async def mark_handled(self, tenant_id: str, message_id: str) -> None:
        """Notes that everything that must follow an inbound message is done."""
        messages = self._collection(tenant_id, repository.MESSAGES)
        await messages.update_one({"_id": message_id}, {"$set": {"handled": True}})

    async def note_understood(
        self, tenant_id: str, message_id: str, *, language: str | None, intent: str | None
    ) -> None:
        """Stores what understanding made of a message."""
        messages = self._collection(tenant_id, repository.MESSAGES)
        await messages.update_one({"_id": message_id}, {"$set": {"language": language, "intent": intent}})

    async def messages(
        self, tenant_id: str, conversation_id: str, *, limit: int, starting_after: str | None
    ) -> tuple[list[Message], bool]:
        """Returns one page of a conversation's messages, newest first, and whether more follow.

        Raises:
            NotFound: The conversation is not this tenant's.
        """
        await self.get(tenant_id, conversation_id)
        page: StorePage = await self._collection(tenant_id, repository.MESSAGES).page(
            {"conversation_id": conversation_id}, limit, starting_after
        )
        return [await self._message(document) for document in page.data], page.has_more

    async def attach_call(self, conversation: Conversation, context: CallContext) -> CallSnapshot:
        """Keeps what the call knew, once per call; a second attempt returns the first snapshot."""
        snapshots = self._collection(conversation.tenant_id, repository.SNAPSHOTS)
        snapshot = CallSnapshot(conversation.conversation_id, context, self._clock.now())
        document = repository.snapshot_document(conversation.tenant_id, snapshot)
        document["context"] = await self._sealed.seal(conversation.tenant_id, document["_id"], document["context"])
        try:
            await snapshots.insert_one(document)
        except Conflict:
            found = await snapshots.find_one({"_id": document["_id"]})
            if found is None:
                raise
            return await self._snapshot(found)
        return snapshot

    async def snapshots(self, tenant_id: str, conversation_id: str) -> list[CallSnapshot]:
        """Returns the calls of a conversation, oldest first; at most 50."""
        found = await self._collection(tenant_id, repository.SNAPSHOTS).find(
            {"conversation_id": conversation_id}, sort=(("attached_at", 1),), limit=50
        )
        return [await self._snapshot(document) for document in found]

    async def hand_to(self, conversation: Conversation, owner: Owner, *, reason: str | None = None) -> Conversation:
        """Gives the conversation to the bot or a person, if nobody else did meanwhile.

        Raises:
            Conflict: The owner changed since `conversation` was read (`owner_changed`).
        """
        if conversation.owner is owner and reason is None:
            return conversation
        changes: dict[str, Any] = {"owner": owner.value, "updated_at": self._clock.now()}
        if reason is not None:
            changes["handoff_reason"] = reason
        changed = await self._collection(conversation.tenant_id, repository.CONVERSATIONS).find_one_and_update(
            {"_id": conversation.conversation_id, "owner_version": conversation.owner_version},
            {"$set": changes, "$inc": {"owner_version": 1}},
        )
        if changed is None:
            raise Conflict("someone else took the conversation meanwhile; read it again", code="owner_changed")
        return await self._conversation(changed)

    async def close(self, conversation: Conversation) -> None:
        """Closes a conversation; the contact's next word opens a new one."""
        await self._collection(conversation.tenant_id, repository.CONVERSATIONS).update_one(
            {"_id": conversation.conversation_id},
            {
                "$set": {
                    "status": Status.CLOSED.value,
                    "open_key": conversation.conversation_id,
                    "updated_at": self._clock.now(),
                }
            },
        )

    async def save_dialogue(self, conversation: Conversation, dialogue: Mapping[str, Any], language: str) -> None:
        """Stores the chat's dialogue state; call it while holding `exclusive`."""
        text = repository.dialogue_text(dialogue)
        sealed = await self._sealed.seal(conversation.tenant_id, conversation.conversation_id, text)
        await self._changed(conversation, {"dialogue": sealed, "language": language})

    @contextlib.asynccontextmanager
    async def exclusive(self, tenant_id: str, conversation_id: str) -> AsyncIterator[Conversation]:
        """Holds the conversation for one worker at a time, so that its messages are answered in order.

        Yields:
            The conversation as stored once it is held.

        Raises:
            Unavailable: Another worker holds it too long; try the job again.
        """
        conversations = self._collection(tenant_id, repository.CONVERSATIONS)
        async with leased(conversations, conversation_id, self._clock) as held:
            yield await self._conversation(held)

    async def _changed(self, conversation: Conversation, changes: Mapping[str, Any]) -> Conversation:
        changed = await self._collection(conversation.tenant_id, repository.CONVERSATIONS).find_one_and_update(
            {"_id": conversation.conversation_id}, {"$set": {**changes, "updated_at": self._clock.now()}}
        )
        if changed is None:
            raise NotFound(f"no conversation {conversation.conversation_id}")
        return await self._conversation(changed)

    async def _conversation(self, document: Mapping[str, Any]) -> Conversation:
        dialogue = document["dialogue"]
        if dialogue is not None:
            dialogue = await self._sealed.open(document["tenant_id"], document["_id"], dialogue)
        return repository.conversation_of({**document, "dialogue": dialogue})

    async def _message(self, document: Mapping[str, Any]) -> Message:
        text = await self._sealed.open(document["tenant_id"], document["_id"], document["text"])
        return repository.message_of({**document, "text": text})

    async def _snapshot(self, document: Mapping[str, Any]) -> CallSnapshot:
        context = await self._sealed.open(document["tenant_id"], document["_id"], document["context"])
        return repository.snapshot_of({**document, "context": context})

    def _collection(self, tenant_id: str, name: str) -> Collection:
        return self._database.tenant(tenant_id).collection(name)
