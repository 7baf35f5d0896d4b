"""What was said and written in a conversation, as the page tells it: calls with their cards, messages with ticks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.console.viewing import View
from app.console.when import Moment
from app.conversations.models import (
    Author,
    Direction,
    Media,
    MediaState,
    Message,
    MessageKind,
)
from app.conversations.ports import OutboxState, OutboxView
from app.kit.ids import new_id

STEP: Final = 40
MOST: Final = 400
_VIEWS_AT_ONCE: Final = 100
_TICKS: Final = {
    OutboxState.QUEUED: "◷",
    OutboxState.SENDING: "◷",
    OutboxState.SENT: "✓",
    OutboxState.DELIVERED: "✓✓",
    OutboxState.READ: "✓✓",
    OutboxState.PLAYED: "✓✓",
    OutboxState.FAILED: "✗",
    OutboxState.UNKNOWN: "?",
}
_PLAYED_HERE: Final = {"image": "image", "sticker": "image", "audio": "audio", "voice": "audio", "video": "video"}


@dataclass(frozen=True, slots=True)
class File:
    """The file of a message; without a `url` it is not there, and `state_text` says why."""

    kind: str
    name: str
    url: str
    state_text: str


@dataclass(frozen=True, slots=True)
class Bubble:
    """A message, note or event on the page; `again_key` names the next attempt of one that failed."""

    id: str
    at: Moment
    author: str
    author_text: str
    direction: str
    kind: str
    language: str
    text: str
    is_edited: bool
    is_removed: bool
    reactions: tuple[str, ...]
    file: File | None
    delivery: str
    delivery_text: str
    tick: str
    failure_text: str
    again_key: str


async def bubbles_for(view: View, conversation_id: str, count: int) -> tuple[list[Bubble], int | None]:
    """Returns the latest `count` messages, oldest first, and how many to ask for to see more; None: that is all."""
    found: list[Message] = []
    after, more = None, True
    while more and len(found) < count:
        limit = min(_VIEWS_AT_ONCE, count - len(found))
        page, more = await view.conversations.messages(
            view.tenant_id, conversation_id, limit=limit, starting_after=after
        )
        found += page
        after = page[-1].message_id if page else None
    sent = await _deliveries(view, [message.outbox_id for message in found if message.outbox_id is not None])
    names = {member: await view.person(member) for member in {m.author_id for m in found if m.author_id is not None}}
    bubbles = [_bubble(view, message, sent, names) for message in reversed(found)]
    return bubbles, min(count + STEP, MOST) if more and count < MOST else None


async def _deliveries(view: View, outbox_ids: Sequence[str]) -> dict[str, OutboxView]:
    views: dict[str, OutboxView] = {}
    for start in range(0, len(outbox_ids), _VIEWS_AT_ONCE):
        views |= await view.outbox.views(view.tenant_id, outbox_ids[start : start + _VIEWS_AT_ONCE])
    return views


def _bubble(view: View, message: Message, sent: Mapping[str, OutboxView], names: Mapping[str, str]) -> Bubble:
    t, row = view.texts, sent.get(message.outbox_id or "")
    name = names.get(message.author_id or "", "")
    is_event = message.kind is MessageKind.EVENT
    state = row.state if row is not None else None
    return Bubble(
        id=message.message_id,
        at=view.times.at(message.sent_at),
        author=message.author.value,
        author_text="" if is_event else _author(view, message, name),
        direction=message.direction.value,
        kind=message.kind.value,
        language="" if message.direction is Direction.INTERNAL else message.language or "",
        text=_happened(view, message, name) if is_event else message.text,
        is_edited=message.edited_at is not None,
        is_removed=message.removed_at is not None,
        reactions=tuple(reaction.emoji for reaction in message.reactions),
        file=_file(view, message.kind, message.media) if message.media is not None else None,
        delivery=state.value if state is not None else "",
        delivery_text=t(f"delivery.{state.value}") if state is not None else "",
        tick=_TICKS[state] if state is not None else "",
        failure_text=_failure(view, row) if row is not None and row.state is OutboxState.FAILED else "",
        again_key=new_id("again") if state is OutboxState.FAILED and view.may_write else "",
    )


def _failure(view: View, row: OutboxView) -> str:
    """Returns why a message was not delivered, by the pack of the viewer's language."""
    texts = row.failure_texts
    own = next((tag for tag in texts if tag.partition("-")[0] == view.texts.language), None)
    return texts[own] if own is not None else row.failure or view.texts("delivery.failed")


def _author(view: View, message: Message, name: str) -> str:
    if message.author is Author.PERSON:
        return name or view.texts("owner.person")
    return view.texts(f"author.{message.author.value}")


def _happened(view: View, message: Message, name: str) -> str:
    """Returns an event as a sentence; of one that the texts do not know, the stored name."""
    who = name or view.texts("author.system")
    labels = message.extra.get("labels")
    shown = ", ".join(labels) if isinstance(labels, list) else ""
    return view.texts.known(f"event.{message.text}", message.text, who=who, labels=shown or "–")


def _file(view: View, kind: MessageKind, media: Media) -> File:
    t = view.texts
    name = media.file_name or t.known(f"file.{kind.value}", kind.value)
    if media.state is MediaState.STORED and media.attachment_id is not None:
        return File(_PLAYED_HERE.get(kind.value, "other"), name, f"/v1/attachments/{media.attachment_id}/content", "")
    reason = t.known(f"file.{media.reason}", media.reason) if media.reason else ""
    return File("other", name, "", t(f"file.{media.state.value}", name=name, reason=reason))
