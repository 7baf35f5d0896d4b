"""What people do with a conversation: take, hand on, label, put to sleep, resolve; each once, by whoever was first.

Every change names the version it was decided on. Who comes second learns who was first.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from app.audit.log import AuditLog
from app.conversations.models import (
    Author,
    Channel,
    Conversation,
    Direction,
    Message,
    MessageKind,
    NewMessage,
    Owner,
    Status,
)
from app.conversations.people import People
from app.conversations.service import ConversationService
from app.errors import Conflict, FieldError, Unprocessable
from app.kit.clock import Clock

_ATTEMPTS: Final = 5
_MEMBER: Final = "mem_"
Decide = Callable[[Conversation], Awaitable[Conversation]]


def member_of(actor: str) -> str | None:
    """Returns the member behind an actor; None for an API key."""
    return actor if actor.startswith(_MEMBER) else None


class Desk:
    """The actions of people; each writes an event into the conversation and an entry into the audit log.

    `expected` is the version that somebody saw when they decided; None: whatever holds now.
    """

    def __init__(self, conversations: ConversationService, people: People, audit: AuditLog, clock: Clock) -> None:
        self._conversations = conversations
        self._people = people
        self._audit = audit
        self._clock = clock

    async def take(
        self,
        tenant_id: str,
        conversation_id: str,
        actor: str,
        *,
        expected: int | None = None,
        force: bool = False,
    ) -> Conversation:
        """Takes a conversation over, from the bot or from nobody; of two at once one gets it.

        Args:
            tenant_id: Whose.
            conversation_id: Which.
            actor: Who takes it.
            expected: The version it was decided on.
            force: Take it from another person, too.

        Raises:
            Conflict: Another person has it (`taken`, with who), or it is closed (`conversation_closed`).
        """
        me = member_of(actor)

        async def decide(current: Conversation) -> Conversation:
            holder = current.desk.assignee_id
            if current.owner is Owner.PERSON and holder is not None and holder != me and not force:
                raise await self._taken(current)
            if current.owner is Owner.PERSON and holder == me and me is not None:
                return current
            fields = {"assignee_id": me, "wants_person_since": None}
            return await self._conversations.change(current, fields, "owner", new_owner=Owner.PERSON)

        return await self._decided(tenant_id, conversation_id, actor, expected, "taken_over", decide, takes=True)

    async def release(
        self, tenant_id: str, conversation_id: str, actor: str, *, expected: int | None = None
    ) -> Conversation:
        """Gives a conversation back to the bot.

        Raises:
            Conflict: No bot answers here (`no_agent`), or it changed meanwhile.
        """

        async def decide(current: Conversation) -> Conversation:
            if current.agent_id is None:
                raise Conflict(
                    "no agent answers this conversation: name a default agent in /v1/inbox/settings", code="no_agent"
                )
            fields = {"assignee_id": None, "wants_person_since": None, "due_at": None}
            return await self._conversations.change(current, fields, "owner", new_owner=Owner.BOT)

        return await self._decided(tenant_id, conversation_id, actor, expected, "returned_to_bot", decide)

    async def assign(
        self,
        tenant_id: str,
        conversation_id: str,
        actor: str,
        *,
        member_id: str | None,
        team_id: str | None,
        note: str | None = None,
        expected: int | None = None,
    ) -> Conversation:
        """Gives a conversation to a person, to a team, or to a person of a team; with neither, to nobody yet.

        Args:
            tenant_id: Whose.
            conversation_id: Which.
            actor: Who says so.
            member_id: The person.
            team_id: The team.
            note: What the next one should know; people read it, the customer does not.
            expected: The version it was decided on.

        Raises:
            Conflict: It is closed, or changed meanwhile.
            Unprocessable: No such person or team.
        """
        await self._conversations.get(tenant_id, conversation_id)
        await self._people.check_named(tenant_id, member_id, team_id)

        async def decide(current: Conversation) -> Conversation:
            fields = {"assignee_id": member_id, "team_id": team_id, "wants_person_since": None}
            return await self._conversations.change(current, fields, "assignment", new_owner=Owner.PERSON)

        data = {"member_id": member_id, "team_id": team_id}
        changed = await self._decided(tenant_id, conversation_id, actor, expected, "assigned", decide, data=data)
        if note:
            await self.note(tenant_id, conversation_id, actor, note)
        return changed

    async def note(self, tenant_id: str, conversation_id: str, actor: str, text: str) -> Message:
        """Writes a note that only people see."""
        current = await self._conversations.get(tenant_id, conversation_id)
        new = NewMessage(
            Channel.WHATSAPP,
            Direction.INTERNAL,
            Author.PERSON,
            text,
            self._clock.now(),
            kind=MessageKind.NOTE,
            author_id=actor,
        )
        message, _ = await self._conversations.append(current, new)
        await self._audit.record(tenant_id, actor, "conversation.noted", conversation_id)
        return message

    async def label(
        self, tenant_id: str, conversation_id: str, actor: str, labels: Iterable[str], *, expected: int | None = None
    ) -> Conversation:
        """Replaces the labels."""
        wanted = tuple(sorted(set(labels)))

        async def decide(current: Conversation) -> Conversation:
            if current.desk.labels == wanted:
                return current
            return await self._conversations.change(current, {"labels": dict.fromkeys(wanted, True)}, "labels")

        data = {"labels": list(wanted)}
        return await self._decided(
            tenant_id, conversation_id, actor, expected, "labelled", decide, data=data, when_closed=True
        )

    async def snooze(
        self, tenant_id: str, conversation_id: str, actor: str, until: datetime | None, *, expected: int | None = None
    ) -> Conversation:
        """Puts a conversation to sleep until a time (aware) or the customer's next word; None wakes it.

        Raises:
            Conflict: It is closed, or changed meanwhile.
            Unprocessable: The time has passed.
        """
        await self._conversations.get(tenant_id, conversation_id)
        if until is not None and until <= self._clock.now():
            detail = "must be a time to come"
            raise Unprocessable("this time has passed", errors=[FieldError("/body/until", detail)])

        async def decide(current: Conversation) -> Conversation:
            status = Status.OPEN if until is None else Status.SNOOZED
            fields = {"snoozed_until": until, "status": status.value}
            return await self._conversations.change(current, fields, "snooze")

        verb = "woken" if until is None else "snoozed"
        data = {"until": until.isoformat()} if until is not None else {}
        return await self._decided(tenant_id, conversation_id, actor, expected, verb, decide, data=data)

    async def resolve(
        self, tenant_id: str, conversation_id: str, actor: str, *, expected: int | None = None
    ) -> Conversation:
        """Calls a conversation resolved and closes it; resolving a resolved one changes nothing.

        Raises:
            Conflict: It changed meanwhile.
        """

        async def decide(current: Conversation) -> Conversation:
            if current.status is Status.CLOSED:
                return current
            if not await self._conversations.close(current, resolved_at=self._clock.now()):
                raise _changed()
            return await self._conversations.get(tenant_id, conversation_id)

        return await self._decided(tenant_id, conversation_id, actor, expected, "resolved", decide, when_closed=True)

    async def reopen(
        self, tenant_id: str, conversation_id: str, actor: str, *, expected: int | None = None
    ) -> Conversation:
        """Opens a resolved conversation again, for the person who does so; one that is open stays as it is.

        Raises:
            Conflict: The contact has another open conversation (`other_open`), or it changed meanwhile.
        """

        async def decide(current: Conversation) -> Conversation:
            if current.status is not Status.CLOSED:
                return current
            if await self._conversations.open_again(current):
                return await self._conversations.get(tenant_id, conversation_id)
            fresh = await self._conversations.get(tenant_id, conversation_id)
            if fresh.version != current.version:
                raise _changed()
            detail = "the contact has another open conversation; go on in that one"
            raise Conflict(detail, code="other_open")

        return await self._decided(tenant_id, conversation_id, actor, expected, "reopened", decide, when_closed=True)

    async def read(self, tenant_id: str, conversation_id: str) -> None:
        """Notes that a person has read everything."""
        await self._conversations.mark_read(tenant_id, conversation_id)

    async def _decided(
        self,
        tenant_id: str,
        conversation_id: str,
        actor: str,
        expected: int | None,
        verb: str,
        decide: Decide,
        *,
        data: Mapping[str, Any] | None = None,
        takes: bool = False,
        when_closed: bool = False,
    ) -> Conversation:
        """Decides on what holds now, again if somebody was faster, and writes down what came of it."""
        for _ in range(_ATTEMPTS):
            current = await self._conversations.get(tenant_id, conversation_id)
            if current.status is Status.CLOSED and not when_closed:
                raise Conflict("the conversation is closed; reopen it first", code="conversation_closed")
            if expected is not None and current.version != expected:
                if takes and current.owner is Owner.PERSON and current.desk.assignee_id not in (None, member_of(actor)):
                    raise await self._taken(current)
                raise _changed(current.version)
            try:
                after = await decide(current)
            except Conflict as error:
                if error.code != "conversation_changed":
                    raise
                continue
            if after.version != current.version:
                await self._written(after, actor, verb, data or {})
            return after
        raise _changed()

    async def _written(self, conversation: Conversation, actor: str, verb: str, data: Mapping[str, Any]) -> None:
        event = NewMessage(
            Channel.WHATSAPP,
            Direction.INTERNAL,
            Author.SYSTEM,
            verb,
            self._clock.now(),
            kind=MessageKind.EVENT,
            author_id=actor,
            extra=data,
        )
        await self._conversations.append(conversation, event)
        await self._audit.record(
            conversation.tenant_id, actor, f"conversation.{verb}", conversation.conversation_id, data
        )

    async def _taken(self, conversation: Conversation) -> Conflict:
        holder = conversation.desk.assignee_id
        name = await self._people.name_of(conversation.tenant_id, holder)
        detail = f"{name} has taken this conversation over"
        return Conflict(detail, code="taken", errors=[FieldError("/assignee_id", holder or "")])


def _changed(version: int | None = None) -> Conflict:
    now = f"; it is at version {version} now" if version is not None else ""
    return Conflict(f"somebody changed the conversation meanwhile{now}: read it again", code="conversation_changed")
