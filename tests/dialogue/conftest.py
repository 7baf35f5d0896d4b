"""A dialogue engine on the real packs, and a tenant's system that knows three orders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import AgentProfile, DialogueState, Reply, ToolResult
from app.language.guess import LanguageGuess
from app.language.loader import PackRegistry
from app.nlu.understanding import Entity, Understanding

PACKS = Path(__file__).parents[2] / "lang_packs"
REGISTRY = PackRegistry.load(PACKS)
LANGUAGES = tuple(sorted(REGISTRY.tags))
ORDERS = {
    "4512": {"status": "shipped", "date": "2026-11-25", "city": "Pune"},
    "77001": {"status": "delivered", "date": "not a date"},
    "1234567890": {"status": "placed"},
    "9999": {"status": "a state that no flow knows"},
}


class Shop:
    """Knows `ORDERS`; `up` False fails as a broken system does."""

    def __init__(self, up: bool = True) -> None:
        self.up = up
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def call(self, name: str, arguments: Mapping[str, str]) -> ToolResult:
        self.asked.append((name, dict(arguments)))
        if not self.up:
            return ToolResult(ok=False, error="timeout")
        order = ORDERS.get(arguments["order_id"])
        return ToolResult(ok=True, data=order) if order else ToolResult(ok=True, found=False)


def profile(**changes: object) -> AgentProfile:
    fields: dict[str, object] = {
        "tenant_id": "tnt_1",
        "agent_id": "agt_1",
        "entity_name": "Sundar Stores",
        "languages": LANGUAGES,
        "default_language": LANGUAGES[0],
    }
    return AgentProfile(**{**fields, **changes})  # type: ignore[arg-type]


def meant(
    intent: str, *, text: str = "some words", language: str | None = None, sure: float = 0.95, **entities: str
) -> Understanding:
    guess = LanguageGuess(language, 0.95 if language else 0.0, tuple("und" for _ in text.split()))
    found = tuple(Entity(kind, value, value, sure) for kind, value in entities.items())
    return Understanding(text, intent, 0.9, guess, found)


@dataclass
class Conversation:
    """Drives the engine turn by turn and keeps every reply; the state passes through JSON between turns."""

    engine: DialogueEngine
    language: str
    profile: AgentProfile = field(default_factory=profile)
    shop: Shop = field(default_factory=Shop)
    state: DialogueState = field(init=False)
    replies: list[Reply] = field(default_factory=list)

    async def open(self) -> Reply:
        return self._keep(await self.engine.open(self.profile, self.language))

    async def say(self, intent: str, **kwargs: object) -> Reply:
        heard = meant(intent, **kwargs)  # type: ignore[arg-type]
        return self._keep(await self.engine.handle_turn(self.state, heard, self.profile, self.shop))

    async def type(self, digits: str) -> Reply:
        return self._keep(await self.engine.handle_digits(self.state, digits, self.profile, self.shop))

    def silent(self, count: int) -> Reply:
        return self._keep(self.engine.on_silence(self.state, self.profile, count))

    def _keep(self, result: tuple[Reply, DialogueState]) -> Reply:
        reply, state = result
        self.state = DialogueState.from_json(state.to_json())
        self.replies.append(reply)
        return reply


def texts(reply: Reply) -> list[str]:
    return [say.text for say in reply.says]


def kinds(reply: Reply) -> list[str]:
    return [action.kind.value for action in reply.actions]


def says_key(reply: Reply, language: str, key: str) -> bool:
    """Tells whether a reply has a sentence made from a response key, whatever its slots."""
    variants = REGISTRY.get(language).responses[key]
    fixed_parts = [[part for part in _parts(variant) if len(part) > 1] for variant in variants]
    return any(all(part in text for part in parts) for text in texts(reply) for parts in fixed_parts)


def _parts(template: str) -> list[str]:
    return [piece.split("}")[-1].strip() for piece in template.split("{")]


@pytest.fixture(scope="session")
def engine() -> DialogueEngine:
    return DialogueEngine(REGISTRY)


@pytest.fixture(params=LANGUAGES)
async def talk(request: pytest.FixtureRequest, engine: DialogueEngine) -> Conversation:
    """An opened conversation in each language of the packs."""
    conversation = Conversation(engine, request.param)
    await conversation.open()
    return conversation
