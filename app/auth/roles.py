"""What a member of a tenant may do, by role; deny is the default, and a role is nothing but a set of scopes."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from app.auth.models import SCOPES


class Role(StrEnum):
    """A member's role."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    SUPERVISOR = "supervisor"
    AGENT = "agent"
    AUDITOR = "auditor"


def _read(scopes: Iterable[str]) -> frozenset[str]:
    return frozenset(scope for scope in scopes if scope.endswith(":read"))


ROLE_SCOPES: Final[Mapping[Role, frozenset[str]]] = {
    Role.OWNER: SCOPES,
    Role.ADMIN: SCOPES - {"tenant:write"},
    Role.DEVELOPER: frozenset(
        {
            "agents:write",
            "api_keys:write",
            "calls:read",
            "conversations:read",
            "credentials:write",
            "flows:write",
            "kill_switch:write",
            "phone_numbers:write",
            "tenant:read",
            "webhooks:write",
        }
    )
    & SCOPES,
    Role.SUPERVISOR: frozenset(
        {
            "agents:read",
            "calls:write",
            "compliance:write",
            "conversations:write",
            "inbox:write",
            "kill_switch:write",
            "members:read",
            "tenant:read",
        }
    ),
    Role.AGENT: frozenset({"agents:read", "calls:read", "conversations:write", "inbox:read"}),
    Role.AUDITOR: _read(SCOPES),
}
"""Who may do what. A supervisor may stop agents; an auditor sees everything and changes nothing."""


def may_grant(granting: frozenset[str], role: Role) -> bool:
    """Returns whether somebody with these scopes may give a role: never more than they have themselves."""
    held = granting | {scope.replace(":write", ":read") for scope in granting}
    return ROLE_SCOPES[role] <= held
