"""Sending again what failed: a new attempt of its own, linked to the first, with every rule asked afresh."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from app.auth.replay import respond
from app.conversations.doors import Write, conversations_of, inbox_of
from app.conversations.message_schemas import MessageView
from app.conversations.models import Author, Conversation, Owner
from app.conversations.ports import OutboxState
from app.errors import Conflict, NotFound, Unprocessable
from app.kit.idempotency import Outcome, RequiredIdempotencyKey
from app.kit.problem import responses
from whatsapp.models import Kind, OutboxRow
from whatsapp.service import WhatsAppOutbox

router = APIRouter(tags=["conversations"], responses=responses(401, 403, 422, 429, 503))
_AGAIN = (OutboxState.FAILED, OutboxState.UNKNOWN)


async def send_again(outbox: WhatsAppOutbox, conversation: Conversation, row: OutboxRow) -> str:
    """Queues a failed message as a new one of a person; a row is sent again once, however often that is asked.

    Raises:
        Conflict: It did not fail (`not_failed`), or a rule forbids it now (`window_closed`, `opted_out` ...).
        Unprocessable: It is of a kind that cannot be sent again.
    """
    if row.state not in _AGAIN:
        detail = f"this message is {row.state}: only one that failed, or whose fate is unknown, can be sent again"
        raise Conflict(detail, code="not_failed")
    key, author = f"retry:{row.outbox_id}", Author.PERSON
    if row.kind is Kind.TEXT:
        return await outbox.add_text(
            conversation, text=row.text, author=author, idempotency_key=key, retry_of=row.outbox_id
        )
    if row.kind is Kind.TEMPLATE and row.template is not None:
        parameters = {version.language: version.values for version in row.versions}
        return await outbox.add_template(
            conversation,
            name=row.template,
            parameters=parameters,
            idempotency_key=key,
            author=author,
            retry_of=row.outbox_id,
        )
    if row.kind is Kind.FILE and row.file is not None:
        return await outbox.add_file(
            conversation,
            kind=row.file.kind,
            media=row.file.media,
            caption=row.text,
            idempotency_key=key,
            retry_of=row.outbox_id,
        )
    raise Unprocessable(f"a message of the kind {row.kind} cannot be sent again: write it anew", code="not_repeatable")


@router.post(
    "/conversations/{conversation_id}/messages/{message_id}/retries",
    operation_id="retry_message",
    summary="Send a failed message again",
    status_code=202,
    response_model=MessageView,
    responses=responses(404, 409),
)
async def retry(
    request: Request, subject: Write, conversation_id: str, message_id: str, idempotency_key: RequiredIdempotencyKey
) -> JSONResponse:
    """Queues a new attempt; the first one stays as it is. One whose fate is unknown may reach the customer twice."""

    async def send() -> Outcome:
        services, service, tenant_id = request.app.state.services, conversations_of(request), subject.tenant_id
        conversation = await service.get(tenant_id, conversation_id)
        first = await service.message(tenant_id, message_id)
        row = await services.whatsapp_store.get(tenant_id, first.outbox_id) if first.outbox_id else None
        if row is None or first.conversation_id != conversation_id:
            raise NotFound(f"no outbound message {message_id} in this conversation")
        outbox_id = await send_again(services.whatsapp_outbox, conversation, row)
        message = await service.message_of_outbox(tenant_id, outbox_id)
        await service.note_author(tenant_id, message.message_id, subject.key_id)
        if conversation.owner is Owner.BOT:
            await inbox_of(request).desk.take(tenant_id, conversation_id, subject.key_id, force=True)
        about = {"retry_of": row.outbox_id, "outbox_id": outbox_id, "was": row.state.value}
        await services.audit.record(tenant_id, subject.key_id, "message.retried", message_id, about)
        view = MessageView.of(message, await services.whatsapp_outbox.views(tenant_id, [outbox_id]))
        return Outcome(202, view.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, send)
