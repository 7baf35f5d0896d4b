"""How a tenant's people work: hours, time to answer, routing, who answers those who write first; part of the inbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.conversations.models import Owner
from app.dialogue.hours import BusinessHours
from app.kit.mongo import Database

COLLECTION: Final = "inbox_settings"
_CACHE_SECONDS: Final = 5.0
_CACHED: Final = 4096


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """One tenant's rules.

    Attributes:
        hours: When people are there; the time to answer runs only then.
        answer_minutes: How soon a person answers, in those hours.
        default_agent_id: The bot that answers those who write first; None: a person does.
        default_owner: Who answers after a handoff while nobody has said when they are on line.
        ask_rating: Whether customers are asked how content they were, once a conversation is resolved.
        reopen_hours: For how long after it was resolved the customer's next word reopens a conversation.
        inform_minutes: How often a customer who waits for a person is told so.
        continue_dropped_calls: Whether a call that broke off goes on in WhatsApp, where the contact agreed to that.
    """

    hours: BusinessHours = field(default_factory=BusinessHours)
    answer_minutes: int = 15
    default_agent_id: str | None = None
    default_owner: Owner = Owner.PERSON
    ask_rating: bool = True
    reopen_hours: int = 24
    inform_minutes: int = 15
    continue_dropped_calls: bool = True


class SettingsStore:
    """Reads and writes settings; what is read may be five seconds old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache: dict[str, tuple[float, InboxSettings]] = {}

    async def get(self, tenant_id: str) -> InboxSettings:
        """Returns a tenant's settings; those of one that set nothing are the defaults."""
        now = self._database.clock.monotonic()
        cached = self._cache.get(tenant_id)
        if cached and now - cached[0] < _CACHE_SECONDS:
            return cached[1]
        found = await self._database.tenant(tenant_id).collection(COLLECTION).find_one({"_id": _id(tenant_id)})
        settings = _settings(found) if found else InboxSettings()
        while len(self._cache) >= _CACHED:
            self._cache.pop(next(iter(self._cache)))
        self._cache[tenant_id] = (now, settings)
        return settings

    async def put(self, tenant_id: str, settings: InboxSettings) -> None:
        """Stores a tenant's settings."""
        document = {
            "hours": settings.hours.to_json(),
            "answer_minutes": settings.answer_minutes,
            "default_agent_id": settings.default_agent_id,
            "default_owner": settings.default_owner.value,
            "ask_rating": settings.ask_rating,
            "reopen_hours": settings.reopen_hours,
            "inform_minutes": settings.inform_minutes,
            "continue_dropped_calls": settings.continue_dropped_calls,
        }
        store = self._database.tenant(tenant_id).collection(COLLECTION)
        await store.update_one({"_id": _id(tenant_id)}, {"$set": document}, upsert=True)
        self._cache.pop(tenant_id, None)


def _id(tenant_id: str) -> str:
    return f"inbox_{tenant_id}"


def _settings(document: Mapping[str, Any]) -> InboxSettings:
    known = {name: document[name] for name in InboxSettings.__dataclass_fields__ if name in document}
    hours: Mapping[str, Any] = document["hours"]
    known["hours"] = BusinessHours.of(hours["time_zone"], hours["week"])
    known["default_owner"] = Owner(document["default_owner"])
    return InboxSettings(**known)
