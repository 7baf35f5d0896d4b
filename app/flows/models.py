"""A version of a tenant's flows, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class FlowStatus(StrEnum):
    """Where a version stands."""

    DRAFT = "draft"
    APPROVED = "approved"
    LIVE = "live"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class FlowVersion:
    """One version of a named set of flows.

    Attributes:
        version_id: `flow_<ulid>`.
        tenant_id: Whose.
        name: The set; agents name it.
        version: Counts up from 1 within the set.
        status: Where it stands.
        files: File name -> YAML; a file of a shipped name goes in its place, others are added.
        author: The key that wrote it.
        created_at: Aware UTC.
        approved_by: The key that approved it.
        approver: The person behind that key, as given.
        approved_at: Aware UTC.
        published_by: The key that published it last.
        published_at: Aware UTC.
    """

    version_id: str
    tenant_id: str
    name: str
    version: int
    status: FlowStatus
    author: str
    created_at: datetime
    files: Mapping[str, str] = field(default_factory=dict)
    approved_by: str | None = None
    approver: str | None = None
    approved_at: datetime | None = None
    published_by: str | None = None
    published_at: datetime | None = None
