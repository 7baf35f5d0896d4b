"""Flow sets on the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.flows.models import FlowStatus, FlowVersion

SetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,47}$", examples=["diwali"])]
FileName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}\.yaml$", examples=["cancel_order.yaml"])]
FileText = Annotated[str, Field(min_length=1, max_length=64_000)]
_CANCEL_ORDER = """name: cancel_order
kind: frame
intents: [cancel_order]
slots:
  - {name: order_id, type: digits, fewest_digits: 4, most_digits: 10, ask: [ask_order_id]}
confirm: confirm_cancel_order
tool: cancel_order
write: true
answers:
  cancelled: our_own_words
  already_cancelled: cancel_order_already
  too_late: cancel_order_too_late
not_found: order_not_found
sentences:
  our_own_words:
    en-IN: ["Order {order_id} is off the list."]
    hi-IN: ["ऑर्डर {order_id} हटा दिया है।"]
"""


class FlowDraft(BaseModel):
    """A new version of a set: only the files that differ from the shipped ones, or are added to them."""

    model_config = ConfigDict(extra="forbid")

    files: dict[FileName, FileText] = Field(
        min_length=1, max_length=64, examples=[{"cancel_order.yaml": _CANCEL_ORDER}]
    )


class FlowApproval(BaseModel):
    """Who approves."""

    model_config = ConfigDict(extra="forbid")

    approver: str | None = Field(default=None, min_length=1, max_length=100, description="The person behind the key.")


class FlowRules(BaseModel):
    """How a tenant's flows go live."""

    model_config = ConfigDict(extra="forbid")

    two_persons: StrictBool = Field(description="Whether another key than the author's must approve.")


class FlowVersionView(BaseModel):
    """A version of a set of flows."""

    id: str = Field(examples=["flow_01k4n5c9t2v8x7q6m3b1a0zdef"])
    name: str
    version: int
    status: FlowStatus
    files: dict[str, str]
    author: str = Field(description="The id of the key that wrote it.")
    created_at: datetime
    approved_by: str | None
    approver: str | None
    approved_at: datetime | None
    published_by: str | None
    published_at: datetime | None

    @classmethod
    def of(cls, version: FlowVersion) -> Self:
        """Returns the wire form."""
        names = [name for name in cls.model_fields if name not in ("id", "files")]
        return cls(id=version.version_id, files=dict(version.files), **{name: getattr(version, name) for name in names})
