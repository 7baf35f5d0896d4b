"""The doors of templates in the hand of a person: what is offered in a conversation, and the sending of one."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from app.auth.replay import respond
from app.conversations.answering import answer_by_template
from app.conversations.doors import Read, Write, conversations_of, inbox_of, outbox_of
from app.conversations.message_schemas import MessageView
from app.conversations.models import Conversation
from app.conversations.picking import LONGEST_VALUE, Choice, picked
from app.errors import NotFound
from app.kit.idempotency import Outcome, RequiredIdempotencyKey
from app.kit.problem import responses

router = APIRouter(tags=["inbox"], responses=responses(401, 403, 404, 409, 422, 429, 503))
_PLACE = "/conversations/{conversation_id}/templates"
Value = Annotated[str, Field(min_length=1, max_length=LONGEST_VALUE)]


class ChoiceView(BaseModel):
    """A template as it would be sent in this conversation."""

    name: str = Field(examples=["follow_up"])
    language: str = Field(examples=["hi-IN"])
    params: list[str] = Field(description="What {{1}}, {{2}} ... stand for.", examples=[["entity", "topic"]])
    values: list[str] = Field(description="What is known of them; empty where the sender has to say.")
    preview: str = Field(description="What the customer would read.")

    @classmethod
    def of(cls, choice: Choice) -> "ChoiceView":
        """Returns the wire form."""
        return cls(
            name=choice.name,
            language=choice.language,
            params=list(choice.params),
            values=list(choice.values),
            preview=choice.preview(),
        )


class TemplateSend(BaseModel):
    """A template of those that are offered, with its values."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=64, examples=["follow_up"])
    language: str = Field(max_length=12, examples=["hi-IN"])
    values: list[Value] = Field(max_length=9, examples=[["Sundar Stores", "your order 4512"]])


@router.get(_PLACE, operation_id="list_fitting_templates", summary="List templates for a conversation")
async def list_fitting_templates(request: Request, subject: Read, conversation_id: str) -> list[ChoiceView]:
    """Lists what may be sent outside of the 24-hour window, those in the customer's language first."""
    conversation = await conversations_of(request).get(subject.tenant_id, conversation_id)
    return [ChoiceView.of(choice) for choice in await choices_for(request, conversation)]


@router.post(
    _PLACE,
    operation_id="send_template",
    summary="Send a template to the customer",
    status_code=202,
    response_model=MessageView,
)
async def send_template(
    request: Request, subject: Write, conversation_id: str, body: TemplateSend, idempotency_key: RequiredIdempotencyKey
) -> JSONResponse:
    """Queues a template; it may go while the window is shut, to customers who agreed to WhatsApp messages."""

    async def send() -> Outcome:
        service = conversations_of(request)
        conversation = await service.get(subject.tenant_id, conversation_id)
        choice = picked(await choices_for(request, conversation), body.name, body.language)
        key = f"api:{subject.tenant_id}:{idempotency_key}"
        message = await answer_by_template(
            service, inbox_of(request), conversation, subject.key_id, choice, body.values, key=key
        )
        sent = await outbox_of(request).views(subject.tenant_id, [message.outbox_id or ""])
        return Outcome(202, MessageView.of(message, sent).model_dump(mode="json"))

    return await respond(request, subject.tenant_id, idempotency_key, send)


async def choices_for(request: Request, conversation: Conversation) -> list[Choice]:
    """Returns the templates offered in a conversation, in the name of its agent, else of the tenant."""
    services = request.app.state.services
    tenant = await services.tenants.get(conversation.tenant_id)
    entity = tenant.legal_entity
    if conversation.agent_id is not None:
        try:
            entity = (await services.agents.get(conversation.tenant_id, conversation.agent_id)).entity_name
        except NotFound:
            entity = tenant.legal_entity
    return await inbox_of(request).picker.choices(conversation, entity, tenant.languages)
