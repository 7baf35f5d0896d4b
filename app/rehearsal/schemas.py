"""Rehearsals on the wire."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from app.agents.schemas import E164, LanguageTag
from app.dialogue.turn import Expectation, ToolResult
from app.dialogue.verification import FactorCheck
from app.nlu.phonetic import words_of
from app.nlu.understanding import Entity, IntentScore, Understanding
from app.rehearsal.service import CannedSystem, Turn


class Reading(BaseModel):
    """Another reading of the recogniser."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=1_000)
    confidence: float = Field(ge=0, le=1)


_TOP = 10
_MOST_INTENTS = 500


class UnderstandRequest(BaseModel):
    """Words to understand."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=1_000, examples=["mera order kahan hai"])
    language: LanguageTag | None = Field(default=None, description="Spoken so far; the agent's default if left out.")
    expectation: Expectation = Expectation.OPEN
    expected_digits: tuple[int, int] | None = Field(default=None, description="Fewest and most digits waited for.")
    alternatives: list[Reading] = Field(default=[], max_length=10)
    top: StrictInt = Field(
        default=_TOP, ge=1, le=_MOST_INTENTS, description="How many intents `ranking` shows at most."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.expected_digits is not None and not 1 <= self.expected_digits[0] <= self.expected_digits[1] <= 64:
            raise ValueError("expected_digits: give the fewest, then the most, 1 to 64")
        return self


class TokenView(BaseModel):
    """One word and its language, `und` where it is unknown."""

    text: str
    language: str


class LanguageEvidence(BaseModel):
    """Which language carries the words, and why."""

    matrix: str | None
    confidence: float
    requested: str | None
    tokens: list[TokenView]
    switch_points: list[int]
    evidence: list[str]


class EntityView(BaseModel):
    """A value in the words; `start` and `end` count characters of the text, None where it is written otherwise."""

    kind: str
    value: str
    resolved: str | None
    text: str
    start: int | None
    end: int | None
    confidence: float

    @classmethod
    def of(cls, entity: Entity, text: str) -> Self:
        """Returns the wire form."""
        start = text.lower().find(entity.text.lower())
        return cls(
            kind=entity.kind,
            value=entity.value,
            resolved=entity.resolved,
            text=entity.text,
            start=start if start >= 0 else None,
            end=start + len(entity.text) if start >= 0 else None,
            confidence=round(entity.confidence, 4),
        )


class IntentScoreView(BaseModel):
    """How likely one intent is, and what it needs."""

    intent: str
    chance: float = Field(description="Of the words alone; all intents together are 1.")
    weighed: float = Field(description="After weighing by what the agent waits for.")
    threshold: float = Field(description="The least that `weighed` must be for the intent to be taken.")
    reached: bool

    @classmethod
    def of(cls, score: IntentScore) -> Self:
        """Returns the wire form."""
        return cls(
            intent=score.intent,
            chance=round(score.chance, 4),
            weighed=round(score.weighed, 4),
            threshold=round(score.threshold, 4),
            reached=score.weighed >= score.threshold,
        )


class UnderstandingView(BaseModel):
    """What was understood, with the evidence."""

    text: str
    intent: str
    confidence: float
    decided_by: str = Field(description="The rule: classifier, below_threshold, stop_words, answer_awaited and alike.")
    also: list[str] = Field(description="Further matters named in the same breath.")
    scores: dict[str, float] = Field(description="The likeliest other intents.")
    ranking: list[IntentScoreView] = Field(description="The likeliest first; empty where no words were heard.")
    known_share: float = Field(description="Share of the words that is known; of mostly unknown words little is taken.")
    language: LanguageEvidence
    entities: list[EntityView]

    @classmethod
    def of(cls, found: Understanding, tokens: list[tuple[str, str]], top: int = _TOP) -> Self:
        """Returns the wire form with the `top` likeliest intents."""
        guess = found.language
        return cls(
            text=found.text,
            intent=found.intent,
            confidence=round(found.confidence, 4),
            decided_by=found.rule,
            also=list(found.also),
            scores={name: round(chance, 4) for name, chance in found.alternatives.items()},
            ranking=[IntentScoreView.of(score) for score in found.ranking[:top]],
            known_share=round(found.known_share, 4),
            language=LanguageEvidence(
                matrix=guess.matrix,
                confidence=round(guess.confidence, 4),
                requested=guess.requested,
                tokens=[TokenView(text=word, language=tag) for word, tag in tokens],
                switch_points=list(guess.switch_points),
                evidence=list(guess.evidence),
            ),
            entities=[EntityView.of(entity, found.text) for entity in found.entities],
        )


class CannedAnswer(BaseModel):
    """What a tool answers in a rehearsal."""

    model_config = ConfigDict(extra="forbid")

    ok: StrictBool = Field(default=True, description="False: the system is down.")
    found: StrictBool = True
    data: dict[str, Any] = Field(default={}, examples=[{"order_id": "4512", "status": "shipped"}])


class SimulateRequest(BaseModel):
    """One turn. Without a `state` the agent opens the conversation and `text` is not looked at."""

    model_config = ConfigDict(extra="forbid")

    state: str | None = Field(default=None, max_length=200_000, description="What the turn before returned.")
    text: str | None = Field(default=None, max_length=1_000, description="What the caller says; empty is silence.")
    digits: str | None = Field(default=None, pattern=r"^[0-9]{1,64}$", description="Keys pressed, in place of words.")
    language: LanguageTag | None = Field(default=None, description="To open in.")
    tools: Literal["canned", "real"] = Field(
        default="canned", description="`real` asks the tenant's systems, writes included; it needs agents:write."
    )
    answers: dict[str, CannedAnswer] = Field(default={}, description="By tool; a tool without one is down.")
    verification: FactorCheck = Field(default=FactorCheck.MATCHED, description="What comes of checking the caller.")
    caller_number: E164 | None = Field(default=None, description="Who calls, for real systems.")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.text is not None and self.digits is not None:
            raise ValueError("give text or digits, not both")
        return self

    def system(self) -> CannedSystem | None:
        """Returns the canned answers, None for the real systems."""
        if self.tools == "real":
            return None
        answers = {
            name: ToolResult(ok=a.ok, found=a.found and a.ok, data=a.data, error=None if a.ok else "canned failure")
            for name, a in self.answers.items()
        }
        return CannedSystem(answers, self.verification)


class SayView(BaseModel):
    """One sentence of the agent."""

    text: str
    language: str
    disclosure: str | None
    interruptible: bool


class ActionView(BaseModel):
    """What a call would have done; a rehearsal does not."""

    action: str
    reason: str


class AskedTool(BaseModel):
    """A tool that a canned system was asked."""

    tool: str
    arguments: dict[str, str]
    write: bool


class SimulateView(BaseModel):
    """The agent's turn."""

    understanding: UnderstandingView | None
    says: list[SayView]
    actions: list[ActionView]
    tools_asked: list[AskedTool]
    expectation: Expectation
    expected_digits: tuple[int, int] | None
    language: str
    ended: bool
    state: str = Field(description="Opaque; give it with the next turn.")

    @classmethod
    def of(cls, turn: Turn) -> Self:
        """Returns the wire form."""
        found = turn.understanding
        tokens: list[tuple[str, str]] = []
        if found is not None and len(words := words_of(found.text)) == len(found.language.token_tags):
            tokens = list(zip(words, found.language.token_tags, strict=True))
        return cls(
            understanding=UnderstandingView.of(found, tokens) if found is not None else None,
            says=[
                SayView(text=s.text, language=s.language, disclosure=s.disclosure, interruptible=s.interruptible)
                for s in turn.reply.says
            ],
            actions=[ActionView(action=action.kind.value, reason=action.reason) for action in turn.reply.actions],
            tools_asked=[AskedTool(**asked) for asked in turn.asked],
            expectation=turn.reply.expectation,
            expected_digits=turn.reply.expected_digits,
            language=turn.state.language,
            ended=turn.state.ended,
            state=turn.token,
        )
