"""A dialogue engine on the real packs, and a tenant's system that knows some orders, prices and appointments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.flow_source import default_sources, load_flows
from app.dialogue.prosody import Prosody
from app.dialogue.turn import AgentProfile, DialogueState, Reply, ToolResult, WhatsAppStanding
from app.dialogue.verification import Factor, FactorCheck
from app.language.guess import LanguageGuess
from app.nlu.understanding import Entity, Understanding
from tests.packs import shipped_packs

REGISTRY = shipped_packs()
LANGUAGES = tuple(sorted(REGISTRY.tags))
FLOWS = load_flows(default_sources(), contract=REGISTRY.contract)
TOOLS = tuple(flow.tool for flow in FLOWS.frames if flow.tool is not None)
NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)  # a Monday, noon in India
TODAY, TOMORROW, LATER = "2026-11-23", "2026-11-24", "2026-11-27"
ORDERS: dict[str, dict[str, Any]] = {
    "4512": {"status": "shipped", "date": "2026-11-25", "city": "Pune"},
    "77001": {"status": "delivered", "date": "not a date"},
    "1234567890": {"status": "placed"},
    "9999": {"status": "a state that no flow knows"},
}
_AN_ORDERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "cancel_order": lambda _: {"status": "cancelled", "amount": 1200, "date": LATER},
    "return_order": lambda _: {"status": "accepted", "date": TOMORROW},
    "refund_status": lambda order: {"status": "initiated", "amount": 90_000 if order == "77001" else 1200},
    "change_address": lambda _: {"status": "changed"},
    "reschedule_delivery": lambda _: {"status": "rescheduled"},
    "payment_issue": lambda _: {"status": "debited_twice", "amount": 500, "date": LATER},
}


class FixedClock:
    """Stands at `NOW` unless it is moved."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


class Shop:
    """Knows `ORDERS`; `up` False fails as a broken system does. `asked` holds reads and `written` writes by key."""

    def __init__(self, up: bool = True, tools: tuple[str, ...] = TOOLS) -> None:
        self.up = up
        self.tools = tools
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.written: dict[str, tuple[str, dict[str, str]]] = {}
        self.answers: dict[str, ToolResult] = {}
        self.pin = "2468"

    async def call(self, name: str, arguments: Mapping[str, str], *, key: str | None = None) -> ToolResult:
        self.asked.append((name, dict(arguments)))
        if not self.up:
            return ToolResult(ok=False, error="timeout")
        if key is not None:
            assert key not in self.written or self.written[key] == (name, dict(arguments))
            self.written[key] = (name, dict(arguments))
        if name in self.answers:
            return self.answers[name]
        found = self._answer(name, dict(arguments))
        return ToolResult(ok=True, data=found) if found is not None else ToolResult(ok=True, found=False)

    def offers(self, name: str) -> bool:
        return name in self.tools

    async def verify(self, factor: Factor, value: str) -> FactorCheck:
        return FactorCheck.MATCHED if value == self.pin else FactorCheck.MISMATCHED

    def _answer(self, name: str, given: dict[str, str]) -> dict[str, Any] | None:
        order = given.get("order_id", "")
        if "order_id" in given and order not in ORDERS:
            return None
        if name == "order_status":
            return ORDERS[order]
        if name in _AN_ORDERS:
            return _AN_ORDERS[name](order)
        taken = given.get("time") == "09:00"
        match name:
            case "book_appointment":
                offer = {"status": "slot_taken", "date": given["date"], "time": "10:00"}
                return offer if taken else {"status": "booked", **given}
            case "reschedule_appointment":
                return {"status": "slot_taken"} if taken else {"status": "rescheduled", **given}
            case "cancel_appointment":
                return {"status": "cancelled", "date": TOMORROW, "time": "17:30"}
            case "confirm_appointment":
                return {"status": "confirmed", "date": TOMORROW, "time": "17:30"}
            case "product_question":
                return {"item": given["item"], "status": "in_stock"} if given["item"] != "moon" else None
            case "price_question":
                return {"item": given["item"], "amount": 1499} if given["item"] != "moon" else None
            case "store_hours":
                return {"opens": "10:00", "closes": "21:00", "city": given.get("city")}
            case "request_quote" | "callback":
                return {"request_id": "r1"}
        raise AssertionError(f"no answer for {name}")


def profile(**changes: object) -> AgentProfile:
    fields: dict[str, object] = {
        "tenant_id": "tnt_1",
        "agent_id": "agt_1",
        "entity_name": "Sundar Stores",
        "languages": LANGUAGES,
        "default_language": LANGUAGES[0],
        "whatsapp": WhatsAppStanding.AGREED,
    }
    return AgentProfile(**{**fields, **changes})  # type: ignore[arg-type]


def meant(
    intent: str,
    *,
    text: str = "some words",
    language: str | None = None,
    sure: float = 0.95,
    confidence: float = 0.9,
    also: tuple[str, ...] = (),
    **entities: str,
) -> Understanding:
    """An understanding; a date or time stands as its resolved form, several values of a kind apart by `|`."""
    guess = LanguageGuess(language, 0.95 if language else 0.0, tuple("und" for _ in text.split()))
    found = tuple(
        Entity(kind, value, value, sure, resolved=value if kind in ("date", "time") else None)
        for kind, values in entities.items()
        for value in values.split("|")
    )
    return Understanding(text, intent, confidence, guess, found, also=also)


@dataclass
class Conversation:
    """Drives the engine turn by turn and keeps every reply; the state passes through JSON between turns."""

    engine: DialogueEngine
    language: str
    profile: AgentProfile = field(default_factory=profile)
    shop: Shop = field(default_factory=Shop)
    state: DialogueState = field(init=False)
    replies: list[Reply] = field(default_factory=list)
    states: list[DialogueState] = field(default_factory=list)

    async def open(self) -> Reply:
        return self._keep(await self.engine.open(self.profile, self.language, thread="call_1"))

    async def say(self, intent: str, prosody: Prosody | None = None, **kwargs: object) -> Reply:
        heard = meant(intent, **kwargs)  # type: ignore[arg-type]
        return self._keep(await self.engine.handle_turn(self.state, heard, self.profile, self.shop, prosody))

    async def type(self, digits: str) -> Reply:
        return self._keep(await self.engine.handle_digits(self.state, digits, self.profile, self.shop))

    def silent(self, count: int) -> Reply:
        return self._keep(self.engine.on_silence(self.state, self.profile, count))

    def _keep(self, result: tuple[Reply, DialogueState]) -> Reply:
        reply, state = result
        self.state = DialogueState.from_json(state.to_json())
        self.replies.append(reply)
        self.states.append(self.state)
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
    return DialogueEngine(REGISTRY, FLOWS, clock=FixedClock())


@pytest.fixture(params=LANGUAGES)
async def talk(request: pytest.FixtureRequest, engine: DialogueEngine) -> Conversation:
    """An opened conversation in each language of the packs."""
    conversation = Conversation(engine, request.param)
    await conversation.open()
    return conversation
