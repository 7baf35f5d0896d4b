"""The place to write: whether the viewer may, why not, until when, and what is allowed instead."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request

from app.console.viewing import View
from app.console.when import Moment
from app.conversations.attachments import CARRIED
from app.conversations.models import Conversation, Owner, Status
from app.conversations.picking import Choice
from app.conversations.picking_endpoints import choices_for
from app.kit.ids import new_id

BY_TEMPLATE: Final = "window_closed"
"""The lock under which an approved template is what may be sent instead."""


@dataclass(frozen=True, slots=True)
class Canned:
    """A ready-made reply in the conversation's language."""

    shortcut: str
    text: str


@dataclass(frozen=True, slots=True)
class Composer:
    """What the viewer may write.

    Attributes:
        state: Changes whenever the place to write has to be drawn anew.
        lock: Why free text is not possible: closed, bot, other, or a code of the outbox; "": it is.
        holder: Who answers, where another person does.
        closes: When the window shuts.
        key: Names the message to come.
        file_key: Names the file to come.
        carried: The types of files that WhatsApp carries.
        canned: Ready-made replies; none while locked.
        choices: Templates on offer, where they are all that may be sent; else the page fetches them on demand.
    """

    state: str
    lock: str
    holder: str
    closes: Moment | None
    key: str
    file_key: str
    carried: str
    canned: tuple[Canned, ...]
    choices: tuple[Choice, ...]


async def state_of(view: View, conversation: Conversation) -> tuple[str, str]:
    """Returns why free text is not possible ("" where it is), and what changes whenever that must be drawn anew."""
    lock = await _lock(view, conversation)
    expires = await view.outbox.window_expires_at(view.tenant_id, conversation.address, conversation.business_number)
    until = expires.isoformat() if expires is not None else ""
    return lock, f"{lock}:{until}:{conversation.desk.assignee_id}:{conversation.language}"


async def composer_for(request: Request, view: View, conversation: Conversation) -> Composer:
    """Returns the place to write in a conversation."""
    lock, state = await state_of(view, conversation)
    expires = await view.outbox.window_expires_at(view.tenant_id, conversation.address, conversation.business_number)
    canned: tuple[Canned, ...] = ()
    if not lock:
        replies = await view.inbox.canned.all(view.tenant_id)
        canned = tuple(Canned(reply.shortcut, reply.text_for(conversation.language)[1]) for reply in replies)
    choices = await choices_for(request, conversation) if lock == BY_TEMPLATE else []
    return Composer(
        state=state,
        lock=lock,
        holder=await view.owner(conversation),
        closes=view.times.until(expires) if expires is not None and not lock else None,
        key=new_id("write"),
        file_key=new_id("write"),
        carried=",".join(CARRIED),
        canned=canned,
        choices=tuple(choices),
    )


async def _lock(view: View, conversation: Conversation) -> str:
    if conversation.status is Status.CLOSED:
        return "closed"
    if conversation.owner is Owner.BOT:
        return "bot"
    if conversation.desk.assignee_id not in (None, view.subject.key_id):
        return "other"
    refusal = await view.outbox.text_refusal(view.tenant_id, conversation.address, conversation.business_number)
    return refusal.code if refusal is not None else ""
