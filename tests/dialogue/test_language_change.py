"""The reply is in the language that was asked for, however and in whatever language it was asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import AgentProfile, ToolResult
from app.language.loader import PackRegistry
from app.language.request import named_language
from app.nlu.understander import Understander
from tests.language.requests import REQUESTS
from tests.packs import shipped_packs

pytestmark = pytest.mark.langpack

ANSWERS = {
    "en-IN": ("English", "english please", "in english", "English mein", "I want to know where my order is"),
    "hi-IN": ("Hindi", "हिंदी", "hindi please", "हिंदी में", "मुझे हिंदी में चाहिए"),
    "ta-IN": ("Tamil", "தமிழ்", "tamil please", "தமிழ்ல"),
    "te-IN": ("Telugu", "తెలుగు", "telugu please", "తెలుగులో"),
}


class NoTools:
    async def call(self, name: str, arguments: object, *, key: str | None = None) -> ToolResult:
        return ToolResult(ok=False, error=f"{name} is not there")

    def offers(self, name: str) -> bool:
        return False


@pytest.fixture(scope="module")
def packs() -> PackRegistry:
    return shipped_packs()


@pytest.fixture(scope="module")
def understander(packs: PackRegistry, models_dir: Path) -> Understander:
    return Understander(packs, models_dir)


async def replied(
    packs: PackRegistry, understander: Understander, before: str, text: str, awaiting: str | None
) -> tuple[str, str]:
    """Returns the language of the state and of the last sentence after one turn."""
    engine = DialogueEngine(packs)
    profile = AgentProfile("tenant_1", "agent_1", "Sundar Stores", packs.tags, before)
    _, state = await engine.open(profile, before)
    expectation = "open" if awaiting is None else awaiting
    heard = understander.understand(text, enabled=packs.tags, current_language=before, expectation=expectation)
    reply, state = await engine.handle_turn(replace(state, awaiting=awaiting), heard, profile, NoTools())
    return state.language, reply.says[-1].language


@pytest.mark.parametrize("before", sorted(REQUESTS))
@pytest.mark.parametrize("after", sorted(REQUESTS))
async def test_a_request_switches_at_once(
    packs: PackRegistry, understander: Understander, before: str, after: str
) -> None:
    for form, by_wanted in REQUESTS[before].items():
        for text in by_wanted[after]:
            assert await replied(packs, understander, before, text, None) == (after, after), (form, text)


@pytest.mark.parametrize("before", sorted(REQUESTS))
@pytest.mark.parametrize("after", sorted(ANSWERS))
async def test_the_answer_to_which_language_is_followed(
    packs: PackRegistry, understander: Understander, before: str, after: str
) -> None:
    for text in ANSWERS[after]:
        assert await replied(packs, understander, before, text, "language") == (after, after), text


@pytest.mark.parametrize(
    ("said", "asked_in"),
    [
        ("mujhe english nahi aati", "en-IN"),
        ("मुझे अंग्रेज़ी समझ नहीं आती", "en-IN"),
        ("i do not know hindi", "hi-IN"),
        ("i cannot speak tamil", "ta-IN"),
        ("எனக்கு இங்கிலீஷ் தெரியாது", "en-IN"),
        ("naaku english raadu", "en-IN"),
        ("నాకు హిందీ రాదు", "hi-IN"),
    ],
)
@pytest.mark.parametrize("mid_question", [False, True])
async def test_a_language_that_the_caller_does_not_know_is_not_spoken(
    packs: PackRegistry, understander: Understander, said: str, asked_in: str, mid_question: bool
) -> None:
    engine = DialogueEngine(packs)
    profile = AgentProfile("tenant_1", "agent_1", "Sundar Stores", packs.tags, asked_in)
    _, state = await engine.open(profile, asked_in)
    if mid_question:
        state = replace(state, flow="complaint", awaiting="reason", turn=1)
    heard = understander.understand(said, enabled=packs.tags, current_language=asked_in)
    reply, state = await engine.handle_turn(state, heard, profile, NoTools())
    assert heard.intent == "change_language" and heard.entity("language") is None
    assert reply.says[-1].text == packs.get(state.language).responses["ask_language"][0]
    for answer, wanted in (("telugu", "te-IN"), ("తెలుగు", "te-IN")):
        named = understander.understand(answer, enabled=packs.tags, current_language=state.language)
        _, after = await engine.handle_turn(state, named, profile, NoTools())
        assert after.language == wanted, answer


def test_of_two_languages_the_one_that_is_not_refused_is_meant(packs: PackRegistry) -> None:
    for text in ("english nahi hindi", "not english hindi", "hindi please english nahi"):
        assert named_language(text.split(), packs.packs) == "hi-IN", text
    assert named_language(["tamil"], packs.packs) == "ta-IN"
