"""The inbox's list: which conversations, in which order, and how many of each sort there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from app.conversations import repository
from app.conversations.models import Conversation, Owner, Status
from app.conversations.records import Records
from app.errors import FieldError, Unprocessable

UNASSIGNED: Final = "unassigned"
NOT_CLOSED: Final = "not_closed"
_ACTIVE: Final = {"$ne": Status.CLOSED.value}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to list; None does not narrow.

    Attributes:
        status: open, snoozed, closed, or `not_closed`.
        owner: bot or person.
        assignee: A member, or `unassigned`: people's conversations that nobody has.
        team_id: Of which team.
        label: With which label.
        language: BCP-47.
        overdue: Whether the answer is due.
        unread: Whether there is something unread.
        phone: The customer's address.
        contact_id: The customer.
    """

    status: str | None = None
    owner: str | None = None
    assignee: str | None = None
    team_id: str | None = None
    label: str | None = None
    language: str | None = None
    overdue: bool = False
    unread: bool = False
    phone: str | None = None
    contact_id: str | None = None

    def query(self, now: datetime) -> dict[str, Any]:
        """Returns the store's filter; `now` (aware) says what is overdue."""
        equal = {
            "status": self.status,
            "owner": self.owner,
            "team_id": self.team_id,
            "language": self.language,
            "phone": self.phone,
            "contact_id": self.contact_id,
        }
        query: dict[str, Any] = {name: value for name, value in equal.items() if value is not None}
        if self.status == NOT_CLOSED:
            query["status"] = _ACTIVE
        if self.assignee == UNASSIGNED:
            query |= {"assignee_id": None, "owner": Owner.PERSON.value}
        elif self.assignee is not None:
            query["assignee_id"] = self.assignee
        if self.label is not None:
            query[f"labels.{self.label}"] = True
        if self.overdue:
            query["due_at"] = {"$lt": now}
        if self.unread:
            query["unread"] = {"$gt": 0}
        return query


@dataclass(frozen=True, slots=True)
class Counts:
    """How many conversations, not counting closed ones."""

    open: int
    snoozed: int
    unread: int
    mine: int
    unassigned: int
    overdue: int
    bot: int


class Listing(Records):
    """Pages through conversations."""

    async def newest(
        self, tenant_id: str, wanted: Wanted, *, limit: int, starting_after: str | None
    ) -> tuple[list[Conversation], str | None]:
        """Returns a page by the time of creation, newest first, and where the next one starts."""
        query = wanted.query(self._clock.now())
        page = await self._collection(tenant_id, repository.CONVERSATIONS).page(query, limit, starting_after)
        cursor = page.data[-1]["_id"] if page.has_more else None
        return [await self._conversation(document) for document in page.data], cursor

    async def active(
        self, tenant_id: str, wanted: Wanted, *, limit: int, starting_after: str | None
    ) -> tuple[list[Conversation], str | None]:
        """Returns a page by the last activity, and where the next one starts.

        A cursor is a moment and an id: what becomes active later is at the top, and never makes a page skip or repeat
        those that did not move.

        Raises:
            Unprocessable: Not a cursor of this list.
        """
        query = wanted.query(self._clock.now())
        if starting_after is not None:
            at, conversation_id = read_cursor(starting_after)
            after = {"$or": [{"active_at": {"$lt": at}}, {"active_at": at, "_id": {"$lt": conversation_id}}]}
            query |= after
        store = self._collection(tenant_id, repository.CONVERSATIONS)
        found = await store.find(query, sort=(("active_at", -1), ("_id", -1)), limit=limit + 1)
        page = found[:limit]
        cursor = make_cursor(page[-1]["active_at"], page[-1]["_id"]) if len(found) > limit else None
        return [await self._conversation(document) for document in page], cursor

    async def counts(self, tenant_id: str, member_id: str | None) -> Counts:
        """Returns how many conversations wait where; `mine` are those of `member_id`."""
        store, now = self._collection(tenant_id, repository.CONVERSATIONS), self._clock.now()

        async def count(query: Mapping[str, Any]) -> int:
            return await store.count({"status": _ACTIVE, **query})

        return Counts(
            open=await store.count({"status": Status.OPEN.value}),
            snoozed=await store.count({"status": Status.SNOOZED.value}),
            unread=await count({"unread": {"$gt": 0}}),
            mine=await count({"assignee_id": member_id}) if member_id else 0,
            unassigned=await count({"assignee_id": None, "owner": Owner.PERSON.value}),
            overdue=await count({"due_at": {"$lt": now}}),
            bot=await count({"owner": Owner.BOT.value}),
        )


def make_cursor(at: datetime, conversation_id: str) -> str:
    """Returns where a page ended."""
    return f"{int(at.timestamp() * 1000):x}-{conversation_id}"


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Reads what `make_cursor` wrote.

    Raises:
        Unprocessable: It is no such text (`bad_cursor`).
    """
    moment, _, conversation_id = cursor.partition("-")
    try:
        milliseconds = int(moment, 16)
        at = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    except (ValueError, OverflowError, OSError) as error:
        fault = FieldError("/query/starting_after", "must be the next_cursor of a page of this list")
        raise Unprocessable("starting_after is no cursor of this list", code="bad_cursor", errors=[fault]) from error
    return at, conversation_id
