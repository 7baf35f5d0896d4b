"""What the viewer does with a conversation: every button and form, by the same rooms and rights as the REST doors."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field, TypeAdapter, ValidationError

from app.auth.models import AuthSubject
from app.console.access import Writer, need
from app.console.panes import pane
from app.console.routes import ConsoleRoute, said
from app.console.viewing import View, view_of
from app.conversations.answering import resolve
from app.conversations.desk_schemas import Label
from app.errors import Conflict, Unprocessable

router = APIRouter(prefix="/inbox/{conversation_id}", route_class=ConsoleRoute, include_in_schema=False)
Seen = Annotated[int, Form(ge=0)]
Act = Callable[[View, tuple[str, str, str]], Awaitable[object]]
_TEAM: Final = "team_"
_MOST_LABELS: Final = 20
_labels: Final = TypeAdapter(Annotated[list[Label], Field(max_length=_MOST_LABELS)])


@router.post("/take")
async def take(
    request: Request, subject: Writer, conversation_id: str, version: Seen, force: Annotated[bool, Form()] = False
) -> HTMLResponse:
    """Takes the conversation over; from another person only with the right to supervise."""
    if force:
        need(subject, "inbox:write")

    async def act(here: View, names: tuple[str, str, str]) -> None:
        await here.inbox.desk.take(*names, expected=version, force=force)

    return await _done(request, subject, conversation_id, act)


@router.post("/release")
async def release(request: Request, subject: Writer, conversation_id: str, version: Seen) -> HTMLResponse:
    """Lets the bot answer again."""

    async def act(here: View, names: tuple[str, str, str]) -> None:
        await here.inbox.desk.release(*names, expected=version)

    return await _done(request, subject, conversation_id, act)


@router.post("/resolve")
async def resolve_it(request: Request, subject: Writer, conversation_id: str, version: Seen) -> HTMLResponse:
    """Resolves the conversation, and asks how content the customer was where the settings say so."""

    async def act(here: View, names: tuple[str, str, str]) -> None:
        await resolve(here.inbox, *names, expected=version)

    return await _done(request, subject, conversation_id, act)


@router.post("/reopen")
async def reopen(request: Request, subject: Writer, conversation_id: str, version: Seen) -> HTMLResponse:
    """Opens a resolved conversation again."""

    async def act(here: View, names: tuple[str, str, str]) -> None:
        await here.inbox.desk.reopen(*names, expected=version)

    return await _done(request, subject, conversation_id, act)


@router.post("/assign")
async def assign(
    request: Request,
    subject: Writer,
    conversation_id: str,
    version: Seen,
    to: Annotated[str, Form(max_length=64)] = "",
    note: Annotated[str, Form(max_length=4096)] = "",
) -> HTMLResponse:
    """Gives the conversation to a person, a team or nobody yet, with a note for whoever goes on."""
    is_team = to.startswith(_TEAM)

    async def act(here: View, names: tuple[str, str, str]) -> None:
        await here.inbox.desk.assign(
            *names,
            member_id=to if to and not is_team else None,
            team_id=to if is_team else None,
            note=note.strip() or None,
            expected=version,
        )

    return await _done(request, subject, conversation_id, act)


@router.post("/labels")
async def label(
    request: Request,
    subject: Writer,
    conversation_id: str,
    version: Seen,
    labels: Annotated[str, Form(max_length=700)] = "",
) -> HTMLResponse:
    """Replaces the labels."""

    async def act(here: View, names: tuple[str, str, str]) -> None:
        await here.inbox.desk.label(*names, _read_labels(labels), expected=version)

    return await _done(request, subject, conversation_id, act)


@router.post("/snooze")
async def snooze(
    request: Request,
    subject: Writer,
    conversation_id: str,
    version: Seen,
    hours: Annotated[int, Form(ge=0, le=720)],
) -> HTMLResponse:
    """Hides the conversation for some hours or until the customer's next word; 0 wakes it."""

    async def act(here: View, names: tuple[str, str, str]) -> None:
        until = here.now + timedelta(hours=hours) if hours else None
        await here.inbox.desk.snooze(*names, until, expected=version)

    return await _done(request, subject, conversation_id, act)


@router.post("/callback")
async def call_back(request: Request, subject: Writer, conversation_id: str) -> HTMLResponse:
    """Keeps the wish that the customer be called as soon as it is allowed."""

    async def act(here: View, names: tuple[str, str, str]) -> None:
        conversation = await here.conversations.get(here.tenant_id, conversation_id)
        contact = await here.conversations.contact(here.tenant_id, conversation.contact_id)
        await here.inbox.callbacks.ask(conversation, contact.phone, at=None, reason="asked", asked_by=subject.key_id)

    return await _done(request, subject, conversation_id, act, said_after="action.callback_done")


@router.post("/read")
async def read(request: Request, subject: Writer, conversation_id: str) -> Response:
    """Notes that a person has read everything."""
    here = await view_of(request, subject)
    await here.inbox.desk.read(subject.tenant_id, conversation_id)
    return Response(status_code=204)


async def _done(
    request: Request, subject: AuthSubject, conversation_id: str, act: Act, said_after: str = ""
) -> HTMLResponse:
    """Acts, and shows what came of it; whoever was slower than somebody else sees what holds now, and who it was."""
    here = await view_of(request, subject)
    status, problem = 200, here.texts(said_after) if said_after else ""
    try:
        await act(here, (subject.tenant_id, conversation_id, subject.key_id))
    except (Conflict, Unprocessable) as error:
        status, problem = error.status, said(request, error)
        if error.code == "taken":
            problem = here.texts("problem.taken_by", who=await here.person(error.errors[0].detail or None))
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    return await pane(request, here, conversation, status=status, problem=problem)


def _read_labels(typed: str) -> list[str]:
    """Returns labels that were typed with commas or spaces between.

    Raises:
        Unprocessable: One of them is none.
    """
    names = typed.lower().replace(",", " ").split()
    try:
        return _labels.validate_python(names)
    except ValidationError as error:
        detail = f"at most {_MOST_LABELS} labels of small Latin letters, digits, - and _"
        raise Unprocessable(detail, code="labels") from error
