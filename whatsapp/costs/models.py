"""The cost of a message as a value: how Meta billed it, and what that is by the tenant's rates; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

FREE: Final = 0
FREE_ENTRY: Final = "free_entry_point"


@dataclass(frozen=True, slots=True)
class Rate:
    """What one billable message costs.

    Attributes:
        category: As Meta bills: marketing, utility, authentication, service ...
        prefix: E.164 beginnings of the numbers that it holds for, such as +91; "" for all others.
        amount_micros: Millionths of the currency's unit: 115000 are 0.115 rupees.
    """

    category: str
    prefix: str
    amount_micros: int


@dataclass(frozen=True, slots=True)
class RateCard:
    """The tenant's rates, in one currency (ISO 4217)."""

    currency: str
    rates: tuple[Rate, ...]

    def price(self, category: str, phone: str) -> int | None:
        """Returns what a billable message to `phone` costs in micros, by the longest prefix; None: no rate holds."""
        fitting = [rate for rate in self.rates if rate.category == category and phone.startswith(rate.prefix)]
        return max(fitting, key=lambda rate: len(rate.prefix)).amount_micros if fitting else None


@dataclass(frozen=True, slots=True)
class Cost:
    """How one delivered message was billed.

    Attributes:
        outbox_id: Which message.
        conversation_id: In which conversation.
        category: As Meta billed it, which may differ from the template's own.
        kind: regular, free_customer_service, free_entry_point.
        model: Meta's pricing model, such as PMP.
        billable: Whether Meta charges for it.
        amount_micros: By the rates of that moment; 0 where it is free, None where no rate held.
        currency: ISO 4217; None where no rate held.
        at: Meta's time of the delivery.
    """

    outbox_id: str
    conversation_id: str
    category: str
    kind: str
    model: str
    billable: bool
    amount_micros: int | None
    currency: str | None
    at: datetime

    @property
    def month(self) -> str:
        """The month (UTC) that it is billed in, `2026-11`."""
        return f"{self.at.astimezone(UTC):%Y-%m}"


@dataclass(frozen=True, slots=True)
class Tally:
    """Messages that were billed alike. `unpriced` of them are billable, but no rate held for them."""

    category: str
    kind: str
    billable: bool
    currency: str | None
    messages: int = 0
    amount_micros: int = 0
    unpriced: int = 0


def cost_of(
    outbox_id: str,
    conversation_id: str,
    phone: str,
    pricing: Mapping[str, Any],
    card: RateCard | None,
    at: datetime,
    *,
    free_entry: bool = False,
) -> Cost:
    """Returns what a message cost.

    Args:
        outbox_id: Which message.
        conversation_id: In which conversation.
        phone: To whom, E.164; "" where no number is known.
        pricing: As Meta told it with the status.
        card: The tenant's rates; None: none were given.
        at: Meta's time of the status.
        free_entry: Whether it left within a free entry point; counts where Meta tells no type.
    """
    category = str(pricing.get("category") or "unknown").lower()
    kind = str(pricing.get("type") or (FREE_ENTRY if free_entry else "regular")).lower()
    told = pricing.get("billable")
    billable = told if isinstance(told, bool) else not kind.startswith("free")
    price = card.price(category, phone) if card is not None and billable else None
    amount = price if billable else FREE
    currency = card.currency if card is not None and amount is not None else None
    model = str(pricing.get("pricing_model") or "")
    return Cost(outbox_id, conversation_id, category, kind, model, billable, amount, currency, at)


def tallies(costs: Iterable[Cost]) -> Sequence[Tally]:
    """Returns the sums over costs, by category, kind and currency, in that order."""
    found: dict[tuple[str, str, bool, str], Tally] = {}
    for cost in costs:
        key = (cost.category, cost.kind, cost.billable, cost.currency or "")
        known = found.get(key) or Tally(cost.category, cost.kind, cost.billable, cost.currency)
        found[key] = replace(
            known,
            messages=known.messages + 1,
            amount_micros=known.amount_micros + (cost.amount_micros or 0),
            unpriced=known.unpriced + (cost.amount_micros is None),
        )
    return [found[key] for key in sorted(found)]
