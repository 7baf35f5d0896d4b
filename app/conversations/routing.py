"""Finds the person for a conversation: on line, of its team in its hours, of its language, whose turn it is.

Nobody free: the bot stays and tells the customer; a sweep tries again and keeps them informed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from app.audit.log import AuditLog
from app.conversations import repository
from app.conversations.deadlines import Deadlines, opening
from app.conversations.models import Author, Conversation, Owner, Status
from app.conversations.people import People, Person
from app.conversations.ports import MessageOutbox
from app.conversations.service import ConversationService
from app.conversations.settings import InboxSettings
from app.errors import AppError, Conflict
from app.kit.clock import Clock
from app.kit.mongo import Database
from app.language.packs import Pack
from app.language.render import error_text
from app.language.romanise import Romanisers

_BATCH: Final = 200
_MOST_HOURS_AHEAD: Final = 12
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of a wish for a person. `assignee_id` None: nobody is free, or nobody has said to be on line."""

    conversation: Conversation
    assignee_id: str | None
    waiting: bool = False


class Router:
    """Gives conversations to people in turn.

    Args:
        conversations: Where they are.
        people: Who answers.
        deadlines: The settings, with the hours.
        outbox: The way to tell the customer.
        packs: BCP-47 tag -> pack, for what they are told.
        romanisers: For customers who write in Latin letters.
        audit: Who got what.
        database: For the sweep over all tenants.
        clock: Time.
    """

    def __init__(
        self,
        conversations: ConversationService,
        people: People,
        deadlines: Deadlines,
        outbox: MessageOutbox,
        packs: Mapping[str, Pack],
        romanisers: Romanisers,
        audit: AuditLog,
        database: Database,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._people = people
        self._deadlines = deadlines
        self._outbox = outbox
        self._packs = packs
        self._romanisers = romanisers
        self._audit = audit
        self._database = database
        self._clock = clock

    async def route(self, conversation: Conversation, reason: str) -> Routed:
        """Finds a person for somebody who wants one.

        A tenant of whose people nothing was said gets the old way: the conversation waits, owned by whom the settings
        name. Else the one whose turn it is gets it, or the bot keeps it and the wish stays.

        Args:
            conversation: Whose customer wants a person.
            reason: Why.

        Raises:
            Conflict: Others keep changing it.
        """
        tenant_id = conversation.tenant_id
        if conversation.owner is Owner.PERSON and conversation.desk.assignee_id is not None:
            return Routed(conversation, conversation.desk.assignee_id)
        rules = await self._deadlines.settings.get(tenant_id)
        now = self._clock.now()
        if not await self._people.all(tenant_id):
            fields = {"handoff_reason": reason}
            changed = await self._conversations.change(conversation, fields, "owner", new_owner=rules.default_owner)
            await self._owe(changed)
            return Routed(changed, None)
        person = await self._next(conversation, rules, now)
        if person is None:
            waiting: dict[str, Any] = {
                "handoff_reason": reason,
                "wants_person_since": conversation.desk.wants_person_since or now,
                "assignee_id": None,
            }
            changed = await self._conversations.change(conversation, waiting, "owner", new_owner=Owner.BOT)
            return Routed(changed, None, waiting=True)
        return Routed(await self._give(conversation, person, reason), person.member_id)

    async def try_again(self, conversation: Conversation) -> bool:
        """Tries again for a customer who waits, else tells them when it is time to; returns whether a person has it."""
        rules = await self._deadlines.settings.get(conversation.tenant_id)
        person = await self._next(conversation, rules, self._clock.now())
        if person is not None:
            await self._give(conversation, person, conversation.handoff_reason or "waiting")
            return True
        told = conversation.desk.told_waiting_at
        if told is None or self._clock.now() - told >= timedelta(minutes=rules.inform_minutes):
            await self.inform(conversation)
        return False

    async def inform(self, conversation: Conversation) -> bool:
        """Tells a customer who waits when to expect a person, if the window is open; returns whether it was done."""
        now, tenant_id = self._clock.now(), conversation.tenant_id
        shut = await self._outbox.window_expires_at(tenant_id, conversation.address, conversation.business_number)
        if shut is None or shut <= now:
            return False
        text = await self.expectation(conversation)
        if text is None:
            return False
        key = f"waiting:{conversation.conversation_id}:{int(now.timestamp())}"
        try:
            await self._outbox.add_text(conversation, text=text, author=Author.BOT, idempotency_key=key)
        except Conflict as error:
            _log.info("routing.not_informed", tenant_id=tenant_id, code=error.code)
            return False
        await self.told(conversation)
        return True

    async def told(self, conversation: Conversation) -> None:
        """Notes that the customer knows when to expect a person."""
        await self._conversations.note(conversation, {"told_waiting_at": self._clock.now()})

    async def expectation(self, conversation: Conversation) -> str | None:
        """Returns what to tell a customer who waits, in their language: when a person will answer."""
        pack = self._packs.get(conversation.language or "") or next(iter(self._packs.values()), None)
        if pack is None:
            return None
        rules, now = await self._deadlines.settings.get(conversation.tenant_id), self._clock.now()
        due_at = await self._deadlines.answer_due(conversation.tenant_id, now)
        minutes = max(1, round((due_at - now).total_seconds() / 60))
        if rules.hours.is_open(now):
            text = error_text(pack, "person_soon", {"minutes": str(minutes)})
        else:
            opens = rules.hours.local(opening(rules.hours, now))
            text = error_text(pack, "person_later", {"when": f"{opens.day}/{opens.month}, {opens:%H:%M}"})
        return self._romanisers.romanise(pack.tag, text) if conversation.desk.writes_latin else text

    async def sweep(self) -> int:
        """Looks after everybody who waits for a person; returns how many got one. Run by a job."""
        store = self._database.system("routing: customers who wait for a person").collection(repository.CONVERSATIONS)
        query = {"wants_person_since": {"$lte": self._clock.now()}, "status": {"$ne": Status.CLOSED.value}}
        found = await store.find(query, sort=(("wants_person_since", 1),), limit=_BATCH)
        given = 0
        for document in found:
            try:
                current = await self._conversations.get(document["tenant_id"], document["_id"])
                given += await self.try_again(current)
            except AppError as error:
                _log.warning("routing.failed", tenant_id=document["tenant_id"], code=error.code)
        return given

    async def _next(self, conversation: Conversation, rules: InboxSettings, now: datetime) -> Person | None:
        """Returns the person whose turn it is: free ones of the language first, then free ones at all."""
        tenant_id, team_id = conversation.tenant_id, conversation.desk.team_id
        hours = rules.hours
        if team_id is not None:
            hours = (await self._people.team(tenant_id, team_id)).hours
        if not hours.is_open(now):
            return None
        free = [
            person
            for person in await self._people.on_line(tenant_id)
            if (team_id is None or team_id in person.team_ids)
            and await self._conversations.open_count(tenant_id, person.member_id) < person.capacity
        ]
        spoken = [person for person in free if not person.languages or conversation.language in person.languages]
        for person in spoken if conversation.language else free:
            if await self._people.take_turn(person):
                return person
        return None

    async def _give(self, conversation: Conversation, person: Person, reason: str) -> Conversation:
        fields = {"assignee_id": person.member_id, "wants_person_since": None, "handoff_reason": reason}
        changed = await self._conversations.change(conversation, fields, "assignment", new_owner=Owner.PERSON)
        await self._owe(changed)
        data = {"member_id": person.member_id, "reason": reason}
        await self._audit.record(
            conversation.tenant_id, "system", "conversation.routed", conversation.conversation_id, data
        )
        return changed

    async def _owe(self, conversation: Conversation) -> None:
        """Sets when the answer is due, if the customer waits for a person."""
        since = conversation.desk.waiting_since
        if conversation.owner is Owner.PERSON and since is not None:
            due_at = await self._deadlines.answer_due(conversation.tenant_id, since)
            await self._conversations.note(conversation, {"due_at": due_at})
