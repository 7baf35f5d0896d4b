"""The door by which a person sends a file that was uploaded before."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from app.auth.replay import respond
from app.conversations.answering import answer_by_file
from app.conversations.doors import Write, conversations_of, inbox_of, outbox_of
from app.conversations.message_schemas import MessageView
from app.kit.idempotency import Outcome, RequiredIdempotencyKey
from app.kit.problem import responses

router = APIRouter(tags=["conversations"], responses=responses(401, 403, 422, 429, 503))


class FileCreate(BaseModel):
    """A file to the customer's WhatsApp."""

    model_config = ConfigDict(extra="forbid")

    attachment_id: str = Field(
        max_length=64, description="From POST /v1/attachments.", examples=["att_01k4n5c9t2v8x7q6m3b1a0zdef"]
    )
    caption: str = Field(default="", max_length=1024, examples=["Your invoice"])


@router.post(
    "/conversations/{conversation_id}/files",
    operation_id="send_file",
    summary="Send a file to the customer on WhatsApp",
    status_code=202,
    response_model=MessageView,
    responses=responses(404, 409),
)
async def send_file(
    request: Request, subject: Write, conversation_id: str, body: FileCreate, idempotency_key: RequiredIdempotencyKey
) -> JSONResponse:
    """Queues a file, only while the 24-hour window is open; sending takes the conversation over from the bot."""

    async def send() -> Outcome:
        tenant_id, service, inbox = subject.tenant_id, conversations_of(request), inbox_of(request)
        outbox = outbox_of(request)
        conversation = await service.get(tenant_id, conversation_id)
        attachment = await inbox.attachments.get(tenant_id, body.attachment_id)
        key = f"api:{tenant_id}:{idempotency_key}"
        message = await answer_by_file(
            service, inbox, outbox, conversation, subject.key_id, attachment, body.caption, key=key
        )
        view = MessageView.of(message, await outbox.views(tenant_id, [message.outbox_id or ""]))
        return Outcome(202, view.model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, send)
