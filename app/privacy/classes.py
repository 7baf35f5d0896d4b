"""The classes of data that a tenant keeps for a while, and the law's bounds on how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class DataClass(StrEnum):
    """What is kept equally long."""

    TRANSCRIPTS = "transcripts"
    RECORDINGS = "recordings"
    MESSAGES = "messages"
    CONVERSATIONS = "conversations"
    TOOL_WRITES = "tool_writes"
    WEBHOOK_DELIVERIES = "webhook_deliveries"
    CALLS = "calls"
    CONSENTS = "consents"
    SUPPRESSIONS = "suppressions"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a class is kept.

    Attributes:
        shown: What it is, for people.
        days: Where the tenant says nothing; None: without end.
        least: The fewest days a tenant may set.
        why: The rule that the floor comes from.
    """

    shown: str
    days: int | None
    least: int
    why: str


_LOG: Final = "IN-13: processing logs are kept a year at least"
RULES: Final[Mapping[DataClass, Rule]] = {
    DataClass.TRANSCRIPTS: Rule("Events of calls with what was said, and what was handed over with them", 90, 1, ""),
    DataClass.RECORDINGS: Rule("Recordings of calls", 90, 1, ""),
    DataClass.MESSAGES: Rule("WhatsApp messages, with their files, in and out", 365, 1, ""),
    DataClass.CONVERSATIONS: Rule("Conversations that are closed", 365, 1, ""),
    DataClass.TOOL_WRITES: Rule("Writes in the tenant's systems, and approvals", 730, 365, _LOG),
    DataClass.WEBHOOK_DELIVERIES: Rule("What webhooks were told", 30, 7, "deliveries are retried for three days"),
    DataClass.CALLS: Rule("Records of calls, without what was said, and what messages cost", 730, 365, _LOG),
    DataClass.CONSENTS: Rule("Lines of the consent ledger that newer ones replaced", 1826, 365, _LOG),
    DataClass.SUPPRESSIONS: Rule("The do-not-contact list", None, 1826, "US-04: five years at least"),
    DataClass.AUDIT: Rule("The audit log", 2555, 365, _LOG),
}
LONGEST_DAYS: Final = 3650


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents of one collection that go by their age alone.

    Attributes:
        data_class: Which class's days count.
        collection: Where they are.
        age: The field that says how old one is.
        only: What else must hold, so that nothing goes that is not finished.
        links: Collections whose documents go with these, by which field.
    """

    data_class: DataClass
    collection: str
    age: str
    only: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


BATCHES: Final = (
    Batch(DataClass.TRANSCRIPTS, "call_snapshots", "attached_at", links={"message_tokens": "message_id"}),
    Batch(DataClass.MESSAGES, "messages", "created_at", links={"message_tokens": "message_id"}),
    Batch(
        DataClass.MESSAGES,
        "whatsapp_outbox",
        "updated_at",
        {"state": {"$in": ["sent", "delivered", "read", "played", "failed"]}},
    ),
    Batch(DataClass.MESSAGES, "whatsapp_parked_items", "parked_at"),
    Batch(DataClass.MESSAGES, "whatsapp_account_updates", "received_at"),
    Batch(DataClass.MESSAGES, "whatsapp_media_fetches", "created_at"),
    Batch(DataClass.MESSAGES, "attachments", "created_at"),
    Batch(
        DataClass.CONVERSATIONS,
        "conversations",
        "updated_at",
        {"status": "closed"},
        {
            "call_snapshots": "conversation_id",
            "messages": "conversation_id",
            "message_tokens": "conversation_id",
            "callbacks": "conversation_id",
        },
    ),
    Batch(DataClass.TOOL_WRITES, "tool_writes", "updated_at", {"state": {"$in": ["done", "refused", "given_up"]}}),
    Batch(DataClass.TOOL_WRITES, "approvals", "requested_at", {"carried_out": True}),
    Batch(
        DataClass.WEBHOOK_DELIVERIES, "webhook_deliveries", "created_at", {"status": {"$in": ["delivered", "failed"]}}
    ),
    Batch(
        DataClass.CALLS,
        "calls",
        "created_at",
        {"status": {"$in": ["completed", "no_answer", "busy", "failed"]}},
        {"call_events": "call_id"},
    ),
    Batch(DataClass.CALLS, "whatsapp_costs", "at"),
    Batch(DataClass.SUPPRESSIONS, "suppressions", "since"),
)
