"""When and how an agent brings a person in, on the wire."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from app.dialogue.escalation import EscalationPolicy, Target


class EscalationBody(BaseModel):
    """When a person takes over. A caller who asks for one gets one whatever this says; 0 or null switch a rule off."""

    model_config = ConfigDict(extra="forbid")

    low_confidence: StrictInt = Field(
        default=2, ge=0, le=10, description="After how many turns not understood in a row a person is offered."
    )
    low_confidence_below: StrictFloat = Field(
        default=0.35, ge=0, le=1, description="Under which confidence an intent is not understood."
    )
    repeated_failure: StrictInt = Field(default=3, ge=2, le=5, description="After how many turns that led nowhere.")
    sentiment: StrictFloat = Field(default=1.0, ge=0, le=2, description="At which anger in words and voice.")
    prosody: StrictBool = Field(default=True, description="Whether the voice counts beside the words.")
    refund_over: StrictInt | None = Field(default=25_000, ge=0, description="Rupees; a refund or payment above it.")
    buying_intent: StrictInt = Field(default=2, ge=0, le=4, description="After how many signs of a wish to buy.")
    budget_over: StrictInt | None = Field(
        default=100_000, ge=0, description="Rupees; a budget from which one sign is enough."
    )
    billing: StrictBool = True
    legal: StrictBool = True
    fraud: StrictBool = True
    medical: StrictBool = True
    security: StrictBool = True
    age: StrictBool = Field(default=True, description="Callers under 18 (rule IN-15).")
    policy_edge: StrictBool = Field(
        default=False, description="Hand over what is restricted, instead of asking for approval."
    )
    system_down: StrictBool = Field(default=True, description="Offer a person when the tenant's system fails.")
    targets: list[Target] = Field(
        default=[], max_length=4, description="In which order a person is reached; empty: `handoff` first."
    )

    def policy(self) -> EscalationPolicy:
        """Returns the value that the dialogue reads."""
        return EscalationPolicy.of({**self.model_dump(), "targets": list(dict.fromkeys(self.targets))})

    @classmethod
    def of(cls, policy: EscalationPolicy) -> Self:
        """Returns the wire form."""
        return cls.model_validate(policy.to_json())
