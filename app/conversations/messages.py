"""The messages of conversations: appended once, then only added to: reactions, edits, files, what was understood."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from app.conversations import repository
from app.conversations.deadlines import Deadlines
from app.conversations.models import (
    Author,
    Conversation,
    Direction,
    Media,
    Message,
    NewMessage,
    Owner,
    Status,
)
from app.conversations.records import Records, Signal, unheard
from app.errors import Conflict, NotFound
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, StorePage
from app.kit.sealed import SealedText

MOST_VERSIONS: Final = 20


class MessageLog(Records):
    """Appends and completes messages. Providers deliver twice and in any order; nothing here minds."""

    def __init__(
        self,
        database: Database,
        sealed: SealedText,
        clock: Clock,
        signal: Signal = unheard,
        deadlines: Deadlines | None = None,
    ) -> None:
        super().__init__(database, sealed, clock, signal)
        self._deadlines = deadlines or Deadlines(database)

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
            kind=new.kind,
            author_id=new.author_id,
            media=new.media,
            extra=new.extra,
            reply_to=new.reply_to,
        )
        tenant_id, dedupe_key = conversation.tenant_id, new.dedupe_key or message.message_id
        messages = self._messages(tenant_id)
        document = repository.message_document(message, dedupe_key)
        document["text"] = await self._sealed.seal(tenant_id, message.message_id, message.text)
        if document["extra"]:
            document["extra"] = await self._sealed.seal(tenant_id, message.message_id, document["extra"])
        try:
            await messages.insert_one(document)
        except Conflict:
            found = await messages.find_one({"dedupe_key": dedupe_key})
            if found is None:
                raise
            return await self._message(found), False
        await self._noticed(conversation, message)
        await self.changed(tenant_id, conversation.conversation_id, "message", message_id=message.message_id)
        return message, True

    async def message(self, tenant_id: str, message_id: str) -> Message:
        """Returns a message.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._messages(tenant_id).find_one({"_id": message_id})
        if found is None:
            raise NotFound(f"no message {message_id}")
        return await self._message(found)

    async def message_of_outbox(self, tenant_id: str, outbox_id: str) -> Message:
        """Returns the message that an outbox row carries.

        Raises:
            NotFound: There is none.
        """
        found = await self._messages(tenant_id).find_one({"dedupe_key": f"outbox:{outbox_id}"})
        if found is None:
            raise NotFound(f"no message of {outbox_id}")
        return await self._message(found)

    async def message_of_provider(self, tenant_id: str, provider_id: str) -> Message:
        """Returns the message that has an id of the provider's.

        Raises:
            NotFound: There is none.
        """
        found = await self._messages(tenant_id).find_one({"provider_id": provider_id})
        if found is None:
            raise NotFound("no message of this id of the provider's")
        return await self._message(found)

    async def messages(
        self, tenant_id: str, conversation_id: str, *, limit: int, starting_after: str | None
    ) -> tuple[list[Message], bool]:
        """Returns one page of a conversation's messages, newest first, and whether more follow."""
        page: StorePage = await self._messages(tenant_id).page(
            {"conversation_id": conversation_id}, limit, starting_after
        )
        return [await self._message(document) for document in page.data], page.has_more

    async def is_handled(self, tenant_id: str, message_id: str) -> bool:
        """Returns whether everything that must follow an inbound message is done."""
        found = await self._messages(tenant_id).find_one({"_id": message_id}, ["handled"])
        return found is None or bool(found["handled"])

    async def mark_handled(self, tenant_id: str, message_id: str) -> None:
        """Notes that everything that must follow an inbound message is done."""
        await self._messages(tenant_id).update_one({"_id": message_id}, {"$set": {"handled": True}})

    async def note_understood(
        self, tenant_id: str, message_id: str, *, language: str | None, intent: str | None
    ) -> None:
        """Stores what understanding made of a message."""
        changes = {"language": language, "intent": intent}
        await self._messages(tenant_id).update_one({"_id": message_id}, {"$set": changes})

    async def react(self, tenant_id: str, provider_id: str, author: Author, emoji: str, at: datetime) -> bool:
        """Puts an emoji on a message, or takes it away (""); the latest by `at` counts.

        Returns:
            Whether the message is known; one that comes later can take the reaction then.
        """
        found = await self._messages(tenant_id).find_one({"provider_id": provider_id})
        if found is None:
            return False
        known = (found.get("reactions") or {}).get(author.value)
        if known is None or known["at"] <= at:
            change = {f"reactions.{author.value}": {"emoji": emoji[:16], "at": at}}
            await self._messages(tenant_id).update_one({"_id": found["_id"]}, {"$set": change})
            await self._message_changed(tenant_id, found)
        return True

    async def edit(self, tenant_id: str, provider_id: str, text: str, at: datetime) -> bool:
        """Replaces a message's words by what its author made of them at `at`; the earlier ones are kept.

        Returns:
            Whether the message is known. An older edit than the present one changes nothing.
        """
        found = await self._messages(tenant_id).find_one({"provider_id": provider_id})
        if found is None:
            return False
        last = found.get("edited_at")
        if last is None or last < at:
            sealed = await self._sealed.seal(tenant_id, found["_id"], text)
            versions = [*(found.get("versions") or ()), {"text": found["text"], "until": at}][-MOST_VERSIONS:]
            changes = {"text": sealed, "versions": versions, "edited_at": at, "indexed": False}
            query = {"_id": found["_id"], "edited_at": last}
            if await self._messages(tenant_id).update_one(query, {"$set": changes}):
                await self._message_changed(tenant_id, found)
        return True

    async def remove(self, tenant_id: str, provider_id: str, at: datetime) -> bool:
        """Notes that its author took a message back: people see that, and not its words any more.

        Returns:
            Whether the message is known.
        """
        found = await self._messages(tenant_id).find_one({"provider_id": provider_id})
        if found is None:
            return False
        if found.get("removed_at") is None:
            changes = {"removed_at": at, "indexed": False}
            await self._messages(tenant_id).update_one({"_id": found["_id"]}, {"$set": changes})
            await self._message_changed(tenant_id, found)
        return True

    async def versions(self, tenant_id: str, message_id: str) -> list[tuple[str, datetime]]:
        """Returns the earlier words of an edited message and until when each held, oldest first.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._messages(tenant_id).find_one({"_id": message_id})
        if found is None:
            raise NotFound(f"no message {message_id}")
        versions = found.get("versions") or ()
        return [(await self._sealed.open(tenant_id, message_id, entry["text"]), entry["until"]) for entry in versions]

    async def note_author(self, tenant_id: str, message_id: str, author_id: str) -> None:
        """Stores which member or key wrote a person's message."""
        await self._messages(tenant_id).update_one({"_id": message_id}, {"$set": {"author_id": author_id}})

    async def note_media(self, tenant_id: str, message_id: str, media: Media) -> None:
        """Stores where the file of a message stands."""
        document = repository.media_document(media)
        await self._messages(tenant_id).update_one({"_id": message_id}, {"$set": {"media": document}})
        await self._told(tenant_id, message_id)

    async def note_transcript(self, tenant_id: str, message_id: str, text: str, language: str | None) -> None:
        """Stores what a voice note says, in place of its placeholder."""
        sealed = await self._sealed.seal(tenant_id, message_id, text)
        changes = {"text": sealed, "language": language, "indexed": False}
        await self._messages(tenant_id).update_one({"_id": message_id}, {"$set": changes})
        await self._told(tenant_id, message_id)

    async def note_provider_id(self, tenant_id: str, outbox_id: str, provider_id: str) -> None:
        """Stores the id that the provider gave to a message of ours, so that reactions and answers find it."""
        await self._messages(tenant_id).update_one(
            {"dedupe_key": f"outbox:{outbox_id}"}, {"$set": {"provider_id": provider_id}}
        )

    async def _noticed(self, conversation: Conversation, message: Message) -> None:
        """Moves what a message moves: activity, unread, and the clock of who waits."""
        now = self._clock.now()
        changes: dict[str, Any] = {"updated_at": now}
        more: dict[str, Any] = {}
        if message.direction is not Direction.INTERNAL:
            changes |= {"active_at": now, "last_message_at": now}
        if message.direction is Direction.INBOUND:
            more = {"$inc": {"unread": 1}}
            if conversation.desk.waiting_since is None:
                changes["waiting_since"] = now
                if conversation.owner is Owner.PERSON or conversation.desk.wants_person_since is not None:
                    changes["due_at"] = await self._deadlines.answer_due(conversation.tenant_id, now)
        elif message.author is Author.PERSON and message.direction is Direction.OUTBOUND:
            changes |= {"waiting_since": None, "due_at": None, "unread": 0, "wants_person_since": None}
            if conversation.desk.first_responded_at is None:
                changes["first_responded_at"] = now
        elif message.author is Author.BOT and conversation.desk.wants_person_since is None:
            changes |= {"waiting_since": None, "due_at": None} if conversation.owner is Owner.BOT else {}
        conversations = self._collection(conversation.tenant_id, repository.CONVERSATIONS)
        noticed = await conversations.find_one_and_update(
            {"_id": conversation.conversation_id}, {"$set": changes, **more}
        )
        if message.direction is Direction.INBOUND and noticed is not None:
            asleep = noticed["status"] == Status.SNOOZED.value
            closed_since = noticed["status"] == Status.CLOSED.value and conversation.status is not Status.CLOSED
            if asleep or closed_since:
                await self._roused(noticed)

    async def _roused(self, document: Mapping[str, Any]) -> None:
        """Opens a conversation that somebody put to sleep or resolved while its customer was writing."""
        change = {"status": Status.OPEN.value, "snoozed_until": None, "open_key": document["contact_id"]}
        query = {"_id": document["_id"], "status": document["status"]}
        conversations = self._collection(document["tenant_id"], repository.CONVERSATIONS)
        try:
            roused = await conversations.update_one(query, {"$set": change, "$inc": {"version": 1}})
        except Conflict:
            return
        if roused:
            await self.changed(document["tenant_id"], document["_id"], "status")

    async def _told(self, tenant_id: str, message_id: str) -> None:
        found = await self._messages(tenant_id).find_one({"_id": message_id}, ["conversation_id"])
        if found is not None:
            await self._message_changed(tenant_id, found)

    async def _message_changed(self, tenant_id: str, document: Mapping[str, Any]) -> None:
        await self.changed(tenant_id, document["conversation_id"], "message_changed", message_id=document["_id"])

    def _messages(self, tenant_id: str) -> Collection:
        return self._collection(tenant_id, repository.MESSAGES)
