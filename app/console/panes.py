"""A conversation on the page, in regions that are refreshed apart: facts and messages, actions, calls, the composer."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from app.console.call_cards import CallCard, calls_of, card_of_snapshot, live_calls
from app.console.composing import composer_for, state_of
from app.console.render import page
from app.console.story import STEP, bubbles_for
from app.console.viewing import View
from app.console.when import Moment
from app.conversations.models import Conversation, Owner, Status, is_phone


@dataclass(frozen=True, slots=True)
class Facts:
    """The head of a conversation."""

    id: str
    name: str
    number: str
    language: str
    owner: str
    owner_text: str
    reason: str
    labels: tuple[str, ...]
    due: Moment | None
    asleep_until: Moment | None
    waiting_since: Moment | None
    rating: int | None
    unread: int
    is_closed: bool
    live_call: str


@dataclass(frozen=True, slots=True)
class Option:
    """Somebody to whom a conversation can be given."""

    value: str
    name: str
    is_chosen: bool


async def pane(
    request: Request, view: View, conversation: Conversation, *, status: int = 200, problem: str = ""
) -> HTMLResponse:
    """Returns the whole of a conversation as a fragment, with a line about what went wrong."""
    return page(request, "_conversation.html", status, **await pane_values(request, view, conversation, problem))


async def pane_values(request: Request, view: View, conversation: Conversation, problem: str = "") -> dict[str, Any]:
    """Returns what the template of a conversation needs."""
    await looked(view, conversation)
    return {
        "problem": problem,
        "may_write": view.may_write,
        "is_refresh": False,
        **await live_values(request, view, conversation, STEP),
        **await action_values(view, conversation),
        **await call_values(request, view, conversation),
        "composer": await composer_for(request, view, conversation) if view.may_write else None,
    }


async def looked(view: View, conversation: Conversation) -> None:
    """Notes that the viewer read the conversation, as every door does that shows it."""
    access = view.inbox.access
    await access.looked(view.tenant_id, view.subject.key_id, "conversation.read", conversation.conversation_id)


async def live_values(request: Request, view: View, conversation: Conversation, count: int) -> dict[str, Any]:
    """Returns facts and messages, and the states of the other regions, by which the page sees what is stale."""
    bubbles, more = await bubbles_for(view, conversation.conversation_id, count)
    states = {"actions": _actions_state(conversation), "calls": await _calls_state(view, conversation)}
    if view.may_write:
        _, states["composer"] = await state_of(view, conversation)
    return {
        "conversation": await facts_of(request, view, conversation),
        "messages": bubbles,
        "count": count,
        "more": more,
        "states": states,
    }


async def facts_of(request: Request, view: View, conversation: Conversation) -> Facts:
    """Returns the head."""
    desk, times = conversation.desk, view.times
    name, number = await view.customer(conversation)
    live = ""
    if view.subject.may("calls:read") and is_phone(number):
        live = next((call.id for call in await live_calls(calls_of(request, view.tenant_id), number)), "")
    reason = conversation.handoff_reason
    return Facts(
        id=conversation.conversation_id,
        name=name,
        number=number if number != name else "",
        language=view.language(conversation.language),
        owner=conversation.owner.value,
        owner_text=await view.owner(conversation),
        reason=view.texts.known(f"reason.{reason}", reason) if reason else "",
        labels=desk.labels,
        due=times.until(desk.due_at) if desk.due_at is not None else None,
        asleep_until=times.at(desk.snoozed_until) if desk.snoozed_until is not None else None,
        waiting_since=times.at(desk.wants_person_since) if desk.wants_person_since is not None else None,
        rating=desk.rating,
        unread=desk.unread,
        is_closed=conversation.status is Status.CLOSED,
        live_call=live,
    )


async def action_values(view: View, conversation: Conversation) -> dict[str, Any]:
    """Returns what the viewer can do with a conversation."""
    desk, me = conversation.desk, view.subject.key_id
    is_others = conversation.owner is Owner.PERSON and desk.assignee_id not in (None, me)
    return {
        "version": conversation.version,
        "actions_state": _actions_state(conversation),
        "can": {
            "take": not (conversation.owner is Owner.PERSON and desk.assignee_id == me)
            and (not is_others or view.subject.may("inbox:write")),
            "force": is_others,
            "release": conversation.owner is Owner.PERSON and conversation.agent_id is not None,
            "wake": conversation.status is Status.SNOOZED,
        },
        "assignees": await _assignees(view, conversation) if view.may_write else [],
    }


async def call_values(request: Request, view: View, conversation: Conversation) -> dict[str, Any]:
    """Returns the cards of the calls, oldest first."""
    snapshots = await view.conversations.snapshots(view.tenant_id, conversation.conversation_id)
    calls = calls_of(request, view.tenant_id)
    cards: list[CallCard] = [await card_of_snapshot(view, calls, snapshot) for snapshot in snapshots]
    return {"calls": cards, "calls_state": ",".join(snapshot.context.call_id for snapshot in snapshots)}


def _actions_state(conversation: Conversation) -> str:
    return f"{conversation.version}:{conversation.status.value}"


async def _calls_state(view: View, conversation: Conversation) -> str:
    snapshots = await view.conversations.snapshots(view.tenant_id, conversation.conversation_id)
    return ",".join(snapshot.context.call_id for snapshot in snapshots)


async def _assignees(view: View, conversation: Conversation) -> list[Option]:
    """Returns the viewer, the people of the inbox with who is on line, and the teams."""
    people, desk = view.inbox.people, conversation.desk
    known = [person for person in await people.all(view.tenant_id) if person.member_id != view.subject.key_id]
    options = [Option("", view.texts("owner.nobody"), desk.assignee_id is None and desk.team_id is None)]
    options.append(Option(view.subject.key_id, view.texts("owner.me"), desk.assignee_id == view.subject.key_id))
    for person in known:
        name = await people.name_of(view.tenant_id, person.member_id)
        mark = " ●" if person.is_on_line(view.now) else ""
        options.append(Option(person.member_id, name + mark, desk.assignee_id == person.member_id))
    for team in await people.teams(view.tenant_id):
        is_chosen = desk.assignee_id is None and desk.team_id == team.team_id
        options.append(Option(team.team_id, view.texts("owner.team", name=team.name), is_chosen))
    return options
