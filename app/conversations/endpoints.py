"""The doors of conversations: the list, the agent's view, the messages, and the person's answer."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.auth.replay import respond
from app.conversations.models import Author, Conversation, Owner
from app.conversations.ports import MessageOutbox
from app.conversations.schemas import (
    CallView,
    ContactView,
    ConversationDetail,
    ConversationPatch,
    ConversationView,
    MessageCreate,
    MessageView,
    WindowView,
)
from app.conversations.service import ConversationService
from app.kit.clock import Clock
from app.kit.idempotency import Outcome, RequiredIdempotencyKey
from app.kit.pagination import Page, Paging
from app.kit.problem import responses

router = APIRouter(tags=["conversations"], responses=responses(401, 403, 422, 429, 503))

Read = Annotated[AuthSubject, Depends(holding("conversations:read"))]
Write = Annotated[AuthSubject, Depends(holding("conversations:write"))]


def _conversations(request: Request) -> ConversationService:
    service: ConversationService = request.app.state.services.conversations
    return service


def _outbox(request: Request) -> MessageOutbox:
    outbox: MessageOutbox = request.app.state.services.whatsapp_outbox
    return outbox


@router.get("/conversations", operation_id="list_conversations", summary="List conversations")
async def list_conversations(
    request: Request,
    subject: Read,
    paging: Paging,
    status: Annotated[Literal["open", "closed"] | None, Query()] = None,
    owner: Annotated[Literal["bot", "person"] | None, Query()] = None,
    phone: Annotated[str | None, Query(pattern=r"^\+[1-9]\d{6,14}$", description="E.164, the + as %2B.")] = None,
) -> Page[ConversationView]:
    """Lists the tenant's conversations, newest first."""
    named = {"status": status, "owner": owner, "phone": phone}
    query = {name: value for name, value in named.items() if value is not None}
    found, more = await _conversations(request).page(
        subject.tenant_id, limit=paging.limit, starting_after=paging.starting_after, query=query
    )
    data = [ConversationView.of(conversation) for conversation in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.get(
    "/conversations/{conversation_id}",
    operation_id="get_conversation",
    summary="Show a conversation as the agent needs it",
    responses=responses(404),
)
async def get_conversation(request: Request, subject: Read, conversation_id: str) -> ConversationDetail:
    """Shows contact, language, the calls with transcript, intent, slots and reason, and WhatsApp's window."""
    return await _detail(request, await _conversations(request).get(subject.tenant_id, conversation_id))


@router.patch(
    "/conversations/{conversation_id}",
    operation_id="update_conversation",
    summary="Take over, return to the bot, or close",
    responses=responses(404, 409),
)
async def update_conversation(
    request: Request, subject: Write, conversation_id: str, body: ConversationPatch
) -> ConversationDetail:
    """Changes the owner if nobody else did meanwhile; closing lets the contact's next word open a new one."""
    service = _conversations(request)
    conversation = await service.get(subject.tenant_id, conversation_id)
    if body.owner is not None:
        conversation = await service.hand_to(conversation, Owner(body.owner))
    if body.status is not None:
        await service.close(conversation)
    return await _detail(request, await service.get(subject.tenant_id, conversation_id))


@router.get(
    "/conversations/{conversation_id}/messages",
    operation_id="list_messages",
    summary="List a conversation's messages",
    responses=responses(404),
)
async def list_messages(request: Request, subject: Read, conversation_id: str, paging: Paging) -> Page[MessageView]:
    """Lists what was said and written, newest first, with the delivery of what we sent."""
    found, more = await _conversations(request).messages(
        subject.tenant_id, conversation_id, limit=paging.limit, starting_after=paging.starting_after
    )
    outbox_ids = [message.outbox_id for message in found if message.outbox_id is not None]
    rows = await _outbox(request).views(subject.tenant_id, outbox_ids)
    data = [MessageView.of(message, rows) for message in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


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
        service, outbox = _conversations(request), _outbox(request)
        conversation = await service.get(subject.tenant_id, conversation_id)
        outbox_id = await outbox.add_text(
            conversation,
            text=body.text,
            author=Author.PERSON,
            idempotency_key=f"api:{subject.tenant_id}:{idempotency_key}",
        )
        if conversation.owner is Owner.BOT:
            await service.hand_to(conversation, Owner.PERSON)
        message = await service.message_of_outbox(subject.tenant_id, outbox_id)
        view = MessageView.of(message, await outbox.views(subject.tenant_id, [outbox_id]))
        return Outcome(202, view.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, send)


async def _detail(request: Request, conversation: Conversation) -> ConversationDetail:
    service = _conversations(request)
    clock: Clock = request.app.state.services.clock
    contact = await service.contact(conversation.tenant_id, conversation.contact_id)
    snapshots = await service.snapshots(conversation.tenant_id, conversation.conversation_id)
    expires_at = await _outbox(request).window_expires_at(conversation.tenant_id, conversation.phone)
    window = WindowView(open=expires_at is not None and clock.now() < expires_at, expires_at=expires_at)
    return ConversationDetail(
        **ConversationView.of(conversation).model_dump(),
        contact=ContactView.of(contact),
        calls=[CallView.of(snapshot) for snapshot in snapshots],
        whatsapp_window=window,
    )
