"""Random histories of what people and customers do with a conversation, beside a model of what must come of it."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from app.conversations.models import (
    Author,
    Channel,
    Contact,
    Conversation,
    Direction,
    MessageKind,
    NewMessage,
    Owner,
    Status,
)
from app.errors import Conflict
from tests.house import CUSTOMER, House, TenantDoor

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

KEY = "key_of_a_machine"
STEPS = 60


@dataclass
class Model:
    """What must hold of one conversation."""

    owner: Owner = Owner.BOT
    assignee: str | None = None
    labels: tuple[str, ...] = ()
    status: Status = Status.OPEN
    until: datetime | None = None
    version: int = 0
    events: list[str] = field(default_factory=list)

    def step(self, verb: str) -> None:
        self.version += 1
        self.events.append(verb)


@dataclass
class Play:
    """One history: a conversation, who acts on it, and what was done so far."""

    house: House
    tenant: TenantDoor
    contact: Contact
    conversation_id: str
    people: list[str]
    dice: random.Random
    model: Model = field(default_factory=Model)
    done: list[str] = field(default_factory=list)

    async def fresh(self) -> Conversation:
        return await self.house.services.conversations.get(self.tenant.tenant_id, self.conversation_id)

    async def refused(self, code: str, action: Awaitable[object]) -> None:
        with pytest.raises(Conflict) as caught:
            await action
        assert caught.value.code == code

    async def take(self, actor: str) -> None:
        desk, model, force = self.house.services.inbox.desk, self.model, self.dice.random() < 0.2
        me = None if actor == KEY else actor
        taking = desk.take(self.tenant.tenant_id, self.conversation_id, actor, force=force)
        if model.status is Status.CLOSED:
            return await self.refused("conversation_closed", taking)
        if model.owner is Owner.PERSON and model.assignee not in (None, me) and not force:
            return await self.refused("taken", taking)
        await taking
        if not (model.owner is Owner.PERSON and me is not None and model.assignee == me):
            model.step("taken_over")
        model.owner, model.assignee = Owner.PERSON, me
        return None

    async def release(self, actor: str) -> None:
        releasing = self.house.services.inbox.desk.release(self.tenant.tenant_id, self.conversation_id, actor)
        if self.model.status is Status.CLOSED:
            return await self.refused("conversation_closed", releasing)
        await releasing
        self.model.step("returned_to_bot")
        self.model.owner, self.model.assignee = Owner.BOT, None
        return None

    async def assign(self, actor: str) -> None:
        chosen = self.dice.choice([None, *self.people])
        assigning = self.house.services.inbox.desk.assign(
            self.tenant.tenant_id, self.conversation_id, actor, member_id=chosen, team_id=None
        )
        if self.model.status is Status.CLOSED:
            return await self.refused("conversation_closed", assigning)
        await assigning
        self.model.step("assigned")
        self.model.owner, self.model.assignee = Owner.PERSON, chosen
        return None

    async def label(self, actor: str) -> None:
        labels = tuple(sorted(self.dice.sample(["late", "refund", "vip"], self.dice.randint(0, 3))))
        await self.house.services.inbox.desk.label(self.tenant.tenant_id, self.conversation_id, actor, labels)
        if labels != self.model.labels:
            self.model.step("labelled")
        self.model.labels = labels

    async def snooze(self, actor: str) -> None:
        until = self.house.clock.now() + timedelta(minutes=self.dice.randint(1, 90))
        chosen = self.dice.choice([None, until])
        snoozing = self.house.services.inbox.desk.snooze(self.tenant.tenant_id, self.conversation_id, actor, chosen)
        if self.model.status is Status.CLOSED:
            return await self.refused("conversation_closed", snoozing)
        await snoozing
        self.model.step("woken" if chosen is None else "snoozed")
        self.model.status = Status.OPEN if chosen is None else Status.SNOOZED
        self.model.until = chosen
        return None

    async def resolve(self, actor: str) -> None:
        await self.house.services.inbox.desk.resolve(self.tenant.tenant_id, self.conversation_id, actor)
        if self.model.status is not Status.CLOSED:
            self.model.step("resolved")
        self.model.status, self.model.until = Status.CLOSED, None

    async def reopen(self, actor: str) -> None:
        await self.house.services.inbox.desk.reopen(self.tenant.tenant_id, self.conversation_id, actor)
        if self.model.status is Status.CLOSED:
            self.model.step("reopened")
            self.model.status = Status.OPEN

    async def stale(self, actor: str) -> None:
        """Somebody decides on what they saw before: nothing comes of it, whatever they decide."""
        desk, seen = self.house.services.inbox.desk, self.model.version - 1
        place = (self.tenant.tenant_id, self.conversation_id, actor)
        acts: list[Callable[[], Awaitable[object]]] = [
            lambda: desk.label(*place, ["stale"], expected=seen),
            lambda: desk.resolve(*place, expected=seen),
            lambda: desk.reopen(*place, expected=seen),
        ]
        await self.refused("conversation_changed", self.dice.choice(acts)())

    async def customer_writes(self, actor: str) -> None:
        book, now = self.house.services.conversations, self.house.clock.now()
        conversation = await book.open_for(self.contact)
        assert conversation.conversation_id == self.conversation_id, "a customer who comes back goes on where they were"
        new = NewMessage(Channel.WHATSAPP, Direction.INBOUND, Author.CUSTOMER, f"line {len(self.done)}", now)
        await book.append(conversation, new)
        if self.model.status is not Status.OPEN:
            self.model.version += 1
        self.model.status, self.model.until = Status.OPEN, None

    async def time_passes(self, actor: str) -> None:
        self.house.clock.ahead += timedelta(minutes=self.dice.randint(1, 60))
        await self.house.services.inbox.sweep.wake()
        if self.model.until is not None and self.model.until <= self.house.clock.now():
            self.model.version += 1
            self.model.status, self.model.until = Status.OPEN, None

    async def holds(self) -> None:
        current, model = await self.fresh(), self.model
        assert (current.owner, current.desk.assignee_id) == (model.owner, model.assignee)
        assert (current.status, current.desk.labels) == (model.status, model.labels)
        assert (current.desk.snoozed_until is not None) is (model.status is Status.SNOOZED)
        assert current.version == model.version


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_done_in_whatever_order_the_conversation_is_what_the_model_says(
    house: House, seed: int
) -> None:
    tenant = await house.tenant()
    agent = await tenant.agent()
    people = [(await tenant.member(name)).member_id for name in ("Asha", "Bala")]
    book = house.services.conversations
    contact = await book.contact_for(tenant.tenant_id, CUSTOMER)
    conversation = await book.open_for(contact, agent_id=agent["id"])
    play = Play(house, tenant, contact, conversation.conversation_id, people, random.Random(seed))
    moves = (
        play.take,
        play.release,
        play.assign,
        play.label,
        play.snooze,
        play.resolve,
        play.reopen,
        play.stale,
        play.customer_writes,
        play.time_passes,
    )
    for _ in range(STEPS):
        move, actor = play.dice.choice(moves), play.dice.choice([*people, KEY])
        play.done.append(f"{move.__name__} by {actor}")
        try:
            await move(actor)
            await play.holds()
        except AssertionError as error:
            raise AssertionError("\n".join(["after:", *play.done])) from error
    audited = await house.services.audit.entries(tenant.tenant_id, limit=500)
    verbs = [entry.action.removeprefix("conversation.") for entry in audited if entry.target == play.conversation_id]
    for verb in set(play.model.events):
        assert verbs.count(verb) == play.model.events.count(verb), verb
    messages, _ = await book.messages(tenant.tenant_id, play.conversation_id, limit=100, starting_after=None)
    told = [message.text for message in messages if message.kind is MessageKind.EVENT]
    assert sorted(told) == sorted(play.model.events)


@pytest.mark.parametrize("put_away", ["snooze", "resolve"])
async def test_what_is_put_away_while_its_customer_writes_comes_back(house: House, put_away: str) -> None:
    tenant = await house.tenant()
    book, desk, now = house.services.conversations, house.services.inbox.desk, house.clock.now()
    seen = await book.open_for(await book.contact_for(tenant.tenant_id, CUSTOMER))
    if put_away == "snooze":
        await desk.snooze(tenant.tenant_id, seen.conversation_id, KEY, now + timedelta(hours=1))
    else:
        await desk.resolve(tenant.tenant_id, seen.conversation_id, KEY)
    new = NewMessage(Channel.WHATSAPP, Direction.INBOUND, Author.CUSTOMER, "one thing more", now)
    await book.append(seen, new)
    after = await book.get(tenant.tenant_id, seen.conversation_id)
    assert (after.status, after.desk.snoozed_until, after.desk.unread, after.version) == (Status.OPEN, None, 1, 2)
    assert (await book.open_for(await book.contact_for(tenant.tenant_id, CUSTOMER))).conversation_id == (
        seen.conversation_id
    )
