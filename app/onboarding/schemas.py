"""The check-list of onboarding and an agent's state on the wire."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from app.agents.lifecycle import AgentState, Standing
from app.agents.schemas import E164
from app.auth.schemas import LanguageTag
from app.onboarding.readiness import AgentReadiness, Gap, Progress, Step


class GapView(BaseModel):
    """One thing that is missing."""

    code: str = Field(examples=["plivo_missing"])
    detail: str = Field(examples=["the Plivo account is not known"])
    cure: str = Field(examples=["PUT /v1/credentials/plivo"])
    link: str = Field(description="The resource whose change cures it.", examples=["/v1/credentials/plivo"])

    @classmethod
    def of(cls, gap: Gap) -> Self:
        """Returns the wire form."""
        return cls(code=gap.code, detail=gap.detail, cure=gap.cure, link=gap.link)


class StepView(BaseModel):
    """One step of onboarding."""

    name: str = Field(examples=["plivo"])
    done: bool
    required: bool = Field(description="Whether any agent as it is configured needs this step.")
    missing: list[GapView]

    @classmethod
    def of(cls, step: Step) -> Self:
        """Returns the wire form."""
        missing = [GapView.of(gap) for gap in step.missing]
        return cls(name=step.name, done=step.done, required=step.required, missing=missing)


class AgentStateView(BaseModel):
    """Whether an agent answers whoever rings."""

    agent_id: str = Field(examples=["agent_01k4n5c9t2v8x7q6m3b1a0zdef"])
    state: AgentState
    changed_at: datetime | None
    changed_by: str | None
    missing: list[GapView] = Field(description="What keeps the agent from going live.")

    @classmethod
    def of(cls, agent_id: str, standing: Standing, missing: tuple[Gap, ...] = ()) -> Self:
        """Returns the wire form."""
        return cls(
            agent_id=agent_id,
            state=standing.state,
            changed_at=standing.changed_at,
            changed_by=standing.changed_by,
            missing=[GapView.of(gap) for gap in missing],
        )


class OnboardingView(BaseModel):
    """What is done and what is missing."""

    complete: bool = Field(description="Every required step is done: an agent answers.")
    steps: list[StepView]
    agents: list[AgentStateView] = Field(description="The newest hundred.")

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Returns the wire form."""
        return cls(
            complete=all(step.done for step in progress.steps if step.required),
            steps=[StepView.of(step) for step in progress.steps],
            agents=[_agent(ready) for ready in progress.agents],
        )


def _agent(ready: AgentReadiness) -> AgentStateView:
    return AgentStateView.of(ready.agent.agent_id, ready.standing, ready.missing)


class TestCallCreate(BaseModel):
    """Who will ring to try the agent."""

    __test__ = False
    model_config = ConfigDict(extra="forbid")

    from_number: E164 = Field(examples=["+919812345678"])


class TestRingCreate(BaseModel):
    """Whom the agent is to ring for a test."""

    __test__ = False
    model_config = ConfigDict(extra="forbid")

    to_number: E164 = Field(description="A phone from which the agent was tried.", examples=["+919812345678"])
    language: LanguageTag | None = Field(default=None, description="Of the opening; null: the agent's default.")


class TestCallView(BaseModel):
    """Which number to ring, and until when the agent takes the call."""

    __test__ = False
    ring: list[str] = Field(description="Numbers of the agent.", examples=[["+918012345678"]])
    expires_at: datetime
