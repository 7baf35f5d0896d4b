"""The inbox's list: what the filters want, found and shown as rows."""

import re
from dataclasses import dataclass
from typing import Final

from app.console.viewing import View
from app.console.when import Moment
from app.conversations.listing import NOT_CLOSED, UNASSIGNED, Counts, Wanted
from app.conversations.models import Conversation, Owner
from app.errors import NotFound

PAGE: Final = 30
VIEWS: Final = ("mine", "unassigned", "overdue", "unread", "open", "bot", "snoozed", "closed")
_COUNTED: Final = ("mine", "unassigned", "overdue", "unread", "open", "bot", "snoozed")
_NUMBER: Final = re.compile(r"\+?[\d\s()-]{7,20}")
_INDIA: Final = "+91"
_LOCAL_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Filters:
    """What the viewer asked the list for; "" does not narrow."""

    view: str = "open"
    label: str = ""
    language: str = ""
    q: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation in the list. `excerpt` is what was found, while searching."""

    id: str
    name: str
    at: Moment
    unread: int
    language: str
    owner: str
    owner_text: str
    labels: tuple[str, ...]
    due: Moment | None
    asleep_until: Moment | None
    excerpt: str


async def rows_for(view: View, filters: Filters, after: str | None) -> tuple[list[Row], str | None]:
    """Returns a page of rows, and where the next one starts; a search shows its page alone.

    Raises:
        BadRequest: `after` is no cursor of this list.
        Unprocessable: What is looked for holds no word, or too many.
    """
    if filters.q and not _NUMBER.fullmatch(filters.q):
        return await _found(view, filters.q), None
    wanted = _wanted(view, filters)
    found, cursor = await view.inbox.listing.active(view.tenant_id, wanted, limit=PAGE, starting_after=after)
    return [await _row(view, conversation) for conversation in found], cursor


async def counts_for(view: View) -> dict[str, int]:
    """Returns how many conversations each view of the list holds, where that is counted."""
    counts: Counts = await view.inbox.listing.counts(view.tenant_id, view.subject.key_id)
    return {name: getattr(counts, name) for name in _COUNTED}


def _wanted(view: View, filters: Filters) -> Wanted:
    if filters.q:
        return Wanted(phone=_e164(filters.q))
    label, language = filters.label or None, filters.language or None
    narrowed = {
        "mine": Wanted(status=NOT_CLOSED, assignee=view.subject.key_id, label=label, language=language),
        "unassigned": Wanted(status=NOT_CLOSED, assignee=UNASSIGNED, label=label, language=language),
        "overdue": Wanted(status=NOT_CLOSED, overdue=True, label=label, language=language),
        "unread": Wanted(status=NOT_CLOSED, unread=True, label=label, language=language),
        "bot": Wanted(status=NOT_CLOSED, owner=Owner.BOT.value, label=label, language=language),
    }
    return narrowed.get(filters.view) or Wanted(status=filters.view, label=label, language=language)


def _e164(typed: str) -> str:
    """Returns a typed number in E.164; one without a country is India's."""
    digits = re.sub(r"\D", "", typed)
    if typed.strip().startswith("+"):
        return f"+{digits}"
    return f"{_INDIA}{digits[-_LOCAL_DIGITS:]}" if len(digits.lstrip("0")) <= _LOCAL_DIGITS else f"+{digits}"


async def _found(view: View, q: str) -> list[Row]:
    hits, _ = await view.inbox.search.find(view.tenant_id, q, limit=PAGE)
    await view.inbox.access.searched(view.tenant_id, view.subject.key_id, len(hits))
    newest: dict[str, str] = {}
    for hit in hits:
        newest.setdefault(hit.conversation_id, hit.excerpt)
    rows = []
    for conversation_id, excerpt in newest.items():
        try:
            conversation = await view.conversations.get(view.tenant_id, conversation_id)
        except NotFound:
            continue
        rows.append(await _row(view, conversation, excerpt))
    return rows


async def _row(view: View, conversation: Conversation, excerpt: str = "") -> Row:
    desk = conversation.desk
    name, _ = await view.customer(conversation)
    return Row(
        id=conversation.conversation_id,
        name=name,
        at=view.times.at(desk.last_message_at or conversation.updated_at),
        unread=desk.unread,
        language=view.language(conversation.language),
        owner=conversation.owner.value,
        owner_text=await view.owner(conversation),
        labels=desk.labels,
        due=view.times.until(desk.due_at) if desk.due_at is not None else None,
        asleep_until=view.times.at(desk.snoozed_until) if desk.snoozed_until is not None else None,
        excerpt=excerpt,
    )
