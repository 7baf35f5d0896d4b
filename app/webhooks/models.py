"""Where a tenant wants to be told what, and how each telling went."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class EventType(StrEnum):
    """What a tenant can be told of."""

    CALL_ANSWERED = "call.answered"
    CALL_ENDED = "call.ended"
    CALLBACK_REQUESTED = "callback.requested"
    CONTACT_OPTED_OUT = "contact.opted_out"
    KILL_SWITCH_SET = "kill_switch.set"
    WHATSAPP_ATTENTION_NEEDED = "whatsapp.attention_needed"
    TEST = "webhook.test"


Publish = Callable[[str, EventType, Mapping[str, Any]], Awaitable[int]]
"""How rooms tell of what happened: tenant, event, ids and states. Never raises."""

RETRY_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Pauses after the first, second ... failed attempt; about three days in all.

Source: Standard Webhooks, "Deliverability and reliability": the sample schedule, in its order.
"""


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """A tenant's server that wants to be told.

    `events` empty means everything. `disabled_reason` is set when we stopped telling it.
    """

    endpoint_id: str
    tenant_id: str
    url: str
    events: tuple[EventType, ...]
    description: str
    enabled: bool
    disabled_reason: str | None
    created_at: datetime

    def wants(self, event: EventType) -> bool:
        """Returns whether it is to be told of such an event."""
        return self.enabled and (not self.events or event in self.events or event is EventType.TEST)


class DeliveryStatus(StrEnum):
    """Where one telling stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request: when, what came of it (`status` None: no answer) and how long it took."""

    at: datetime
    status: int | None
    error: str | None
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint. `event_id` stays the same over attempts and redeliveries."""

    delivery_id: str
    tenant_id: str
    endpoint_id: str
    event_id: str
    event: EventType
    status: DeliveryStatus
    attempts: tuple[Attempt, ...]
    next_at: datetime | None
    created_at: datetime
