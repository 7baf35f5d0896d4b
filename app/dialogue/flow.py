"""The flows as data: typed shapes of `flows/*.yaml`, read once at start-up by the engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from app.dialogue.turn import ActionKind
from app.errors import ConfigError

FLOWS_DIR = Path(__file__).parent / "flows"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DigitsSlot(_Strict):
    """A number that the caller supplies, and the response keys that ask for it."""

    name: str
    fewest_digits: int = Field(ge=1)
    most_digits: int = Field(le=20)
    ask: tuple[str, ...] = Field(min_length=1)
    wrong_length: str
    confirm: str
    confirm_below: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> "DigitsSlot":
        if self.fewest_digits > self.most_digits:
            raise ValueError("fewest_digits is above most_digits")
        return self


class LookupFlow(_Strict):
    """Collects one number and answers from a tool."""

    kind: Literal["lookup"]
    name: str
    intents: tuple[str, ...] = Field(min_length=1)
    slot: DigitsSlot
    tool: str
    answers: Mapping[str, str] = Field(min_length=1)
    not_found: str
    not_found_limit: int = Field(ge=1)
    failed: str


class HandoffIntent(_Strict):
    """Why a person is wanted: what is said first, and the channel when the intent names it."""

    say: str | None = None
    channel: Literal["whatsapp", "phone"] | None = None


class HandoffChannel(_Strict):
    """Response keys of one way to reach a person."""

    say: str
    failed: str
    again: str


class HandoffOffer(_Strict):
    """The question that offers a person, per channel."""

    whatsapp: str
    phone: str


class HandoffFlow(_Strict):
    """Hands the conversation to a person."""

    kind: Literal["handoff"]
    name: str
    intents: Mapping[str, HandoffIntent] = Field(min_length=1)
    whatsapp: HandoffChannel
    phone: HandoffChannel
    nobody: str
    offer: HandoffOffer


class OptOutFlow(_Strict):
    """Stops all contact, with a fixed confirmation."""

    kind: Literal["opt_out"]
    name: str
    intents: tuple[str, ...] = Field(min_length=1)
    disclosure: str


class Courtesy(_Strict):
    """One sentence in answer to an intent."""

    say: tuple[str, ...] = ()
    disclosures: tuple[str, ...] = ()
    then: str | None = None
    action: ActionKind | None = None
    ask_again: bool = False
    only_idle: bool = False
    end: bool = False


class CourtesyFlow(_Strict):
    """Intents that need no flow of their own."""

    kind: Literal["courtesies"]
    name: str
    intents: Mapping[str, Courtesy] = Field(min_length=1)


_AnyFlow = Annotated[LookupFlow | HandoffFlow | OptOutFlow | CourtesyFlow, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[LookupFlow | HandoffFlow | OptOutFlow | CourtesyFlow] = TypeAdapter(_AnyFlow)


class Flows:
    """All flows, by the intents that start them."""

    def __init__(
        self, lookups: tuple[LookupFlow, ...], handoff: HandoffFlow, opt_out: OptOutFlow, courtesies: CourtesyFlow
    ) -> None:
        self.lookups = lookups
        self.handoff = handoff
        self.opt_out = opt_out
        self.courtesies = courtesies

    def lookup_for(self, intent: str) -> LookupFlow | None:
        """Returns the look-up flow that an intent starts, or None."""
        return next((flow for flow in self.lookups if intent in flow.intents), None)

    def lookup_named(self, name: str | None) -> LookupFlow | None:
        """Returns a look-up flow by name, or None."""
        return next((flow for flow in self.lookups if flow.name == name), None)

    @classmethod
    def load(cls, folder: Path = FLOWS_DIR) -> "Flows":
        """Reads and checks every `*.yaml` of a folder.

        Raises:
            ConfigError: A file is not a flow, an intent starts two flows, or a kind is missing; says where.
        """
        lookups: list[LookupFlow] = []
        single: dict[str, Any] = {}
        owners: dict[str, str] = {}
        for path in sorted(folder.glob("*.yaml")):
            try:
                flow = _ADAPTER.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
            except (yaml.YAMLError, ValidationError) as error:
                raise ConfigError(f"{path}: not a valid flow: {error}") from error
            for intent in flow.intents:
                if intent in owners:
                    raise ConfigError(f"{path}: intent {intent} already starts {owners[intent]}; remove it from one")
                owners[intent] = flow.name
            if isinstance(flow, LookupFlow):
                lookups.append(flow)
            elif flow.kind in single:
                raise ConfigError(f"{path}: a second flow of kind {flow.kind}; keep one")
            else:
                single[flow.kind] = flow
        for kind in ("handoff", "opt_out", "courtesies"):
            if kind not in single:
                raise ConfigError(f"{folder}: no flow of kind {kind}; add one")
        return cls(tuple(lookups), single["handoff"], single["opt_out"], single["courtesies"])
