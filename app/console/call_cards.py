"""Calls as the inbox shows them: the card of one that is over, and the words of one that is going on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request

from app.calls.models import Call, CallStatus, call_from_document
from app.calls.repository import CallRepository
from app.calls.schemas import turn_of
from app.calls.service import CallService
from app.console.viewing import View
from app.console.when import Moment
from app.conversations.models import Author, CallSnapshot
from app.errors import NotFound

_MOST_LIVE: Final = 20
_WORDS: Final = ("caller_turn", "agent_turn")


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was said."""

    author: str
    author_text: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class CallCard:
    """A call: what it was about, what was known of it, its words and its recording."""

    id: str
    at: Moment
    number: str
    language: str
    is_live: bool
    reason: str
    intent: str
    facts: tuple[tuple[str, str], ...]
    request_text: str
    request_language: str
    has_recording: bool
    lines: tuple[Line, ...]


def calls_of(request: Request, tenant_id: str) -> CallRepository:
    """Returns a tenant's calls."""
    service: CallService = request.app.state.calls
    return service.calls_of(tenant_id)


async def live_calls(calls: CallRepository, number: str | None = None) -> list[Call]:
    """Returns the calls that are going on, of one number or of all, newest first; at most twenty."""
    query: dict[str, Any] = {"status": CallStatus.IN_PROGRESS.value}
    if number is not None:
        query["contact_number"] = number
    return [call_from_document(row) for row in (await calls.page(query, _MOST_LIVE, None)).data]


async def card_of_snapshot(view: View, calls: CallRepository, snapshot: CallSnapshot) -> CallCard:
    """Returns the card that a call left in a conversation."""
    context, t = snapshot.context, view.texts
    call = await calls.get(context.call_id)
    known = [*context.slots.items(), *(pair for fetched in context.fetched for pair in _fetched(fetched))]
    facts = [(t.known(f"param.{name}", name), value) for name, value in dict.fromkeys(known)]
    if context.sentiment is not None:
        facts.append((t("call.sentiment"), f"{round(context.sentiment * 100)} %"))
    trigger = str(context.escalation.get("trigger") or "")
    if trigger:
        facts.append((t("call.trigger"), t.known(f"reason.{trigger}", trigger)))
    return CallCard(
        id=context.call_id,
        at=view.times.at(call.created_at if call is not None else snapshot.attached_at),
        number="",
        language=view.language(context.language),
        is_live=call is not None and not call.status.is_final,
        reason=t.known(f"reason.{context.reason}", context.reason),
        intent=context.intent or "",
        facts=tuple(facts),
        request_text=context.request_text,
        request_language=context.language,
        has_recording=call is not None and bool(call.recording_bytes) and view.subject.may("calls:read"),
        lines=tuple(_line(view, line.author.value, line.text, line.language) for line in context.transcript),
    )


async def card_of_call(view: View, calls: CallRepository, call_id: str) -> CallCard:
    """Returns a call by itself, with its words so far.

    Raises:
        NotFound: Not this tenant's.
    """
    call = await calls.get(call_id)
    if call is None:
        raise NotFound(f"no call {call_id}")
    turns = [turn_of(event) for event in await calls.events(call.id, _WORDS)]
    language = next((turn.language for turn in reversed(turns) if turn.language), None)
    authors = {"caller": Author.CUSTOMER.value, "agent": Author.BOT.value}
    return CallCard(
        id=call.id,
        at=view.times.at(call.created_at),
        number=call.contact_number,
        language=view.language(language),
        is_live=not call.status.is_final,
        reason="" if call.end_reason is None else view.texts.known(f"reason.{call.end_reason}", call.end_reason),
        intent=next((turn.intent for turn in reversed(turns) if turn.intent), None) or "",
        facts=(),
        request_text="",
        request_language="",
        has_recording=bool(call.recording_bytes),
        lines=tuple(_line(view, authors[turn.role], turn.text, turn.language) for turn in turns),
    )


def _line(view: View, author: str, text: str, language: str | None) -> Line:
    return Line(author, view.texts(f"call.{author}"), language or "", text)


def _fetched(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns what a tool answered as pairs of name and value; only its name where it found nothing."""
    data = entry.get("data")
    pairs = _flat(data) if isinstance(data, Mapping) else []
    return pairs or [(str(entry.get("tool", "")), "–")]


def _flat(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns values by name; those within others bear both names."""
    pairs = []
    for name, value in data.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}.{inner}", text) for inner, text in _flat(value)]
        elif value is not None:
            pairs.append((str(name), str(value)))
    return pairs
