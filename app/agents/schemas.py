"""Agents and numbers on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.agents.models import Agent, OrderStatusTool, PhoneNumber

E164 = Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$", examples=["+918012345678"])]
LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$", examples=["hi-IN"])]


def _tool_url(url: str) -> str:
    try:
        parsed = httpx.URL(url.replace("{order_id}", "0"))
    except httpx.InvalidURL as error:
        raise ValueError(f"is no URL: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
        raise ValueError("must be an http(s) URL without a user name")
    if url.count("{") != 1 or url.count("}") != 1 or "{order_id}" not in url:
        raise ValueError("must hold {order_id} once, and no other braces")
    return url


class OrderStatusConfig(BaseModel):
    """The order look-up. Without a `url` it is `<tools base_url>/orders/{order_id}`."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=500), AfterValidator(_tool_url)] | None = Field(
        default=None, description="On the origin given by PUT /v1/credentials/tools."
    )


class ToolsConfig(BaseModel):
    """What the agent may look up."""

    model_config = ConfigDict(extra="forbid")

    order_status: OrderStatusConfig | None = None


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
    tools: ToolsConfig = ToolsConfig()
    recording: bool = True

    def values(self) -> dict[str, Any]:
        """Returns the fields of `Agent` that are set."""
        values = self.model_dump(exclude={"tools"}, exclude_unset=True)
        if "languages" in values:
            values["languages"] = tuple(dict.fromkeys(values["languages"]))
        if "tools" in self.model_fields_set:
            tool = self.tools.order_status
            values["order_status"] = OrderStatusTool(tool.url) if tool is not None else None
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
    tools: ToolsConfig
    recording: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, agent: Agent) -> Self:
        """Returns the wire form."""
        tool = agent.order_status
        return cls(
            id=agent.agent_id,
            name=agent.name,
            entity_name=agent.entity_name,
            languages=list(agent.languages),
            default_language=agent.default_language,
            purpose=agent.purpose,
            handoff=agent.handoff,
            transfer_number=agent.transfer_number,
            tools=ToolsConfig(order_status=OrderStatusConfig(url=tool.url) if tool is not None else None),
            recording=agent.recording,
            created_at=agent.created_at,
            updated_at=agent.updated_at,
        )


class PhoneNumberCreate(BaseModel):
    """A number and the agent that answers it."""

    model_config = ConfigDict(extra="forbid")

    number: E164
    agent_id: str = Field(max_length=64)


class PhoneNumberPatch(BaseModel):
    """Another agent for a number."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str = Field(max_length=64)


class PhoneNumberView(BaseModel):
    """A number."""

    id: str = Field(examples=["num_01k4n5c9t2v8x7q6m3b1a0zdef"])
    number: str
    agent_id: str
    created_at: datetime

    @classmethod
    def of(cls, entry: PhoneNumber) -> Self:
        """Returns the wire form."""
        return cls(id=entry.number_id, number=entry.number, agent_id=entry.agent_id, created_at=entry.created_at)
