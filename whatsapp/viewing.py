"""How far an outbound message got, as other rooms see it: with the failure in words, and what it cost."""

from collections.abc import Mapping

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
