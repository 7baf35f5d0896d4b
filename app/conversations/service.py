"""Keeps contacts, their one open conversation and its messages, for calls and WhatsApp alike."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.conversations import repository
from app.conversations.contacts import ContactBook
from app.conversations.lease import leased
from app.conversations.messages import MessageLog
from app.conversations.models import CallContext, CallSnapshot, Contact, Conversation, Owner, Status
from app.errors import Conflict, NotFound, Unavailable
from app.kit.ids import new_id

_MOST_OPEN = 10


class ConversationService(ContactBook, MessageLog):
    """The state that all channels of a contact share."""

    async def open_for(
        self,
        contact: Contact,
        *,
        language: str | None = None,
        agent_id: str | None = None,
        address: str | None = None,
        business_number: str | None = None,
    ) -> Conversation:
        """Returns the contact's open conversation, created if there is none; parallel callers get the same one.

        One that was resolved not long ago is opened again, if the tenant's settings say so.

        Args:
            contact: With whom.
            language: BCP-47, once known.
            agent_id: Whose bot answers, once known; a new conversation takes the tenant's default.
            address: The number or business-scoped id that wrote just now: we answer there. None: as before.
            business_number: Meta's id of the number that was written to: we answer from there. None: as before.
        """
        conversations = self._collection(contact.tenant_id, repository.CONVERSATIONS)
        found = await self._open_document(contact, address)
        if found is None and not await self._reopened_by_customer(contact):
            rules = await self._deadlines.settings.get(contact.tenant_id)
            now = self._clock.now()
            conversation = Conversation(
                new_id("conv"),
                contact.tenant_id,
                contact.contact_id,
                address or contact.address,
                now,
                now,
                language=language or contact.language,
                agent_id=agent_id or rules.default_agent_id,
                business_number=business_number,
            )
            with contextlib.suppress(Conflict):
                await conversations.insert_one(repository.conversation_document(conversation))
                await self.changed(contact.tenant_id, conversation.conversation_id, "created")
        found = found or await self._open_document(contact, address)
        if found is None:
            raise Unavailable("the conversation could not be opened")
        current = await self._conversation(found)
        wanted = {"language": language, "agent_id": agent_id, "phone": address, "business_number": business_number}
        changes = {field: value for field, value in wanted.items() if value is not None and value != found.get(field)}
        return await self._changed(current, changes) if changes else current

    async def _open_document(self, contact: Contact, address: str | None) -> dict[str, Any] | None:
        """Returns the open conversation of an address, else of the contact; merged contacts may have several."""
        conversations = self._collection(contact.tenant_id, repository.CONVERSATIONS)
        query = {"contact_id": contact.contact_id, "status": {"$ne": Status.CLOSED.value}}
        found = await conversations.find(query, sort=(("_id", 1),), limit=_MOST_OPEN)
        same = [document for document in found if document["phone"] == (address or contact.address)]
        own = [document for document in found if document["open_key"] == contact.contact_id]
        return next(iter([*same, *own, *found]), None)

    async def _reopened_by_customer(self, contact: Contact) -> bool:
        rules = await self._deadlines.settings.get(contact.tenant_id)
        conversations = self._collection(contact.tenant_id, repository.CONVERSATIONS)
        since = self._clock.now() - timedelta(hours=rules.reopen_hours)
        query = {"contact_id": contact.contact_id, "status": Status.CLOSED.value, "resolved_at": {"$gt": since}}
        found = await conversations.find(query, sort=(("_id", -1),), limit=1)
        return bool(found) and await self.open_again(await self._conversation(found[0]))

    async def open_again(self, conversation: Conversation) -> bool:
        """Opens a closed conversation; returns False where the contact has another open one, or somebody was first."""
        change = {
            "$set": {
                "status": Status.OPEN.value,
                "open_key": conversation.contact_id,
                "active_at": self._clock.now(),
                "updated_at": self._clock.now(),
            },
            "$inc": {"version": 1, "reopened": 1},
        }
        query = {**repository.at_version(conversation.conversation_id, conversation.version), "status": "closed"}
        try:
            done = await self._collection(conversation.tenant_id, repository.CONVERSATIONS).update_one(query, change)
        except Conflict:
            return False
        if done:
            await self.changed(conversation.tenant_id, conversation.conversation_id, "status")
        return done

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
            query: Equalities on `status`, `owner`, `contact_id` or `phone`, the address.
        """
        page = await self._collection(tenant_id, repository.CONVERSATIONS).page(query, limit, starting_after)
        return [await self._conversation(document) for document in page.data], page.has_more

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
            {"$set": changes, "$inc": {"owner_version": 1, "version": 1}},
        )
        if changed is None:
            raise Conflict("someone else took the conversation meanwhile; read it again", code="owner_changed")
        await self.changed(conversation.tenant_id, conversation.conversation_id, "owner")
        return await self._conversation(changed)

    async def change(
        self,
        conversation: Conversation,
        fields: Mapping[str, Any],
        what: str,
        *,
        unset: tuple[str, ...] = (),
        new_owner: Owner | None = None,
    ) -> Conversation:
        """Changes what people decide about a conversation, if nobody did since it was read.

        Args:
            conversation: As it was read.
            fields: Stored fields and their values; none of a unique index.
            what: For the signal: `owner`, `assignment`, `labels`, `status`, `snooze`.
            unset: Stored fields to take away.
            new_owner: Who answers from now on.

        Raises:
            Conflict: It changed since it was read (`conversation_changed`).
        """
        changes = {**fields, "updated_at": self._clock.now()}
        counters = {"version": 1}
        if new_owner is not None and new_owner is not conversation.owner:
            changes["owner"], counters["owner_version"] = new_owner.value, 1
        update: dict[str, Any] = {"$set": changes, "$inc": counters}
        if unset:
            update["$unset"] = dict.fromkeys(unset, "")
        changed = await self._collection(conversation.tenant_id, repository.CONVERSATIONS).find_one_and_update(
            repository.at_version(conversation.conversation_id, conversation.version), update
        )
        if changed is None:
            raise Conflict(
                "someone else changed the conversation meanwhile; read it again", code="conversation_changed"
            )
        await self.changed(conversation.tenant_id, conversation.conversation_id, what)
        return await self._conversation(changed)

    async def close(self, conversation: Conversation, *, resolved_at: datetime | None = None) -> bool:
        """Closes a conversation; the contact's next word opens it again or a new one, as the settings say.

        Args:
            conversation: As it was read.
            resolved_at: When people called it resolved; None: it is over for good.

        Returns:
            Whether it was closed; False where somebody changed it since it was read.
        """
        change = {
            "status": Status.CLOSED.value,
            "open_key": conversation.conversation_id,
            "updated_at": self._clock.now(),
            "resolved_at": resolved_at,
            "snoozed_until": None,
            "wants_person_since": None,
            "waiting_since": None,
            "due_at": None,
        }
        closed = await self._collection(conversation.tenant_id, repository.CONVERSATIONS).update_one(
            repository.at_version(conversation.conversation_id, conversation.version),
            {"$set": change, "$inc": {"version": 1}},
        )
        if closed:
            await self.changed(conversation.tenant_id, conversation.conversation_id, "status")
        return closed

    async def last_asked(self, contact: Contact, since: datetime) -> Conversation | None:
        """Returns the conversation whose customer was asked last how content they are, if that was after `since`."""
        query = {"contact_id": contact.contact_id, "rating_asked_at": {"$gt": since}}
        found = await self._collection(contact.tenant_id, repository.CONVERSATIONS).find(
            query, sort=(("_id", -1),), limit=1
        )
        return await self._conversation(found[0]) if found else None

    async def note(self, conversation: Conversation, fields: Mapping[str, Any]) -> None:
        """Stores what was noticed about a conversation, beside what people decide: no new version."""
        await self._changed(conversation, fields)

    async def open_count(self, tenant_id: str, member_id: str) -> int:
        """Returns how many open conversations a person has; sleeping ones do not count."""
        query = {"assignee_id": member_id, "status": Status.OPEN.value}
        return await self._collection(tenant_id, repository.CONVERSATIONS).count(query)

    async def mark_read(self, tenant_id: str, conversation_id: str) -> None:
        """Notes that a person has read everything.

        Raises:
            NotFound: Not this tenant's.
        """
        conversations = self._collection(tenant_id, repository.CONVERSATIONS)
        if not await conversations.update_one({"_id": conversation_id}, {"$set": {"unread": 0}}):
            raise NotFound(f"no conversation {conversation_id}")
        await self.changed(tenant_id, conversation_id, "read")

    async def continues_dropped_calls(self, tenant_id: str) -> bool:
        """Returns whether the tenant lets calls that broke off go on in WhatsApp."""
        return (await self._deadlines.settings.get(tenant_id)).continue_dropped_calls

    async def wait_from(self, conversation: Conversation, at: datetime | None = None) -> None:
        """Starts the time to answer anew: a call ended at `at` (now), and a person is expected on WhatsApp."""
        at = at or self._clock.now()
        due_at = await self._deadlines.answer_due(conversation.tenant_id, at)
        await self._collection(conversation.tenant_id, repository.CONVERSATIONS).update_one(
            {"_id": conversation.conversation_id, "first_responded_at": None},
            {"$set": {"waiting_since": at, "due_at": due_at, "breached_at": None}},
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
