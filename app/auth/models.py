"""Who is asking: the subject that every authorised request carries, and what keys may do."""

from dataclasses import dataclass
from datetime import datetime

_RESOURCES = (
    "agents",
    "api_keys",
    "approvals",
    "calls",
    "changes",
    "compliance",
    "conversations",
    "credentials",
    "flows",
    "inbox",
    "kill_switch",
    "members",
    "phone_numbers",
    "privacy",
    "tenant",
    "webhooks",
)
SCOPES = frozenset(f"{resource}:{verb}" for resource in _RESOURCES for verb in ("read", "write")) | {"audit:read"}


@dataclass(frozen=True, slots=True)
class AuthSubject:
    """The tenant and the key behind a request, with what the key may do."""

    tenant_id: str
    key_id: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Returns whether the subject holds `resource:verb`; the right to write includes the right to read."""
        resource, _, verb = scope.partition(":")
        return scope in self.scopes or (verb == "read" and f"{resource}:write" in self.scopes)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as stored: never the key itself, only its HMAC and the last four characters."""

    key_id: str
    tenant_id: str
    name: str
    scopes: frozenset[str]
    last_four: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Returns whether the key opens anything at `now` (aware UTC)."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
