"""The reply is in the language that was asked for, however and in whatever language it was asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import AgentProfile, ToolResult
from app.language.loader import PackRegistry
from app.nlu.understander import Understander
from tests.language.requests import REQUESTS

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
    return PackRegistry.open(Path(__file__).parents[2] / "lang_packs")


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
