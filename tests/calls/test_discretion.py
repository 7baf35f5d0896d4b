"""A PIN that a caller gives away unasked stands nowhere afterwards: events, transcript, state, logs, second opinion."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from app.calls.discretion import discreet
from app.calls.events import CallEvent
from app.calls.journal import Journal
from app.calls.thinking import Listening, Thinker, Thought
from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import AgentProfile, DialogueState, Expectation, Reply
from app.language.guess import LanguageGuess
from app.language.redaction import Redactor
from app.nlu.insight import Insight
from app.nlu.understander import Understander
from app.nlu.understanding import Entity, Understanding
from app.speech.asr.engine import Transcript
from tests.dialogue.conftest import REGISTRY as PACKS

pytestmark = pytest.mark.unit


ENGINE = DialogueEngine(PACKS)
REDACTOR = Redactor({pack.tag: pack for pack in PACKS.packs})
UNASKED = (
    ("my pin is four three two one where is my order", "four three two one", "en-IN"),
    ("मेरा पिन चार तीन दो एक है रिफंड कब आएगा", "चार तीन दो एक", "hi-IN"),
    ("என் பின் நாலு மூணு ரெண்டு ஒண்ணு ஆர்டர் எங்க", "நாலு மூணு ரெண்டு ஒண்ணு", "ta-IN"),
    ("నా పిన్ నాలుగు మూడు రెండు ఒకటి", "నాలుగు మూడు రెండు ఒకటి", "te-IN"),
    ("mera otp 4321 hai", "4321", "hi-IN"),
)


class Told:
    """Keeps every event of a call."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []

    def emit(self, event: CallEvent) -> None:
        self.events.append(event)


class Literal:
    """Understands every number as such; stands for the classifier, which is measured elsewhere."""

    def __init__(self, said: str) -> None:
        self._said = said

    def understand(self, text: str, **_: object) -> Understanding:
        digits = Entity("digits", "4321", self._said)
        return Understanding(text, "order_status", 0.9, LanguageGuess("en-IN", 0.9), (digits,))


class Opinion:
    """Learns what would leave for the tenant's language model."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def about(self, found: Understanding, expectation: object, language: str) -> Understanding:
        self.told.append(found.text)
        return found


@pytest.mark.parametrize(("words", "secret", "language"), UNASKED)
async def test_a_secret_given_unasked_is_nowhere(words: str, secret: str, language: str) -> None:
    thinker = Thinker(PACKS, cast(Understander, Literal(secret)), ENGINE, cast(Any, None))
    profile = AgentProfile("tenant_1", "agent_1", "Sundar Stores", tuple(PACKS.tags), language)
    _, state = await thinker.dialogue.open(profile, language)
    opinion, told = Opinion(), Told()
    insight = Insight(None, cast(Any, opinion))
    try:
        transcript = Transcript(words, 0.9, (), True)
        with capture_logs() as logged:
            found = await thinker.understand(transcript, state, Listening(Expectation.OPEN), profile, insight)
            tools = cast(Any, SimpleNamespace(offers=_no))
            reply, after = await thinker.dialogue.handle_turn(state, found, profile, tools)
            journal = Journal(cast(Any, told), lambda: 1.0)
            journal.caller_turn(_thought(transcript, found, reply, after), 0.5)
    finally:
        thinker.close()
    assert found.entity("digits") is None and secret not in found.text and "[code]" in found.text
    kept = f"{told.events} {journal.lines} {journal.last_words} {after.to_json()}"
    everything = f"{opinion.told} {kept} {reply} {logged}"
    assert secret not in everything and "4321" not in everything
    assert told.events[0].data["intent"] == "order_status"


async def test_what_was_asked_for_reaches_the_check() -> None:
    said = "four three two one"
    thinker = Thinker(PACKS, cast(Understander, Literal(said)), ENGINE, cast(Any, None))
    profile = AgentProfile("tenant_1", "agent_1", "Sundar Stores", ("en-IN",), "en-IN")
    _, state = await thinker.dialogue.open(profile, "en-IN")
    listening = Listening(Expectation.DIGITS, (4, 4), secret=True)
    try:
        found = await thinker.understand(Transcript(f"my pin is {said}", 0.9, (), True), state, listening, profile)
    finally:
        thinker.close()
    assert found.entities[0].value == "4321"


def test_order_numbers_and_places_stay() -> None:
    order = Entity("digits", "4512", "four five one two")
    for words in ("my order is four five one two", "pin code five six zero zero zero one"):
        found = Understanding(words, "inform", 0.9, LanguageGuess("en-IN", 0.9), (order,))
        assert discreet(found, REDACTOR) is found


def test_a_secret_inside_an_address_is_taken_out_and_the_address_stays() -> None:
    words = "send it to 12 lake road my otp is 9876 please"
    address = Entity("address", "12 lake road my otp is 9876", "12 lake road my otp is 9876")
    found = Understanding(words, "change_address", 0.9, LanguageGuess("en-IN", 0.9), (address,))
    [kept] = discreet(found, REDACTOR).entities
    assert kept.kind == "address" and "lake road" in kept.value and "9876" not in kept.value


def _no(_: str) -> bool:
    return False


def _thought(transcript: Transcript, found: Understanding, reply: Reply, state: DialogueState) -> Thought:
    stages: Mapping[str, float] = {}
    values = {"transcript": transcript, "understanding": found, "reply": reply, "state": state, "stages_ms": stages}
    return cast(Thought, SimpleNamespace(**values))
