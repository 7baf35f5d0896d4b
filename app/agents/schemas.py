"""Agents on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from app.agents.escalation_schemas import EscalationBody
from app.agents.models import Agent
from app.agents.tool_schemas import ToolBody, VerificationBody
from app.agents.vocabulary import MOST_PHRASES, phrase, phrases
from app.dialogue.hours_schemas import HoursBody

E164 = Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$", examples=["+918012345678"])]
LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$", examples=["hi-IN"])]

FlowSetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,47}$", examples=["diwali"])]


class AgentCreate(BaseModel):
    """A new agent."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, examples=["Support line"])
    entity_name: str = Field(min_length=1, max_length=100, examples=["Sundar Stores"])
    languages: list[LanguageTag] = Field(min_length=1, max_length=20, examples=[["hi-IN", "en-IN"]])
    default_language: LanguageTag
    purpose: str = Field(default="support", min_length=1, max_length=100)
    handoff: Literal["whatsapp", "phone"] = "whatsapp"
    transfer_number: E164 | None = None
    tools: dict[str, ToolBody | None] = Field(
        default={},
        max_length=64,
        description="By name, all of them; null leaves one out.",
        examples=[{"order_status": {}}],
    )
    verification: VerificationBody | None = None
    escalation: EscalationBody = EscalationBody()
    hours: HoursBody = HoursBody()
    flow_set: FlowSetName | None = Field(default=None, description="Own flows of the tenant; null: the shipped ones.")
    recording: StrictBool = True
    vocabulary: list[Annotated[str, AfterValidator(phrase)]] = Field(
        default=[],
        max_length=MOST_PHRASES,
        description="Words that callers of this business use and formats of its numbers, `#` for a digit; the "
        "recogniser leans towards them.",
        examples=[["Zenfone", "Kanchipuram", "AB-####"]],
    )

    second_opinion: StrictBool = Field(
        default=False,
        description="Asks the tenant's language model (PUT /v1/credentials/llm) about words that are not understood.",
    )
    replay_first: StrictBool = Field(
        default=False, description="Own intents go live only after a replay of past calls that passed."
    )
    asks_whatsapp: StrictBool = Field(
        default=False,
        description="Before goodbye, asks a caller who was never asked whether the business may write on WhatsApp.",
        examples=[True],
    )

    def values(self) -> dict[str, Any]:
        """Returns the fields of `Agent` that are set."""
        values = self.model_dump(exclude={"tools", "verification", "escalation", "hours"}, exclude_unset=True)
        if "languages" in values:
            values["languages"] = tuple(dict.fromkeys(values["languages"]))
        if "vocabulary" in values:
            values["vocabulary"] = phrases(values["vocabulary"])
        if "tools" in self.model_fields_set:
            values["tools"] = {name: tool.config() for name, tool in self.tools.items() if tool is not None}
        if "verification" in self.model_fields_set:
            values["verification"] = self.verification.policy() if self.verification is not None else None
        if "escalation" in self.model_fields_set:
            values["escalation"] = self.escalation.policy()
        if "hours" in self.model_fields_set:
            values["hours"] = self.hours.hours()
        return values


class AgentPatch(AgentCreate):
    """Changes to an agent: only the fields that are named."""

    name: str = Field(default="", min_length=1, max_length=100)
    entity_name: str = Field(default="", min_length=1, max_length=100)
    languages: list[LanguageTag] = Field(default=[], min_length=1, max_length=20)
    default_language: LanguageTag = ""


class AgentView(BaseModel):
    """An agent."""

    id: str = Field(examples=["agent_01k4n5c9t2v8x7q6m3b1a0zdef"])
    name: str
    entity_name: str
    languages: list[str]
    default_language: str
    purpose: str
    handoff: Literal["whatsapp", "phone"]
    transfer_number: str | None
    tools: dict[str, ToolBody]
    verification: VerificationBody | None
    escalation: EscalationBody
    hours: HoursBody
    flow_set: str | None
    recording: bool
    vocabulary: list[str]
    second_opinion: bool
    replay_first: bool
    asks_whatsapp: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, agent: Agent) -> Self:
        """Returns the wire form."""
        return cls(
            id=agent.agent_id,
            name=agent.name,
            entity_name=agent.entity_name,
            languages=list(agent.languages),
            default_language=agent.default_language,
            purpose=agent.purpose,
            handoff=agent.handoff,
            transfer_number=agent.transfer_number,
            tools={name: ToolBody.of(tool) for name, tool in agent.tools.items()},
            verification=VerificationBody.of(agent.verification) if agent.verification is not None else None,
            escalation=EscalationBody.of(agent.escalation),
            hours=HoursBody.of(agent.hours),
            flow_set=agent.flow_set,
            recording=agent.recording,
            vocabulary=list(agent.vocabulary),
            second_opinion=agent.second_opinion,
            replay_first=agent.replay_first,
            asks_whatsapp=agent.asks_whatsapp,
            created_at=agent.created_at,
            updated_at=agent.updated_at,
        )
