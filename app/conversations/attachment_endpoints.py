"""The doors of files: upload before sending, download what customers sent."""

from typing import Annotated

from fastapi import APIRouter, File, Request, Response, UploadFile

from app.conversations.attachment_schemas import AttachmentView
from app.conversations.attachments import LARGEST_BYTES, Attachment
from app.conversations.doors import Read, Write, inbox_of
from app.errors import PayloadTooLarge
from app.kit.problem import responses

router = APIRouter(prefix="/attachments", tags=["inbox"], responses=responses(401, 403, 404, 413, 422, 429, 503))


@router.post("", operation_id="upload_attachment", summary="Upload a file", status_code=201)
async def upload_attachment(
    request: Request, subject: Write, file: Annotated[UploadFile, File(description="As WhatsApp carries it.")]
) -> AttachmentView:
    """Stores a file, sealed, for a message to come; type and size are those that WhatsApp carries."""
    if file.size is not None and file.size > LARGEST_BYTES:
        raise PayloadTooLarge(f"a file has at most {LARGEST_BYTES} bytes")
    attachment = await inbox_of(request).attachments.add(
        subject.tenant_id,
        await file.read(),
        file.content_type or "",
        created_by=subject.key_id,
        file_name=file.filename,
    )
    return _view(attachment)


@router.get("/{attachment_id}", operation_id="get_attachment", summary="Show a file's type and size")
async def get_attachment(request: Request, subject: Read, attachment_id: str) -> AttachmentView:
    """Shows what is known of a file."""
    return _view(await inbox_of(request).attachments.get(subject.tenant_id, attachment_id))


@router.get(
    "/{attachment_id}/content",
    operation_id="download_attachment",
    summary="Download a file",
    response_class=Response,
)
async def download_attachment(request: Request, subject: Read, attachment_id: str) -> Response:
    """Returns the file; the look is written into the audit log. Browsers are told never to run it."""
    inbox = inbox_of(request)
    attachment = await inbox.attachments.get(subject.tenant_id, attachment_id)
    content = await inbox.attachments.content(attachment)
    await inbox.access.looked(subject.tenant_id, subject.key_id, "attachment.read", attachment_id)
    headers = {
        "Content-Disposition": f'attachment; filename="{attachment_id}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type=attachment.mime_type, headers=headers)


def _view(attachment: Attachment) -> AttachmentView:
    return AttachmentView(
        id=attachment.attachment_id,
        mime_type=attachment.mime_type,
        kind=attachment.kind.value,
        size_bytes=attachment.size_bytes,
        file_name=attachment.file_name,
        conversation_id=attachment.conversation_id,
        created_at=attachment.created_at,
    )
