"""Scenario files: what a simulated caller says and does, and what must be heard, done and stored by the end."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.errors import ConfigError, FieldError

SHIPPED: Final = Path(__file__).with_name("scenarios")

WaitFor = Literal["agent_done", "agent_speaking", "call_ended", "nothing"]
Tag = str
"""A BCP-47 tag; `voices` says which are known to the scenario."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Span(_Part):
    """A stretch of speech in one language, or a pause between two."""

    text: str = Field(default="", max_length=500)
    language: Tag | None = Field(default=None, description="None: the scenario's own")
    pause_ms: int = Field(default=0, ge=0, le=10_000, description="Silence after the words")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.text.strip() and not self.pause_ms:
            raise ValueError("a span needs text or pause_ms")
        return self


class Say(_Part):
    """Words that espeak voices. Code-switching is plain text (Latin words are read as English) or `spans`, joined."""

    text: str | None = Field(default=None, min_length=1, max_length=1_000)
    spans: tuple[Span, ...] = Field(default=(), max_length=20)
    language: Tag | None = None
    voice: str | None = Field(default=None, description="An espeak voice; None: the scenario's for the language")
    rate: int = Field(default=150, ge=80, le=350, description="Words per minute")
    pitch: int = Field(default=50, ge=0, le=100)
    gain: float = Field(default=1.0, gt=0.0, le=1.4)

    @model_validator(mode="before")
    @classmethod
    def _plain_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.text is None) == (not self.spans):
            raise ValueError("give either text or spans")
        return self

    @property
    def words(self) -> str:
        """What is said, as one line."""
        return self.text or " ".join(span.text for span in self.spans if span.text)


class Step(_Part):
    """One thing the caller does, and what it waits for first."""

    say: Say | None = None
    again: Say | None = Field(default=None, description="How it is said when the agent asks again; None: slower")
    wav: Path | None = Field(default=None, description="8 kHz mono, 16-bit or mu-law; relative to the scenario file")
    press: str | None = Field(default=None, pattern=r"^[0-9*#A-D]{1,32}$")
    hang_up: bool = False
    wait_for: WaitFor = "agent_done"
    interrupt_after_ms: int | None = Field(default=None, ge=0, le=60_000, description="After the agent began to speak")
    pause_ms: int = Field(default=0, ge=0, le=60_000, description="On top of the human reaction time")
    hang_up_after_ms: int | None = Field(default=None, ge=0, le=60_000, description="Hang up that long into the words")
    answered: bool = Field(
        default=True, description="False: nothing to answer, such as an 'mm' or a pause's first half"
    )

    @model_validator(mode="after")
    def _one_act(self) -> Self:
        acts = [name for name in ("say", "wav", "press") if getattr(self, name) is not None]
        if self.hang_up:
            acts.append("hang_up")
        if len(acts) > 1:
            raise ValueError(f"a step does one thing, not {' and '.join(acts)}; make it {len(acts)} steps")
        if not acts and self.wait_for == "agent_done" and not self.pause_ms:
            raise ValueError("a step needs say, wav, press, hang_up, wait_for or pause_ms")
        if self.again is not None and self.say is None:
            raise ValueError("again needs say")
        if self.hang_up_after_ms is not None and self.say is None and self.wav is None:
            raise ValueError("hang_up_after_ms needs say or wav")
        if self.interrupt_after_ms is not None and self.wait_for != "agent_done":
            raise ValueError("interrupt_after_ms says when to act; leave wait_for out")
        return self


class Reply(_Part):
    """How the caller answers a question that may or may not come, such as "did I hear 4512?"."""

    when: str = Field(description="A regular expression over the agent's last words")
    say: Say | None = None
    repeat: bool = Field(default=False, description="Says the words of the last step over again")
    after_step: int = Field(default=0, ge=0, description="Only once this step was taken; steps count from 0")
    at_most: int = Field(default=2, ge=1, le=10)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.say is None) != self.repeat:
            raise ValueError("a reply has say or repeat: true")
        return self

    @field_validator("when")
    @classmethod
    def _compiles(cls, value: str) -> str:
        return _checked_pattern(value)


class Noise(_Part):
    """Steady noise under the whole call, `snr_db` below the caller's own voice."""

    snr_db: float = Field(ge=-5, le=60)


class Line(_Part):
    """How bad the caller's connection is."""

    loss: float = Field(default=0.0, ge=0.0, le=0.5)
    jitter_ms: float = Field(default=0.0, ge=0.0, le=500.0)


class WhatsAppExpected(_Part):
    """The message that must have reached the caller's phone."""

    template: str
    language: str


class Expect(_Part):
    """What must be true afterwards, by the server's own REST interface and the phone at the Graph API."""

    heard: tuple[str, ...] = Field(default=(), description="Regular expressions over what the agent said")
    not_heard: tuple[str, ...] = ()
    disclosures: tuple[str, ...] = Field(default=(), description="In this order")
    caller_languages: tuple[Tag, ...] = Field(default=(), description="Each one recognised in some turn")
    agent_languages: tuple[Tag, ...] = Field(default=(), description="In this order, repetitions left out")
    intents: tuple[str, ...] = Field(default=(), description="In this order among the caller's turns")
    entities: dict[str, str] = Field(default_factory=dict)
    events: tuple[str, ...] = Field(default=(), description="Kinds of event that must be stored")
    no_events: tuple[str, ...] = ()
    actions: tuple[str, ...] = Field(default=(), description="What the agent must have done, such as opt_out")
    whatsapp: WhatsAppExpected | None = None
    suppressed: bool = False
    ended_by: Literal["caller", "agent"] | None = None
    longest_seconds: float | None = Field(default=None, gt=0)

    @field_validator("heard", "not_heard")
    @classmethod
    def _compile(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_checked_pattern(pattern) for pattern in value)


class Scenario(_Part):
    """One simulated caller."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    summary: str = Field(min_length=1, max_length=300)
    language: Tag
    voices: dict[Tag, str] = Field(min_length=1, description="BCP-47 tag -> espeak voice with variant")
    from_number: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$")
    new_caller: bool = Field(default=False, description="Rings from another number each time, as one never heard of")
    dials: Tag | None = Field(default=None, description="Which language's line is rung; None: the caller's own")
    steps: tuple[Step, ...] = Field(min_length=1, max_length=50)
    replies: tuple[Reply, ...] = Field(default=(), max_length=20)
    noise: Noise | None = None
    line: Line = Line()
    patience_seconds: float = Field(default=12.0, gt=0, le=60, description="Longest wait for the agent to speak")
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _voices_for_all(self) -> Self:
        every = [part for step in self.steps for part in (step.say, step.again)]
        says = [say for say in (*every, *(reply.say for reply in self.replies)) if say is not None]
        used = {self.language}
        for say in says:
            used |= {say.language or self.language} | {span.language for span in say.spans if span.language}
        missing = sorted(used - self.voices.keys())
        if missing:
            raise ValueError(f"voices has no entry for {', '.join(missing)}; add one, such as {missing[0]}: xx+m5")
        return self


def load(path: Path) -> Scenario:
    """Reads a scenario file.

    Raises:
        ConfigError: The file cannot be read or is wrong; the text names file, line, place and cure.
    """
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; `vaanisetu call --list` names the shipped scenarios") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        fields = [FieldError("/" + "/".join(map(str, p["loc"])), p["msg"]) for p in problems]
        lines = [f"{path}:{_line(node, p['loc'])}: {_place(p['loc'])}: {_cure(p)}" for p in problems]
        raise ConfigError("\n".join(lines), errors=fields) from error


def find(name_or_path: str) -> Path:
    """Returns the file of a shipped scenario by name, or the path itself.

    Raises:
        ConfigError: Neither a shipped scenario nor a file.
    """
    shipped = SHIPPED / f"{name_or_path}.yaml"
    if shipped.is_file():
        return shipped
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise ConfigError(
        f"{name_or_path}: no such file, and not one of the shipped scenarios: {', '.join(shipped_names())}"
    )


def shipped_names() -> list[str]:
    """Returns the names of the scenarios that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def _checked_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    return pattern


def _place(location: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".") or "the file"


def _cure(problem: Any) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return "no such field; remove it or correct its spelling (docs/simulator.md lists them)"
        case "missing":
            return "is required; add it"
        case _:
            return str(problem["msg"]).removeprefix("Value error, ")


def _line(node: yaml.Node | None, location: Sequence[int | str]) -> int:
    """Returns the line of the deepest part of `location` that the file has."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            held = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if held is None:
                break
            line, node = held[0].start_mark.line + 1, held[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
