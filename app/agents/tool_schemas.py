"""Tools and the verification of callers on the wire."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from app.agents.tools import DEFAULT_LIMIT_MS, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, ToolConfig
from app.dialogue.verification import ACCOUNT_TOOLS, Factor, VerificationPolicy


class ToolBody(BaseModel):
    """One tool. An empty object takes everything from the tool's contract, under the tenant's tool base URL."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(
        default=None,
        max_length=500,
        description="With {argument} places, on the origin given by PUT /v1/credentials/tools.",
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    timeout_ms: StrictInt = Field(
        default=DEFAULT_TIMEOUT_MS, ge=50, le=5_000, description="After this the caller hears that it is being checked."
    )
    limit_ms: StrictInt = Field(
        default=DEFAULT_LIMIT_MS, ge=100, le=7_000, description="After this it has failed, retries included."
    )
    retries: StrictInt = Field(
        default=DEFAULT_RETRIES, ge=0, le=5, description="Writes are repeated with the same key."
    )
    cache_seconds: StrictInt | None = Field(default=None, ge=0, le=3_600, description="How long a read may be kept.")
    restricted: StrictBool = Field(default=False, description="A person approves each write: see /v1/approvals.")
    headers: dict[str, str] = Field(default={}, max_length=20, description="Further headers; no secrets.")
    does: str | None = Field(default=None, max_length=200, description="Only for a tool of your own, as what follows.")
    write: StrictBool = Field(default=False, description="It changes something: sent once, with an Idempotency-Key.")
    account: StrictBool = Field(default=False, description="It gives account data.")
    input: dict[str, Any] | None = Field(default=None, description="JSON Schema (2020-12) of the arguments.")
    output: dict[str, Any] | None = Field(default=None, description="JSON Schema (2020-12) of the answer.")

    def config(self) -> ToolConfig:
        """Returns the value to keep."""
        return ToolConfig(**self.model_dump())

    @classmethod
    def of(cls, tool: ToolConfig) -> Self:
        """Returns the wire form."""
        return cls.model_validate({name: getattr(tool, name) for name in cls.model_fields})


class VerificationBody(BaseModel):
    """How callers prove who they are, beside the number they call from, before account data is spoken."""

    model_config = ConfigDict(extra="forbid")

    factors: list[Factor] = Field(default=[Factor.PIN], min_length=1, max_length=3)
    tries: StrictInt = Field(
        default=3, ge=1, le=5, description="Wrong answers, per call and per number until unlocked."
    )
    lock_minutes: StrictInt = Field(default=30, ge=1, le=1_440)
    tools: list[str] = Field(
        default=list(ACCOUNT_TOOLS), min_length=1, max_length=64, description="What verified callers alone may use."
    )

    def policy(self) -> VerificationPolicy:
        """Returns the value to keep."""
        return VerificationPolicy(
            factors=tuple(dict.fromkeys(self.factors)),
            tries=self.tries,
            lock_minutes=self.lock_minutes,
            tools=tuple(dict.fromkeys(self.tools)),
        )

    @classmethod
    def of(cls, policy: VerificationPolicy) -> Self:
        """Returns the wire form."""
        return cls(
            factors=list(policy.factors),
            tries=policy.tries,
            lock_minutes=policy.lock_minutes,
            tools=list(policy.tools),
        )
