"""Files that the viewer sends from the page: stored and queued in one step, within the limits of the REST doors."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import HTMLResponse

from app.console.access import Writer
from app.console.routes import ConsoleRoute, said
from app.console.viewing import View, view_of
from app.console.writing import Key, composer_page, sent_page
from app.conversations.answering import answer_by_file
from app.conversations.attachments import LARGEST_BYTES, Attachment
from app.conversations.models import Conversation
from app.errors import Conflict, PayloadTooLarge, Unprocessable

router = APIRouter(prefix="/inbox/{conversation_id}", route_class=ConsoleRoute, include_in_schema=False)
_LONGEST_CAPTION = 1024


@router.post("/file")
async def send_file(
    request: Request,
    subject: Writer,
    conversation_id: str,
    key: Key,
    file: Annotated[UploadFile, File()],
    caption: Annotated[str, Form(max_length=_LONGEST_CAPTION)] = "",
) -> HTMLResponse:
    """Sends a file to the customer; what cannot be sent is not kept."""
    here = await view_of(request, subject)
    conversation = await here.conversations.get(subject.tenant_id, conversation_id)
    try:
        stored = await _stored(here, conversation, file)
        await _queue(here, conversation, stored, caption.strip(), f"console:{subject.tenant_id}:{key}")
    except (Conflict, PayloadTooLarge, Unprocessable) as error:
        return await composer_page(request, here, conversation, problem=said(request, error), status=error.status)
    return await sent_page(request, here, conversation_id)


async def _stored(here: View, conversation: Conversation, file: UploadFile) -> Attachment:
    if file.size is not None and file.size > LARGEST_BYTES:
        raise PayloadTooLarge(f"a file has at most {LARGEST_BYTES} bytes")
    return await here.inbox.attachments.add(
        here.tenant_id,
        await file.read(),
        file.content_type or "",
        created_by=here.subject.key_id,
        file_name=file.filename,
        conversation_id=conversation.conversation_id,
    )


async def _queue(here: View, conversation: Conversation, stored: Attachment, caption: str, key: str) -> None:
    """Queues the file, and deletes what was stored in vain: refused, or sent before under the same key."""
    used = None
    try:
        message = await answer_by_file(
            here.conversations,
            here.inbox,
            here.outbox,
            conversation,
            here.subject.key_id,
            stored,
            caption,
            key=key,
        )
        used = message.media.attachment_id if message.media is not None else None
    finally:
        if used != stored.attachment_id:
            await here.inbox.attachments.delete(here.tenant_id, stored.attachment_id)
