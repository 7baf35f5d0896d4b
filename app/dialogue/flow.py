"""The flows as data: typed shapes of `flows/*.yaml`; read by `flow_source`, run by the desks of this room."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from app.dialogue.escalation import Trigger
from app.dialogue.turn import ActionKind

SlotType = Literal["digits", "date", "time", "amount", "quantity", "item", "city", "text", "yes_no"]
FactType = Literal["digits", "date", "time", "amount", "quantity", "city", "text"]
ANY_ANSWER = "*"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Slot(_Strict):
    """One value that a frame collects.

    Attributes:
        name: The tool's argument, and the `{slot}` of sentences.
        type: What counts as a value.
        ask: Response keys, the first first; a rung further after each try. Empty: taken when said, never asked for.
        short: Asked in few words: after a digression, or when the question was not heard to its end.
        optional: Asked once; a caller who has no answer goes on without.
        carry: Whether the value of the matter before stands, so that it is not asked for twice.
        entity: Kind of entity that fills it; its own name or type when not given.
        free: Whether whatever is said is the answer, another matter's words included.
        opening_words: From how many words on the caller's first sentence is itself the answer; 0: never.
        fewest_digits: Of type digits.
        most_digits: Of type digits.
        wrong: Said of a value that cannot be right, with it as `{digits}` or `{date}`.
        confirm: Says a doubtful number back, as `{digits}`.
        confirm_below: Recogniser confidence under which a number is doubtful.
    """

    name: str = Field(pattern=r"^[a-z][a-z_]*$")
    type: SlotType
    ask: tuple[str, ...] = ()
    short: str | None = None
    optional: bool = False
    carry: bool = False
    entity: str | None = None
    free: bool = False
    opening_words: int = Field(default=0, ge=0)
    fewest_digits: int = Field(default=1, ge=1)
    most_digits: int = Field(default=20, le=20)
    wrong: str | None = None
    confirm: str | None = None
    confirm_below: float = Field(default=0.6, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> "Slot":
        if self.fewest_digits > self.most_digits:
            raise ValueError("fewest_digits is above most_digits")
        if self.short and not self.ask:
            raise ValueError("short without ask: give the question in full too")
        return self

    @property
    def entities(self) -> tuple[str, ...]:
        """Kinds of entity that fill the slot, best first."""
        if self.entity is not None:
            return (self.entity,)
        own = self.type if self.type != "text" else self.name
        return (own, "number") if self.type in ("amount", "quantity") else (own,)


class FrameFlow(_Strict):
    """Collects slots, confirms, calls a tool, answers by what it said.

    Attributes:
        intents: What starts it.
        bare_number: Whether a number that comes unasked starts it.
        before: Said at its beginning.
        slots: In the order asked.
        confirm: Reads the frame back and asks for a yes; required for a write.
        tool: Called with the slots; None: the frame only collects.
        write: Whether the tool changes something; the tool's contract says the same.
        by: The field of the tool's answer that picks the sentence.
        answers: Value of that field -> response key; `*` is any other.
        retry: Value -> slots that are asked for again, or taken from the answer where it names them, and confirmed.
        facts: Fields of the answer that are spoken, and how.
        not_found: Said when the system knows no such thing.
        not_found_limit: How often until a person is offered.
        failed: Said when the system did not answer.
        approval: Said when a person must approve first.
        unsettled: Said when it is not known yet whether a write was done.
        without_tool: What an agent that lacks the tool does.
        done: What follows the answer.
        farewell: Said before an end.
        sentences: The flow's own responses: key -> language -> variants. They go before the packs'.
    """

    kind: Literal["frame"]
    name: str
    intents: tuple[str, ...] = Field(min_length=1)
    bare_number: bool = False
    before: str | None = None
    slots: tuple[Slot, ...] = ()
    confirm: str | None = None
    tool: str | None = None
    write: bool = False
    by: str = "status"
    answers: Mapping[str, str] = Field(default_factory=dict)
    retry: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    facts: Mapping[str, FactType] = Field(default_factory=dict)
    not_found: str | None = None
    not_found_limit: int = Field(default=2, ge=1)
    failed: str = "system_not_answering"
    approval: str = "approval_pending"
    unsettled: str = "write_unsettled"
    without_tool: Literal["offer_person", "hand_over", "record"] = "offer_person"
    done: Literal["more", "end", "person"] = "more"
    farewell: str | None = None
    sentences: Mapping[str, Mapping[str, tuple[str, ...]]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sound(self) -> "FrameFlow":
        if self.write and self.confirm is None:
            raise ValueError("a write needs `confirm`: nothing is changed without a yes")
        if self.tool is None and (self.write or self.answers):
            raise ValueError("answers and write belong to a tool: name it as `tool`")
        if self.tool is not None and not self.answers:
            raise ValueError("a tool needs `answers`")
        names = {slot.name for slot in self.slots}
        for value, again in self.retry.items():
            if value not in self.answers or not names.issuperset(again):
                raise ValueError(f"retry.{value}: name an answer, and slots of this flow")
        if self.tool is None and self.done == "more":
            raise ValueError("a frame without a tool must lead somewhere: set `done` to person or end")
        return self

    def slot(self, name: str | None) -> Slot | None:
        """Returns a slot by name, or None."""
        return next((slot for slot in self.slots if slot.name == name), None)

    @property
    def number(self) -> Slot | None:
        """The flow's slot of digits, or None."""
        return next((slot for slot in self.slots if slot.type == "digits"), None)

    def keys(self) -> Iterator[str]:
        """Yields every response key that the flow speaks."""
        single = (
            self.before, self.confirm, self.not_found, self.farewell, self.failed, self.approval, self.unsettled,
            *(key for slot in self.slots for key in (slot.short, slot.wrong, slot.confirm)),
        )  # fmt: skip
        yield from (key for key in single if key is not None)
        yield from self.answers.values()
        for slot in self.slots:
            yield from slot.ask


class HandoffIntent(_Strict):
    """Why a person is wanted: what is said first, the channel when the intent names one, the policy's trigger."""

    say: str | None = None
    channel: Literal["whatsapp", "phone"] | None = None
    trigger: Trigger = Trigger.EXPLICIT_REQUEST


class HandoffChannel(_Strict):
    """Response keys of one way to reach a person."""

    say: str
    failed: str
    again: str


class HandoffOffer(_Strict):
    """The question that offers a person, per channel."""

    whatsapp: str
    phone: str
    callback: str
    ticket: str


class HandoffFlow(_Strict):
    """Hands the conversation to a person."""

    kind: Literal["handoff"]
    name: str
    intents: Mapping[str, HandoffIntent] = Field(min_length=1)
    whatsapp: HandoffChannel
    phone: HandoffChannel
    callback: HandoffChannel
    ticket: HandoffChannel
    closed: str
    nobody: str
    offer: HandoffOffer

    def keys(self) -> Iterator[str]:
        """Yields every response key that the flow speaks."""
        for channel in (self.whatsapp, self.phone, self.callback, self.ticket):
            yield from (channel.say, channel.failed, channel.again)
        yield from (self.closed, self.nobody)
        yield from (self.offer.whatsapp, self.offer.phone, self.offer.callback, self.offer.ticket)
        yield from (wanted.say for wanted in self.intents.values() if wanted.say is not None)


class OptOutFlow(_Strict):
    """Stops all contact, with a fixed confirmation."""

    kind: Literal["opt_out"]
    name: str
    intents: tuple[str, ...] = Field(min_length=1)
    disclosure: str

    def keys(self) -> Iterator[str]:
        """Yields nothing: what it says is a disclosure."""
        yield from ()


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

    def keys(self) -> Iterator[str]:
        """Yields every response key that the flow speaks."""
        for courtesy in self.intents.values():
            yield from courtesy.say
            if courtesy.then is not None:
                yield courtesy.then


Flow = FrameFlow | HandoffFlow | OptOutFlow | CourtesyFlow
ADAPTER: TypeAdapter[Flow] = TypeAdapter(Annotated[Flow, Field(discriminator="kind")])


class Flows:
    """All flows of one version, by the intents that start them."""

    def __init__(
        self,
        frames: Iterable[FrameFlow],
        handoff: HandoffFlow,
        opt_out: OptOutFlow,
        courtesies: CourtesyFlow,
        version: str = "default",
    ) -> None:
        self.version = version
        self.frames = tuple(frames)
        self.handoff = handoff
        self.opt_out = opt_out
        self.courtesies = courtesies
        self._by_intent = {intent: flow for flow in self.frames for intent in flow.intents}
        self._by_name = {flow.name: flow for flow in self.frames}
        self._sentences = {
            (key, tag): variants
            for flow in self.frames
            for key, by_tag in flow.sentences.items()
            for tag, variants in by_tag.items()
        }

    def frame_for(self, intent: str | None) -> FrameFlow | None:
        """Returns the frame that an intent starts, or None."""
        return self._by_intent.get(intent or "")

    def frame_named(self, name: str | None) -> FrameFlow | None:
        """Returns a frame by name, or None."""
        return self._by_name.get(name or "")

    def sentences(self, key: str, language: str) -> tuple[str, ...] | None:
        """Returns the flows' own variants of a response, or None where the pack's hold."""
        return self._sentences.get((key, language))

    def lacks(self, languages: Iterable[str]) -> set[str]:
        """Returns the languages, of those given, in which a sentence of the flows' own is missing."""
        own = {key for key, _ in self._sentences}
        return {tag for tag in languages for key in own if (key, tag) not in self._sentences}
