"""What a person does for a customer that takes several parts of the inbox: answering, and resolving with a question."""

from collections.abc import Sequence

from app.conversations.attachments import Attachment
from app.conversations.inbox import Inbox
from app.conversations.models import Author, Conversation, Media, MediaState, Message, MessageKind, Owner, Status
from app.conversations.picking import Choice
from app.conversations.ports import MessageOutbox
from app.conversations.service import ConversationService
from app.errors import Conflict, FieldError, Unprocessable

_WORDLESS = frozenset({MessageKind.AUDIO, MessageKind.STICKER})


async def answer(
    conversations: ConversationService,
    inbox: Inbox,
    outbox: MessageOutbox,
    conversation: Conversation,
    actor: str,
    text: str,
    *,
    key: str,
) -> Message:
    """Queues a person's free text; writing takes the conversation over from the bot, or from nobody.

    Args:
        conversations: The store.
        inbox: The rooms of the tenant's people.
        outbox: The way out.
        conversation: To whom.
        actor: The member or key that writes.
        text: The words.
        key: Names this message: repeated, it is the same message.

    Raises:
        Conflict: The 24-hour window is closed (`window_closed`), or the customer opted out (`opted_out`).
        Unprocessable: The tenant has no WhatsApp number.
    """
    tenant_id = conversation.tenant_id
    outbox_id = await outbox.add_text(conversation, text=text, author=Author.PERSON, idempotency_key=key)
    message = await conversations.message_of_outbox(tenant_id, outbox_id)
    await conversations.note_author(tenant_id, message.message_id, actor)
    await _take(inbox, conversation, actor)
    return await conversations.message_of_outbox(tenant_id, outbox_id)


async def answer_by_template(
    conversations: ConversationService,
    inbox: Inbox,
    conversation: Conversation,
    actor: str,
    choice: Choice,
    values: Sequence[str],
    *,
    key: str,
) -> Message:
    """Queues a template that a person picked, which takes the conversation over as writing does.

    Args:
        conversations: The store.
        inbox: The rooms of the tenant's people.
        conversation: To whom.
        actor: The member or key that sends.
        choice: Of those that `inbox.picker` offers.
        values: Of its placeholders.
        key: Names this message: repeated, it is the same message.

    Raises:
        Conflict: See `Picker.send`; or the conversation is closed.
        Unprocessable: See `Picker.send`.
    """
    if conversation.status is Status.CLOSED:
        raise Conflict("the conversation is closed; reopen it first", code="conversation_closed")
    outbox_id = await inbox.picker.send(conversation, choice, values, actor, key)
    await _take(inbox, conversation, actor)
    return await conversations.message_of_outbox(conversation.tenant_id, outbox_id)


async def answer_by_file(
    conversations: ConversationService,
    inbox: Inbox,
    outbox: MessageOutbox,
    conversation: Conversation,
    actor: str,
    attachment: Attachment,
    caption: str,
    *,
    key: str,
) -> Message:
    """Queues a stored file, by the rules of free text; sending takes the conversation over as writing does.

    Args:
        conversations: The store.
        inbox: The rooms of the tenant's people.
        outbox: The way out.
        conversation: To whom.
        actor: The member or key that sends.
        attachment: The file.
        caption: Words beside it; "" for none.
        key: Names this message: repeated, it is the same message, with the file of the first time.

    Raises:
        Conflict: The 24-hour window is closed (`window_closed`), or the customer opted out (`opted_out`).
        NotFound: The file belongs to another conversation.
        Unprocessable: WhatsApp shows no words with such a file (`no_caption`), or the tenant has no WhatsApp number.
    """
    tenant_id = conversation.tenant_id
    if caption and attachment.kind in _WORDLESS:
        detail = f"must be empty: WhatsApp shows no words with {attachment.kind}"
        raise Unprocessable("no caption goes here", code="no_caption", errors=[FieldError("/body/caption", detail)])
    await inbox.attachments.belongs_to(attachment, conversation.conversation_id)
    media = Media(
        MediaState.STORED,
        attachment.mime_type,
        attachment.attachment_id,
        attachment.size_bytes,
        attachment.file_name,
    )
    outbox_id = await outbox.add_file(
        conversation, kind=attachment.kind, media=media, caption=caption, idempotency_key=key
    )
    message = await conversations.message_of_outbox(tenant_id, outbox_id)
    await conversations.note_author(tenant_id, message.message_id, actor)
    await _take(inbox, conversation, actor)
    return await conversations.message_of_outbox(tenant_id, outbox_id)


async def resolve(
    inbox: Inbox, tenant_id: str, conversation_id: str, actor: str, *, expected: int | None = None
) -> Conversation:
    """Resolves a conversation, and asks how content the customer was, if the settings say so and the window is open.

    Raises:
        Conflict: Somebody changed it since `expected` was read.
    """
    resolved = await inbox.desk.resolve(tenant_id, conversation_id, actor, expected=expected)
    if (await inbox.settings.get(tenant_id)).ask_rating:
        await inbox.ratings.ask(resolved)
    return resolved


async def _take(inbox: Inbox, conversation: Conversation, actor: str) -> None:
    if conversation.owner is Owner.BOT or conversation.desk.assignee_id is None:
        await inbox.desk.take(conversation.tenant_id, conversation.conversation_id, actor, force=True)
