"""What the doors of consents, preference scrubs and the operator's do-not-call list take and show."""

import re
from datetime import UTC, datetime, time
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from app.compliance.calling_rules import Hours
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.compliance.schemas import E164
from app.compliance.scrubs import Preference, Scrub


def _in_this_age(moment: datetime) -> datetime:
    if not 2000 <= moment.year < 2200:
        raise ValueError("must lie between the years 2000 and 2200")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_this_age)]
"""An aware time that no sum of days carries out of the calendar."""

Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["10:00"])]
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ConsentCreate(BaseModel):
    """What a person agreed to or withdrew, and how that is known."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "phone": "+919812345678",
                "channel": "call",
                "purpose": "service",
                "decision": "granted",
                "source": "web",
                "artefact_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "given_at": "2026-11-02T10:00:00Z",
            }
        },
    )

    phone: str = Field(pattern=E164, description="E.164.")
    channel: ConsentChannel
    purpose: Purpose
    decision: Decision
    source: Literal["dca", "web", "voice", "paper"] = Field(description="Where it was given or withdrawn.")
    artefact_sha256: str | None = Field(
        default=None, pattern=_SHA256.pattern, description="Of the form, recording or page; a grant needs it."
    )
    given_at: Moment = Field(description="When the person decided.")
    expires_at: Moment | None = None
    wording: str | None = Field(default=None, max_length=1_000, description="What the person was asked.")
    language: str | None = Field(default=None, max_length=35, examples=["hi-IN"])

    @model_validator(mode="after")
    def _is_evident(self) -> Self:
        if self.decision is Decision.GRANTED and self.artefact_sha256 is None:
            raise ValueError("a grant needs artefact_sha256: the hash of its evidence")
        return self


class Band(BaseModel):
    """Hours of the day, local time."""

    model_config = ConfigDict(extra="forbid")

    opens: Clock
    closes: Clock

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.closes <= self.opens:
            raise ValueError("closes must be later than opens")
        return self


class ScrubResult(BaseModel):
    """What the national list says of one number, for the tenant's category and calls by machine."""

    model_config = ConfigDict(extra="forbid")

    phone: str = Field(pattern=E164, description="E.164.")
    preference: Preference = Field(description="`blocked` yields to explicit consent, `fully_blocked` to nothing.")
    bands: list[Band] = Field(default=[], max_length=12, description="Hours the person allows; empty: all.")
    days: list[Day] = Field(default=[], max_length=7, description="Days the person allows; empty: all.")


class ScrubImport(BaseModel):
    """The result of one scrub."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "source": "Airtel DLT",
                "reference": "scrub-2026-11-21-0007",
                "scrubbed_at": "2026-11-21T04:30:00Z",
                "results": [{"phone": "+919812345678", "preference": "clear"}],
            }
        },
    )

    source: str = Field(min_length=2, max_length=100, description="Who asked the list.")
    reference: str = Field(min_length=1, max_length=100, description="The scrub's own id: the evidence.")
    scrubbed_at: Moment
    results: list[ScrubResult] = Field(min_length=1, max_length=1_000)

    def scrubs(self) -> list[Scrub]:
        """Returns the results as values."""
        return [
            Scrub(
                result.phone,
                result.preference,
                self.scrubbed_at.astimezone(UTC),
                self.reference,
                tuple(Hours(time.fromisoformat(band.opens), time.fromisoformat(band.closes)) for band in result.bands),
                frozenset(_DAYS.index(day) for day in result.days),
            )
            for result in self.results
        ]


class ScrubImported(BaseModel):
    """What came of an import."""

    stored: int = Field(description="Results that were newer than what was known.")


class ScrubView(BaseModel):
    """The newest result for a number."""

    phone: str
    preference: Preference
    scrubbed_at: datetime
    reference: str
    bands: list[Band]
    days: list[Day]

    @classmethod
    def of(cls, scrub: Scrub) -> Self:
        """Returns the view of a result."""
        return cls.model_validate(
            {
                "phone": scrub.phone,
                "preference": scrub.preference,
                "scrubbed_at": scrub.scrubbed_at,
                "reference": scrub.reference,
                "bands": [{"opens": f"{b.opens:%H:%M}", "closes": f"{b.closes:%H:%M}"} for b in scrub.bands],
                "days": [_DAYS[day] for day in sorted(scrub.days)],
            }
        )
