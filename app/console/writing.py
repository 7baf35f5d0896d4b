"""What the viewer writes in a conversation: an answer, a template that was picked and filled in, a private note."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse

from app.console.access import Writer
from app.console.composing import composer_for
from app.console.render import page
from app.console.routes import ConsoleRoute, said
from app.console.viewing import View, view_of
from app.conversations.answering import answer, answer_by_template
from app.conversations.models import Conversation
from app.conversations.picking import LONGEST_VALUE, Choice, picked
from app.conversations.picking_endpoints import choices_for
from app.errors import Conflict, Unprocessable
from app.kit.ids import new_id

router = APIRouter(prefix="/inbox/{conversation_id}", route_class=ConsoleRoute, include_in_schema=False)
Key = Annotated[str, Form(pattern=r"^write_[0-9a-z]{26}$")]
Words = Annotated[str, Form(max_length=4096)]
Value = Annotated[str, Form(max_length=LONGEST_VALUE)]
Typed = Annotated[list[Annotated[str, Query(max_length=LONGEST_VALUE)]], Query(max_length=9)]
_NAME = r"^[a-z0-9_]{1,64}:[a-z]{2,3}-[A-Z]{2}$"


@router.post("/reply")
async def reply(request: Request, subject: Writer, conversation_id: str, key: Key, text: Words) -> HTMLResponse:
    """Sends an answer; the words stay in their place where it cannot be sent."""
    here = await view_of(request, subject)
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    if not text.strip():
        return await composer_page(request, here, conversation, problem=here.texts("problem.empty"), status=422)
    try:
        await answer(
            here.conversations,
            here.inbox,
            here.outbox,
            conversation,
            subject.key_id,
            text.strip(),
            key=f"console:{subject.tenant_id}:{key}",
        )
    except (Conflict, Unprocessable) as error:
        return await composer_page(
            request, here, conversation, problem=said(request, error), typed=text, status=error.status
        )
    return await sent_page(request, here, conversation_id)


@router.get("/templates")
async def offer_templates(request: Request, subject: Writer, conversation_id: str) -> HTMLResponse:
    """Shows the templates on offer, and the first one filled in."""
    here = await view_of(request, subject)
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    choices = await choices_for(request, conversation)
    return page(request, "_templates.html", conversation_id=conversation_id, choices=choices, key=new_id("write"))


@router.get("/template")
async def fill_template(
    request: Request, subject: Writer, conversation_id: str, choice: Annotated[str, Query(pattern=_NAME)]
) -> HTMLResponse:
    """Shows a template's values and its preview."""
    found = await _choice(request, await view_of(request, subject), conversation_id, choice)
    preview = found.preview()
    return page(request, "_template.html", conversation_id=conversation_id, choice=found, preview=preview)


@router.get("/template/preview")
async def preview_template(
    request: Request,
    subject: Writer,
    conversation_id: str,
    choice: Annotated[str, Query(pattern=_NAME)],
    value: Typed = [],  # noqa: B006
) -> HTMLResponse:
    """Shows what the customer would read."""
    found = await _choice(request, await view_of(request, subject), conversation_id, choice)
    return page(request, "_preview.html", choice=found, preview=found.preview(value))


@router.post("/template")
async def send_template(
    request: Request,
    subject: Writer,
    conversation_id: str,
    key: Key,
    choice: Annotated[str, Form(pattern=_NAME)],
    value: Annotated[list[Value], Form()] = [],  # noqa: B006
) -> HTMLResponse:
    """Sends a template."""
    here = await view_of(request, subject)
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    try:
        name, _, language = choice.partition(":")
        found = picked(await choices_for(request, conversation), name, language)
        await answer_by_template(
            here.conversations,
            here.inbox,
            conversation,
            subject.key_id,
            found,
            value,
            key=f"console:{subject.tenant_id}:{key}",
        )
    except (Conflict, Unprocessable) as error:
        return await composer_page(request, here, conversation, problem=said(request, error), status=error.status)
    return await sent_page(request, here, conversation_id)


@router.post("/note")
async def note(request: Request, subject: Writer, conversation_id: str, text: Words) -> HTMLResponse:
    """Keeps a note that the customer never sees."""
    here = await view_of(request, subject)
    if not text.strip():
        conversation = await here.conversations.get(subject.tenant_id, conversation_id)
        return await composer_page(request, here, conversation, problem=here.texts("problem.empty"), status=422)
    await here.inbox.desk.note(subject.tenant_id, conversation_id, subject.key_id, text.strip())
    return await sent_page(request, here, conversation_id)


async def _choice(request: Request, here: View, conversation_id: str, choice: str) -> Choice:
    conversation = await here.conversations.get(here.tenant_id, conversation_id)
    name, _, language = choice.partition(":")
    return picked(await choices_for(request, conversation), name, language)


async def sent_page(request: Request, here: View, conversation_id: str) -> HTMLResponse:
    """Returns an empty place to write; the page then refreshes what else changed."""
    shown = await composer_page(request, here, await here.conversations.get(here.tenant_id, conversation_id))
    shown.headers["HX-Trigger"] = "refresh"
    return shown


async def composer_page(
    request: Request, here: View, conversation: Conversation, *, problem: str = "", typed: str = "", status: int = 200
) -> HTMLResponse:
    """Returns the place to write, with what went wrong, and what was typed, if anything was."""
    composer = await composer_for(request, here, conversation)
    place = conversation.conversation_id
    return page(
        request, "_composer.html", status, conversation_id=place, composer=composer, typed=typed, problem=problem
    )
