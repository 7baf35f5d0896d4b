"""The doors of what people do with conversations: take, assign, note, label, snooze, resolve, search, call back."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.conversations.answering import resolve
from app.conversations.desk_schemas import (
    AssignBody,
    CallbackBody,
    CallbackView,
    HitView,
    LabelsBody,
    MergeBody,
    NoteBody,
    SnoozeBody,
    TakeBody,
)
from app.conversations.doors import Expected, Read, Supervise, Write, conversations_of, inbox_of
from app.conversations.endpoints import detail
from app.conversations.message_schemas import MessageView
from app.conversations.people_schemas import FittingReplyView
from app.conversations.schemas import ContactView, ConversationDetail, ConversationView
from app.errors import Forbidden
from app.kit.pagination import Page, Paging
from app.kit.problem import responses

router = APIRouter(tags=["inbox"], responses=responses(401, 403, 404, 409, 422, 429, 503))
_PLACE = "/conversations/{conversation_id}"


@router.post(f"{_PLACE}/take", operation_id="take_conversation", summary="Take a conversation over")
async def take_conversation(
    request: Request,
    response: Response,
    subject: Write,
    conversation_id: str,
    expected: Expected,
    body: TakeBody | None = None,
) -> ConversationDetail:
    """Takes it from the bot or from nobody. Of two at once one gets it; the other learns who did (409 `taken`)."""
    force = body is not None and body.force
    if force and not subject.may("inbox:write"):
        raise Forbidden("taking a conversation from another person needs the scope inbox:write")
    taken = await inbox_of(request).desk.take(
        subject.tenant_id, conversation_id, subject.key_id, expected=expected, force=force
    )
    return await detail(request, response, taken)


@router.post(f"{_PLACE}/release", operation_id="release_conversation", summary="Give a conversation back to the bot")
async def release_conversation(
    request: Request, response: Response, subject: Write, conversation_id: str, expected: Expected
) -> ConversationDetail:
    """Lets the bot answer again."""
    desk = inbox_of(request).desk
    released = await desk.release(subject.tenant_id, conversation_id, subject.key_id, expected=expected)
    return await detail(request, response, released)


@router.post(f"{_PLACE}/assign", operation_id="assign_conversation", summary="Assign or transfer a conversation")
async def assign_conversation(
    request: Request, response: Response, subject: Write, conversation_id: str, body: AssignBody, expected: Expected
) -> ConversationDetail:
    """Gives it to a person, a team, or nobody yet, with a note if you like."""
    assigned = await inbox_of(request).desk.assign(
        subject.tenant_id,
        conversation_id,
        subject.key_id,
        member_id=body.member_id,
        team_id=body.team_id,
        note=body.note,
        expected=expected,
    )
    return await detail(request, response, assigned)


@router.post(f"{_PLACE}/notes", operation_id="add_note", summary="Write a private note", status_code=201)
async def add_note(request: Request, subject: Write, conversation_id: str, body: NoteBody) -> MessageView:
    """Writes a note among the messages that the customer never sees."""
    note = await inbox_of(request).desk.note(subject.tenant_id, conversation_id, subject.key_id, body.text)
    return MessageView.of(note, {})


@router.put(f"{_PLACE}/labels", operation_id="put_labels", summary="Replace a conversation's labels")
async def put_labels(
    request: Request, response: Response, subject: Write, conversation_id: str, body: LabelsBody, expected: Expected
) -> ConversationDetail:
    """Sets all labels of a conversation."""
    labelled = await inbox_of(request).desk.label(
        subject.tenant_id, conversation_id, subject.key_id, body.labels, expected=expected
    )
    return await detail(request, response, labelled)


@router.post(f"{_PLACE}/snooze", operation_id="snooze_conversation", summary="Put a conversation to sleep, or wake it")
async def snooze_conversation(
    request: Request, response: Response, subject: Write, conversation_id: str, body: SnoozeBody, expected: Expected
) -> ConversationDetail:
    """Hides it until a time; the customer's next word brings it back sooner."""
    asleep = await inbox_of(request).desk.snooze(
        subject.tenant_id, conversation_id, subject.key_id, body.until, expected=expected
    )
    return await detail(request, response, asleep)


@router.post(f"{_PLACE}/resolve", operation_id="resolve_conversation", summary="Resolve a conversation")
async def resolve_conversation(
    request: Request, response: Response, subject: Write, conversation_id: str, expected: Expected
) -> ConversationDetail:
    """Closes it, and asks the customer how content they are, if the settings say so and the window is open."""
    names = (subject.tenant_id, conversation_id, subject.key_id)
    resolved = await resolve(inbox_of(request), *names, expected=expected)
    return await detail(request, response, resolved)


@router.post(f"{_PLACE}/reopen", operation_id="reopen_conversation", summary="Reopen a conversation")
async def reopen_conversation(
    request: Request, response: Response, subject: Write, conversation_id: str, expected: Expected
) -> ConversationDetail:
    """Opens a resolved conversation again, unless the contact has another open one."""
    desk = inbox_of(request).desk
    return await detail(
        request,
        response,
        await desk.reopen(subject.tenant_id, conversation_id, subject.key_id, expected=expected),
    )


@router.post(f"{_PLACE}/read", operation_id="read_conversation", summary="Mark a conversation as read", status_code=204)
async def read_conversation(request: Request, subject: Write, conversation_id: str) -> None:
    """Sets its unread messages to none, for everybody."""
    await inbox_of(request).desk.read(subject.tenant_id, conversation_id)


@router.get(
    f"{_PLACE}/canned-replies", operation_id="list_fitting_replies", summary="List canned replies for a conversation"
)
async def list_fitting_replies(request: Request, subject: Read, conversation_id: str) -> list[FittingReplyView]:
    """Lists the canned replies in the conversation's language, else in one that they are written in."""
    conversation = await conversations_of(request).get(subject.tenant_id, conversation_id)
    views = []
    for reply in await inbox_of(request).canned.all(subject.tenant_id):
        language, text = reply.text_for(conversation.language)
        views.append(FittingReplyView(id=reply.reply_id, shortcut=reply.shortcut, language=language, text=text))
    return views


@router.post(f"{_PLACE}/callbacks", operation_id="request_callback", summary="Ask for a call", status_code=201)
async def request_callback(request: Request, subject: Write, conversation_id: str, body: CallbackBody) -> CallbackView:
    """Stores the wish to call the customer; one that waits already is moved to the new time."""
    service = conversations_of(request)
    conversation = await service.get(subject.tenant_id, conversation_id)
    contact = await service.contact(subject.tenant_id, conversation.contact_id)
    callback = await inbox_of(request).callbacks.ask(
        conversation, body.phone or contact.phone, at=body.at, reason=body.reason, asked_by=subject.key_id
    )
    return CallbackView.of(callback)


@router.get(f"{_PLACE}/callbacks", operation_id="list_callbacks", summary="List wishes to be called")
async def list_callbacks(request: Request, subject: Read, conversation_id: str) -> list[CallbackView]:
    """Lists the wishes of a conversation, newest first."""
    await conversations_of(request).get(subject.tenant_id, conversation_id)
    found = await inbox_of(request).callbacks.of_conversation(subject.tenant_id, conversation_id)
    return [CallbackView.of(callback) for callback in found]


@router.delete("/callbacks/{callback_id}", operation_id="cancel_callback", summary="Take a wish to call back")
async def cancel_callback(request: Request, subject: Write, callback_id: str) -> CallbackView:
    """Cancels a callback that waits."""
    return CallbackView.of(await inbox_of(request).callbacks.cancel(subject.tenant_id, subject.key_id, callback_id))


@router.get("/inbox/search", operation_id="search_conversations", summary="Search messages and transcripts")
async def search_conversations(
    request: Request,
    subject: Read,
    paging: Paging,
    q: Annotated[str, Query(min_length=1, max_length=200, description="Whole words, in any script; all must occur.")],
) -> Page[HitView]:
    """Finds messages and calls that hold all words, newest first; what was said seconds ago may be missing."""
    inbox = inbox_of(request)
    hits, more = await inbox.search.find(
        subject.tenant_id, q, limit=min(paging.limit, 50), starting_after=paging.starting_after
    )
    await inbox.access.searched(subject.tenant_id, subject.key_id, len(hits))
    cursor = hits[-1].cursor if more else None
    return Page(data=[HitView.of(hit) for hit in hits], has_more=more, next_cursor=cursor)


@router.get("/contacts/{contact_id}", operation_id="get_contact", summary="Show a contact")
async def get_contact(request: Request, subject: Read, contact_id: str) -> ContactView:
    """Shows a contact, or the one that it was merged into."""
    return ContactView.of(await conversations_of(request).contact(subject.tenant_id, contact_id))


@router.get("/contacts/{contact_id}/conversations", operation_id="list_contact_conversations", summary="Show a history")
async def list_contact_conversations(
    request: Request, subject: Read, contact_id: str, paging: Paging
) -> Page[ConversationView]:
    """Lists every conversation of a contact, newest first."""
    contact = await conversations_of(request).contact(subject.tenant_id, contact_id)
    found, more = await conversations_of(request).page(
        subject.tenant_id,
        limit=paging.limit,
        starting_after=paging.starting_after,
        query={"contact_id": contact.contact_id},
    )
    data = [ConversationView.of(conversation) for conversation in found]
    return Page(data=data, has_more=more, next_cursor=data[-1].id if more else None)


@router.post("/contacts/{contact_id}/merge", operation_id="merge_contact", summary="Merge a contact into another")
async def merge_contact(request: Request, subject: Supervise, contact_id: str, body: MergeBody) -> ContactView:
    """Makes two contacts one person. No conversation changes the address that it writes to."""
    merged = await conversations_of(request).merge(subject.tenant_id, contact_id, body.into)
    data = {"into": merged.contact_id}
    await request.app.state.services.audit.record(subject.tenant_id, subject.key_id, "contact.merged", contact_id, data)
    return ContactView.of(merged)
