"""The inbox's pages and fragments: the list, a conversation, its regions, the viewer's presence."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.auth.access import AccessLog
from app.auth.models import AuthSubject
from app.console.access import CallReader, Reader, Writer, member_who_looks, need
from app.console.call_cards import calls_of, card_of_call, live_calls
from app.console.composing import composer_for
from app.console.panes import action_values, call_values, facts_of, live_values, looked, pane, pane_values
from app.console.render import page
from app.console.routes import ConsoleRoute, is_fragment
from app.console.rows import VIEWS, Filters, counts_for, rows_for
from app.console.sign_in import INBOX
from app.console.story import MOST, STEP
from app.console.viewing import View, view_of
from app.conversations.people import Presence

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)
ViewName = Literal["mine", "unassigned", "overdue", "unread", "open", "bot", "snoozed", "closed"]
Count = Annotated[int, Query(ge=1, le=MOST)]


@router.get("")
async def to_inbox() -> Response:
    """Goes to the inbox."""
    return RedirectResponse(INBOX, 303)


@router.get("/inbox")
async def show_inbox(request: Request, subject: Reader) -> HTMLResponse:
    """Shows the list, with no conversation open."""
    return await _whole(request, subject, {"conversation": None, "call": None})


@router.get("/inbox/list")
async def show_list(
    request: Request,
    subject: Reader,
    view: ViewName = "open",
    label: Annotated[str, Query(pattern=r"^([a-z0-9][a-z0-9_-]{0,31})?$")] = "",
    language: Annotated[str, Query(pattern=r"^([a-z]{2,3}-[A-Z]{2})?$")] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    after: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = None,
) -> HTMLResponse:
    """Shows the rows that the filters want."""
    here = await view_of(request, subject)
    filters = Filters(view, label, language, q.strip())
    return page(request, "_list.html", **await _list_values(request, here, filters, after))


@router.post("/inbox/presence")
async def say_presence(request: Request, subject: Writer, online: Annotated[bool, Form()] = False) -> Response:
    """Notes whether the viewer takes conversations; the page says it again every minute."""
    presence = Presence.ONLINE if online else Presence.AWAY
    here = await view_of(request, subject)
    await here.inbox.people.say_presence(subject.tenant_id, subject.key_id, presence)
    return Response(status_code=204)


@router.get("/inbox/{conversation_id}")
async def show_conversation(request: Request, subject: Reader, conversation_id: str) -> HTMLResponse:
    """Shows a conversation: beside the list, or alone for htmx."""
    here = await view_of(request, subject)
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    if is_fragment(request):
        return await pane(request, here, conversation)
    return await _whole(request, subject, {"call": None, **await pane_values(request, here, conversation)})


@router.get("/inbox/{conversation_id}/live")
async def show_live(request: Request, subject: Reader, conversation_id: str, count: Count = STEP) -> HTMLResponse:
    """Shows facts and messages anew, with the states of the other regions."""
    here = await view_of(request, subject)
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    await looked(here, conversation)
    values = await live_values(request, here, conversation, count)
    return page(request, "_live.html", is_refresh=True, may_write=here.may_write, **values)


@router.get("/inbox/{conversation_id}/actions")
async def show_actions(request: Request, subject: Writer, conversation_id: str) -> HTMLResponse:
    """Shows what can be done now."""
    here = await view_of(request, subject)
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    facts = await facts_of(request, here, conversation)
    values = await action_values(here, conversation)
    return page(request, "_actions.html", conversation=facts, **values)


@router.get("/inbox/{conversation_id}/calls")
async def show_calls(request: Request, subject: Reader, conversation_id: str) -> HTMLResponse:
    """Shows the cards of the calls."""
    here = await view_of(request, subject)
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    await looked(here, conversation)
    values = await call_values(request, here, conversation)
    return page(request, "_calls.html", conversation_id=conversation_id, **values)


@router.get("/inbox/{conversation_id}/composer")
async def show_composer(request: Request, subject: Writer, conversation_id: str) -> HTMLResponse:
    """Shows the place to write."""
    here = await view_of(request, subject)
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    composer = await composer_for(request, here, conversation)
    return page(request, "_composer.html", conversation_id=conversation_id, composer=composer, typed="", problem="")


@router.get("/calls/{call_id}")
async def show_call(request: Request, subject: CallReader, call_id: str) -> HTMLResponse:
    """Shows a call by itself, with its words so far; the look is in the audit log."""
    here = await view_of(request, subject)
    access: AccessLog = request.app.state.services.access
    await access.note(subject, "get_call_transcript", {"call_id": call_id})
    card = await card_of_call(here, calls_of(request, subject.tenant_id), call_id)
    if is_fragment(request):
        return page(request, "_call_alone.html", call=card)
    need(subject, "conversations:read")
    return await _whole(request, subject, {"conversation": None, "call": card})


async def _whole(request: Request, subject: AuthSubject, shown: Mapping[str, Any]) -> HTMLResponse:
    here = await view_of(request, subject)
    member = await member_who_looks(request, subject)
    person = await here.inbox.people.get(subject.tenant_id, subject.key_id)
    chosen = Filters()
    languages = [(tag, here.language(tag)) for tag in here.packs]
    return page(
        request,
        "inbox.html",
        **{"may_write": here.may_write, "is_refresh": False, **shown},
        name=member.name,
        is_online=person.is_on_line(here.now),
        views=VIEWS,
        chosen=chosen,
        spoken=languages,
        **await _list_values(request, here, chosen, None),
    )


async def _list_values(request: Request, here: View, filters: Filters, after: str | None) -> dict[str, Any]:
    rows, cursor = await rows_for(here, filters, after)
    live = []
    if here.subject.may("calls:read"):
        calls = await live_calls(calls_of(request, here.tenant_id))
        live = [(call.id, call.contact_number, here.times.at(call.answered_at or call.created_at)) for call in calls]
    return {
        "rows": rows,
        "next_cursor": cursor,
        "is_first": after is None,
        "live_calls": live,
        "counts": await counts_for(here),
    }
