"""What may take two people, and what a room says of one kind of change: how it is checked, applied, seen as stale."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

Apply = Callable[[str, str, str, Mapping[str, Any]], Awaitable[str]]
"""Applies a change: tenant, actor, target, payload -> the id that it was done to."""
Basis = Callable[[str, str], Awaitable[str]]
"""Says in which state a target is: tenant, target -> a text that is another one after any change."""
Check = Callable[[str, str, Mapping[str, Any]], Awaitable[None]]
"""Raises Unprocessable or NotFound for a change that could not be applied: tenant, target, payload."""


class Area(StrEnum):
    """What may take two people."""

    AGENTS = "agents"  # prompts and persona: everything an agent is configured with
    FLOWS = "flows"
    ROUTING = "routing"  # which number rings at which agent
    RESTRICTED_ACTIONS = "restricted_actions"  # writes that a person decides about
    RULES = "rules"  # asking for one person again where two were asked for


AREAS: Final = tuple(area for area in Area if area is not Area.RULES)
"""What a tenant sets; to loosen it always takes two."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of change is done."""

    area: Area
    apply: Apply
    basis: Basis
    check: Check | None = None
