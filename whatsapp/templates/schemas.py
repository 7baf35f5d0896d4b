"""Templates on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from whatsapp.templates.components import rendered, slots_of, unsendable, value_faults
from whatsapp.templates.models import Category, Quality, Template, TemplateStatus, Use, Wanted
from whatsapp.templates.submissions import Outcome, Submitted
from whatsapp.templates.sync import Synced


class TemplateView(BaseModel):
    """A message template in one language, as Meta knows it."""

    id: str = Field(examples=["wtpl_01k4n5c9t2v8x7q6m3b1a0zdef"])
    account_id: str = Field(description="Meta's id of the business account.")
    name: str = Field(examples=["call_handoff"])
    language: str = Field(description="Meta's code.", examples=["hi"])
    category: Category
    status: TemplateStatus = Field(description="Only APPROVED is ever sent.")
    quality: Quality
    reason: str | None = Field(description="Why it was rejected, paused or deleted, if Meta says so.")
    components: list[dict[str, Any]] = Field(description="As Meta writes them.")
    values: list[str] = Field(
        description="The values that it takes, in order.", examples=[["body {{1}}", "body {{2}}"]]
    )
    sendable: bool = Field(description="Whether it may leave at this moment.")
    status_at: datetime = Field(description="When Meta told its status.")
    updated_at: datetime

    @classmethod
    def of(cls, template: Template) -> Self:
        """Returns the wire form."""
        facts = template.facts
        approved = facts.status is TemplateStatus.APPROVED
        return cls(
            id=template.template_id,
            account_id=template.account_id,
            name=facts.name,
            language=facts.language,
            category=facts.category,
            status=facts.status,
            quality=facts.quality,
            reason=facts.reason or None,
            components=[dict(component) for component in facts.components],
            values=[slot.label for slot in slots_of(facts)],
            sendable=approved and unsendable(facts) is None,
            status_at=template.status_at,
            updated_at=template.updated_at,
        )


class SyncedView(BaseModel):
    """What a look at Meta's list of one account brought."""

    account_id: str
    templates: int = Field(description="How many Meta lists.")
    changed: int = Field(description="How many of them were other than known.")
    synced_at: datetime

    @classmethod
    def of(cls, synced: Synced) -> Self:
        """Returns the wire form."""
        return cls(
            account_id=synced.account_id,
            templates=synced.templates,
            changed=synced.changed,
            synced_at=synced.synced_at,
        )


class SyncedList(BaseModel):
    """What a look at Meta's lists brought, account by account."""

    data: list[SyncedView]


class TemplateCreate(BaseModel):
    """A template of the tenant's own, for Meta's review."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "handoff_friendly",
                "language": "en",
                "category": "UTILITY",
                "components": [
                    {
                        "type": "BODY",
                        "text": "Hello, {{1}} here. As you asked on the phone, we go on about {{2}} in this chat.",
                        "example": {"body_text": [["Sundar Stores", "your order 4512"]]},
                    }
                ],
            }
        },
    )

    name: str = Field(min_length=1, max_length=512)
    language: str = Field(min_length=2, max_length=10, description="Meta's code.")
    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"]
    components: list[dict[str, Any]] = Field(min_length=1, max_length=4, description="As Meta takes them.")
    named: StrictBool = Field(default=False, description="Whether its variables have names, not numbers.")

    def wanted(self) -> Wanted:
        """Returns the value to submit."""
        return Wanted(self.name, self.language, Category(self.category), tuple(self.components), self.named)


class SubmissionBody(BaseModel):
    """Which templates of the packs to submit; null: all."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"names": ["call_handoff", "follow_up"]}})

    names: list[str] | None = Field(default=None, max_length=100)
    languages: list[str] | None = Field(default=None, max_length=100, examples=[["hi-IN", "en-IN"]])


class OutcomeView(BaseModel):
    """What became of one template of the packs."""

    name: str
    language: str = Field(description="BCP-47.", examples=["hi-IN"])
    state: Submitted = Field(description="`submitted` now, `exists` at Meta, or `refused`.")
    status: TemplateStatus | None = Field(description="Meta's verdict so far.")
    template_id: str | None
    reason: str | None = Field(description="Why it is not taken or not sendable, and what helps.")

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Returns the wire form."""
        template = outcome.template
        return cls(
            name=outcome.name,
            language=outcome.language,
            state=outcome.state,
            status=template.facts.status if template else None,
            template_id=template.template_id if template else None,
            reason=outcome.reason or None,
        )


class OutcomeList(BaseModel):
    """What became of each."""

    data: list[OutcomeView]


class PreviewBody(BaseModel):
    """Values to try."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"values": ["Sundar", "order"]}})

    values: list[str] = Field(max_length=50)


class ValueFault(BaseModel):
    """What is wrong with a value, and the cure."""

    pointer: str
    detail: str


class PreviewView(BaseModel):
    """What the customer would read; null where the values do not fit."""

    text: str | None
    faults: list[ValueFault]
    sendable: bool = Field(description="Whether it may leave at this moment with these values.")

    @classmethod
    def of(cls, template: Template, values: list[str]) -> Self:
        """Returns the preview of a template."""
        facts, faults = template.facts, value_faults(template.facts, values)
        approved = facts.status is TemplateStatus.APPROVED and unsendable(facts) is None
        return cls(
            text=None if faults else rendered(facts, values),
            faults=[ValueFault(pointer=f"/body{fault.pointer}", detail=fault.detail) for fault in faults],
            sendable=approved and not faults,
        )


class UseBody(BaseModel):
    """What serves a purpose, and what steps in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"template": "call_handoff", "alternates": ["handoff_friendly"]}},
    )

    template: str = Field(pattern=r"^[a-z0-9_]{1,512}$")
    alternates: list[Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$")]] = Field(default_factory=list, max_length=5)


class UseView(BaseModel):
    """A purpose of the packs, and the templates that serve it."""

    purpose: str = Field(examples=["call_handoff"])
    category: Category = Field(description="Only templates that Meta bills as this serve it.")
    template: str
    alternates: list[str] = Field(description="In order, while Meta does not let the ones before be sent.")

    @classmethod
    def of(cls, use: Use, category: str) -> Self:
        """Returns the wire form."""
        return cls(
            purpose=use.purpose,
            category=Category.read(category),
            template=use.template,
            alternates=list(use.alternates),
        )


class UseList(BaseModel):
    """Every purpose."""

    data: list[UseView]
