"""An outbound row as other rooms see it: its message, how far it got, the failure in words, and what it cost."""

from collections.abc import Mapping
from datetime import datetime

from app.conversations.models import Channel, Conversation, Direction, MessageKind, NewMessage
from app.conversations.ports import MessageCost, OutboxView
from app.language.packs import Pack
from whatsapp.costs.models import Cost
from whatsapp.failures import named
from whatsapp.models import OutboxRow


def view_of(row: OutboxRow, cost: Cost | None, packs: Mapping[str, Pack]) -> OutboxView:
    """Returns the view of a row.

    Args:
        row: The message.
        cost: What it cost; None: not billed yet.
        packs: For what agents read of a failure.
    """
    failure = named(row.failure) if row.failure is not None else None
    billed = None
    if cost is not None:
        billed = MessageCost(cost.category, cost.kind, cost.billable, cost.amount_micros, cost.currency)
    return OutboxView(
        row.outbox_id,
        row.state,
        row.failure,
        row.language,
        error_code=(row.error_code or None) if failure else None,
        remedy=failure.remedy.value if failure else None,
        failure_texts={tag: pack.failures[failure.name] for tag, pack in packs.items()} if failure else {},
        template=row.template_sent,
        cost=billed,
        retry_of=row.retry_of,
    )


def outbound_message(row: OutboxRow, conversation: Conversation, at: datetime) -> NewMessage:
    """Returns the message of a row; at most one message exists per row."""
    kind, media, text = MessageKind.TEXT, None, row.text
    if row.file is not None:
        kind, media, text = row.file.kind, row.file.media, f"[{row.file.kind}] {row.text}".rstrip()
    return NewMessage(
        channel=Channel.WHATSAPP,
        direction=Direction.OUTBOUND,
        author=row.author,
        text=text,
        kind=kind,
        media=media,
        sent_at=at,
        language=row.language or conversation.language,
        provider_id=row.wamid,
        outbox_id=row.outbox_id,
        dedupe_key=f"outbox:{row.outbox_id}",
    )
