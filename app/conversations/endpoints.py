"""The doors of conversations: the list with its counts, the agent's view, the messages, and the person's answer."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.conversations.answering import answer
from app.conversations.desk import member_of
from app.conversations.desk_schemas import ConversationPatch, CountsView
from app.conversations.doors import Expected, Read, Write, clock_of, conversations_of, inbox_of, outbox_of
from app.conversations.listing import UNASSIGNED, Wanted
from app.conversations.message_schemas import MessageCreate, MessageView, VersionView
from app.conversations.models import Conversation
from app.conversations.schemas import (
    CallSnapshotView,
    ContactView,
    ConversationDetail,
    ConversationView,
    FreeEntryView,
    WindowView,
)
from app.errors import FieldError, NotFound, Unprocessable
from app.kit.idempotency import Outcome, RequiredIdempotencyKey
from app.kit.pagination import Page, Paging
from app.kit.problem import responses

router = APIRouter(tags=["conversations"], responses=responses(401, 403, 422, 429, 503))


@router.get("/conversations", operation_id="list_conversations", summary="List conversations", responses=responses(400))
async def list_conversations(
    request: Request,
    subject: Read,
    paging: Paging,
    status: Annotated[Literal["open", "snoozed", "closed"] | None, Query()] = None,
    owner: Annotated[Literal["bot", "person"] | None, Query()] = None,
    phone: Annotated[str | None, Query(pattern=r"^\+[1-9]\d{6,14}$", description="E.164, the + as %2B.")] = None,
    assignee: Annotated[
        str | None, Query(max_length=64, description="`me`, `unassigned` (people's, and nobody has it), or a member.")
    ] = None,
    team: Annotated[str | None, Query(max_length=64)] = None,
    label: Annotated[str | None, Query(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = None,
    language: Annotated[str | None, Query(pattern=r"^[a-z]{2,3}-[A-Z]{2}$")] = None,
    overdue: Annotated[bool, Query(description="Only those whose answer is due.")] = False,
    unread: Annotated[bool, Query(description="Only those with something unread.")] = False,
    contact: Annotated[str | None, Query(max_length=64)] = None,
    order: Annotated[
        Literal["newest", "active"], Query(description="By creation, or by the last activity; newest first.")
    ] = "newest",
) -> Page[ConversationView]:
    """Lists the tenant's conversations; what changes while you page never makes a page skip what stood still."""
    wanted = Wanted(
        status=status,
        owner=owner,
        assignee=_assignee(subject, assignee),
        team_id=team,
        label=label,
        language=language,
        overdue=overdue,
        unread=unread,
        phone=phone,
        contact_id=contact,
    )
    listing = inbox_of(request).listing
    page = listing.active if order == "active" else listing.newest
    found, cursor = await page(subject.tenant_id, wanted, limit=paging.limit, starting_after=paging.starting_after)
    data = [ConversationView.of(conversation) for conversation in found]
    return Page(data=data, has_more=cursor is not None, next_cursor=cursor)


@router.get("/inbox/counts", operation_id="count_conversations", summary="Count what waits")
async def count_conversations(request: Request, subject: Read) -> CountsView:
    """Counts open conversations by what they wait for; `mine` are those of the member who asks."""
    counts = await inbox_of(request).listing.counts(subject.tenant_id, member_of(subject.key_id))
    return CountsView.of(counts)


@router.get(
    "/conversations/{conversation_id}",
    operation_id="get_conversation",
    summary="Show a conversation as the agent needs it",
    responses=responses(404),
)
async def get_conversation(
    request: Request, response: Response, subject: Read, conversation_id: str
) -> ConversationDetail:
    """Shows contact, language, the calls with transcript, intent, slots and reason, and WhatsApp's window."""
    conversation = await conversations_of(request).get(subject.tenant_id, conversation_id)
    await inbox_of(request).access.looked(subject.tenant_id, subject.key_id, "conversation.read", conversation_id)
    return await detail(request, response, conversation)


@router.patch(
    "/conversations/{conversation_id}",
    operation_id="update_conversation",
    summary="Take over, return to the bot, or close",
    responses=responses(404, 409),
)
async def update_conversation(
    request: Request,
    response: Response,
    subject: Write,
    conversation_id: str,
    body: ConversationPatch,
    expected: Expected,
) -> ConversationDetail:
    """Changes the owner if nobody else did meanwhile; closing lets the contact's next word open a new one."""
    service, desk = conversations_of(request), inbox_of(request).desk
    names = (subject.tenant_id, conversation_id, subject.key_id)
    if body.owner == "person":
        await desk.take(*names, expected=expected)
    elif body.owner == "bot":
        await desk.release(*names, expected=expected)
    if body.status is not None:
        await service.close(await service.get(subject.tenant_id, conversation_id))
    return await detail(request, response, await service.get(subject.tenant_id, conversation_id))


@router.get(
    "/conversations/{conversation_id}/messages",
    operation_id="list_messages",
    summary="List a conversation's messages",
    responses=responses(404),
)
async def list_messages(request: Request, subject: Read, conversation_id: str, paging: Paging) -> Page[MessageView]:
    """Lists what was said and written, newest first, with notes, events, and the delivery of what we sent."""
    service = conversations_of(request)
    await service.get(subject.tenant_id, conversation_id)
    await inbox_of(request).access.looked(subject.tenant_id, subject.key_id, "conversation.read", conversation_id)
    found, more = await service.messages(
        subject.tenant_id, conversation_id, limit=paging.limit, starting_after=paging.starting_after
    )
    outbox_ids = [message.outbox_id for message in found if message.outbox_id is not None]
    rows = await outbox_of(request).views(subject.tenant_id, outbox_ids)
    data = [MessageView.of(message, rows) for message in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/conversations/{conversation_id}/messages/{message_id}/versions",
    operation_id="list_message_versions",
    summary="Show what an edited message said before",
    responses=responses(404),
)
async def list_message_versions(
    request: Request, subject: Read, conversation_id: str, message_id: str
) -> list[VersionView]:
    """Lists the earlier words, oldest first; the look is written into the audit log."""
    service = conversations_of(request)
    message = await service.message(subject.tenant_id, message_id)
    if message.conversation_id != conversation_id:
        raise NotFound(f"no message {message_id} in this conversation")
    await inbox_of(request).access.looked(subject.tenant_id, subject.key_id, "message.versions_read", message_id)
    versions = await service.versions(subject.tenant_id, message_id)
    return [VersionView(text=text, until=until) for text, until in versions]


@router.post(
    "/conversations/{conversation_id}/messages",
    operation_id="send_message",
    summary="Write to the customer on WhatsApp",
    status_code=202,
    response_model=MessageView,
    responses=responses(404, 409),
)
async def send_message(
    request: Request, subject: Write, conversation_id: str, body: MessageCreate, idempotency_key: RequiredIdempotencyKey
) -> JSONResponse:
    """Queues a free text, only while the 24-hour window is open; writing takes the conversation over from the bot."""

    async def send() -> Outcome:
        service, outbox = conversations_of(request), outbox_of(request)
        conversation = await service.get(subject.tenant_id, conversation_id)
        key = f"api:{subject.tenant_id}:{idempotency_key}"
        message = await answer(service, inbox_of(request), outbox, conversation, subject.key_id, body.text, key=key)
        view = MessageView.of(message, await outbox.views(subject.tenant_id, [message.outbox_id or ""]))
        return Outcome(202, view.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, send)


def _assignee(subject: AuthSubject, assignee: str | None) -> str | None:
    if assignee != "me":
        return assignee
    me = member_of(subject.key_id)
    if me is None:
        detail = f"`me` is the member who signed in; an API key names one, or `{UNASSIGNED}`"
        raise Unprocessable("an API key has no conversations", errors=[FieldError("/query/assignee", detail)])
    return me


async def detail(request: Request, response: Response, conversation: Conversation) -> ConversationDetail:
    """Returns the agent's view, and puts the version into `ETag`."""
    service, clock = conversations_of(request), clock_of(request)
    contact = await service.contact(conversation.tenant_id, conversation.contact_id)
    snapshots = await service.snapshots(conversation.tenant_id, conversation.conversation_id)
    expires_at = await outbox_of(request).window_expires_at(
        conversation.tenant_id, conversation.address, conversation.business_number
    )
    entry = await outbox_of(request).free_entry(
        conversation.tenant_id, conversation.address, conversation.business_number
    )
    window = WindowView(
        open=expires_at is not None and clock.now() < expires_at,
        expires_at=expires_at,
        free_entry_point=FreeEntryView.of(entry) if entry is not None else None,
    )
    response.headers["ETag"] = f'"{conversation.version}"'
    return ConversationDetail(
        **ConversationView.of(conversation).model_dump(),
        contact=ContactView.of(contact),
        calls=[CallSnapshotView.of(snapshot) for snapshot in snapshots],
        whatsapp_window=window,
    )
