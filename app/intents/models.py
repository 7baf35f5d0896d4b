"""A version of an agent's own intents, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class VersionStatus(StrEnum):
    """Where a version stands."""

    QUEUED = "queued"
    TRAINING = "training"
    READY = "ready"  # passed its tests; may serve
    FAILED = "failed"  # trained, and did not pass, or could not be trained: the report says why
    LIVE = "live"
    RETIRED = "retired"  # served once


@dataclass(frozen=True, slots=True)
class OwnIntent:
    """One intent of a tenant.

    Attributes:
        name: Starts the flow that names it.
        means: What the caller wants, in English.
        examples: BCP-47 tag -> sentences to learn from.
        tests: BCP-47 tag -> sentences to be judged by; none is an example.
    """

    name: str
    means: str
    examples: Mapping[str, Sequence[str]]
    tests: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Report:
    """How a trained version did.

    Attributes:
        passed: Whether it may serve.
        reasons: Why not, in words; empty if it passed.
        right: Own tests that were understood.
        total: Own tests.
        by_intent: Intent -> (right, total).
        missed: Own tests that were not understood: text, language, wanted, got.
        taken: Tests of the shipped intents that an own one now takes: the same.
        shipped_before: Share of the shipped tests that are understood without the own intents.
        shipped_after: The same with them.
    """

    passed: bool
    reasons: tuple[str, ...]
    right: int
    total: int
    by_intent: Mapping[str, tuple[int, int]]
    missed: tuple[Mapping[str, str], ...]
    taken: tuple[Mapping[str, str], ...]
    shipped_before: float
    shipped_after: float


@dataclass(frozen=True, slots=True)
class IntentVersion:
    """One version of an agent's own intents."""

    version_id: str
    tenant_id: str
    agent_id: str
    version: int
    status: VersionStatus
    author: str
    created_at: datetime
    intents: tuple[OwnIntent, ...]
    trained_at: datetime | None = None
    published_at: datetime | None = None
    published_by: str | None = None
    failure: str | None = None
    report: Mapping[str, Any] | None = field(default=None)
    replay: Mapping[str, Any] | None = field(default=None)
    """The last replay of past calls against it: id, passed, done_at."""
