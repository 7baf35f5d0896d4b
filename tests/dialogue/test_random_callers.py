"""Whatever a caller says, the conversation reaches a result or a person, and no sentence goes round for ever."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import Reply, ToolResult
from app.dialogue.verification import VerificationPolicy
from app.nlu.understanding import Entity, Understanding
from tests.dialogue.conftest import FLOWS, LANGUAGES, REGISTRY, TOOLS, Conversation, FixedClock, Shop, meant, profile

pytestmark = pytest.mark.unit
INTENTS = (*sorted(REGISTRY.get(LANGUAGES[0]).intents), "silence", "an_intent_of_the_tenant")
ENDINGS = ("stop_contact", "goodbye", "wrong_number", "not_interested")
STARTS = tuple(intent for flow in FLOWS.frames for intent in flow.intents)
ENGINE = DialogueEngine(REGISTRY, FLOWS, clock=FixedClock())
TURNS = 25
SEEDS = st.integers(0, 2**32)
PERSON = {"handoff_whatsapp", "transfer", "callback", "ticket"}

VALUES: dict[str, tuple[str, ...]] = {
    "digits": ("4512", "9999", "77001", "4", "45", "12345678901", "000000", "7"),
    "date": ("2026-11-24", "2026-11-20", "2026-12-31"),
    "time": ("09:00", "17:30"),
    "amount": ("1", "900", "200000"),
    "quantity": ("1", "99"),
    "number": ("0", "15", "4"),
    "item": ("shoes", "moon"),
    "city": ("Pune",),
    "reason": ("it is late",),
    "address": ("12 MG Road, Pune",),
    "language": (*LANGUAGES, "xx-XX"),
}
TEXTS = ("", "one", "three words here", "and it is what I said before", "this is pathetic", "no not four five")
KEYS = ("1", "2", "4512", "999", "1730", "12345678901")


@dataclass(frozen=True)
class Turn:
    """One thing a caller does: says something, types keys, or is silent."""

    heard: Understanding | None = None
    keys: str = ""


def turns(seed: int, intents: tuple[str, ...], count: int = TURNS) -> list[Turn]:
    """Returns what a random caller does; the same for the same seed."""
    chance = random.Random(seed)
    said = []
    for _ in range(count):
        kind = chance.random()
        if kind < 0.1:
            said.append(Turn())
        elif kind < 0.2:
            said.append(Turn(keys=chance.choice(KEYS)))
        else:
            said.append(Turn(_spoken(chance, intents if kind < 0.6 else ("affirm", "deny", "inform"))))
    return said


def _spoken(chance: random.Random, intents: tuple[str, ...]) -> Understanding:
    kinds = chance.sample(sorted(VALUES), chance.choice((0, 0, 1, 2)))
    found = {kind: chance.choice(VALUES[kind]) for kind in kinds}
    named = found.pop("language", None)
    heard = meant(
        chance.choice(intents),
        text=chance.choice(TEXTS),
        language=chance.choice((None, *LANGUAGES)),
        sure=chance.choice((0.3, 0.95)),
        confidence=chance.choice((0.2, 0.6, 0.9, 0.9)),
        also=chance.choice(((), ("price_question", "cancel_order"))),
        **found,
    )
    language = (Entity("language", named, "x"),) if named is not None else ()
    return replace(heard, entities=(*heard.entities, *language))


class Moody(Shop):
    """Fails, refuses or finds nothing, as the moods say, one after another."""

    def __init__(self, moods: list[str], tools: tuple[str, ...]) -> None:
        super().__init__(tools=tools)
        self._moods = moods

    async def call(self, name: str, arguments: object, *, key: str | None = None) -> ToolResult:
        mood = self._moods[len(self.asked) % len(self._moods)]
        if mood == "well":
            return await super().call(name, arguments, key=key)  # type: ignore[arg-type]
        self.asked.append((name, dict(arguments)))  # type: ignore[call-overload]
        return {
            "down": ToolResult(ok=False, error="timeout"),
            "unknown": ToolResult(ok=True, found=False),
            "strange": ToolResult(ok=True, data={"status": "a state that no flow knows"}),
            "restricted": ToolResult(ok=True, awaiting_approval=True),
            "unsettled": ToolResult(ok=True, unsettled=True),
            "asks": ToolResult(ok=False, needs_verification=True),
        }[mood]


MOODS = st.lists(
    st.sampled_from(["well", "down", "unknown", "strange", "restricted", "unsettled", "asks"]), min_size=1, max_size=6
)


async def _converse(said: list[Turn], language: str, shop: Shop, **agent: object) -> Conversation:
    talk = Conversation(ENGINE, language, profile(tools=shop.tools, **agent), shop)
    await talk.open()
    silences = 0
    for turn in said:
        if talk.state.ended:
            break
        if turn.heard is not None:
            silences = 0
            talk._keep(await ENGINE.handle_turn(talk.state, turn.heard, talk.profile, shop))
        elif turn.keys:
            silences = 0
            await talk.type(turn.keys)
        else:
            silences += 1
            talk.silent(silences)
        assert talk.replies[-1].says, (turn, talk.state)
        assert all(say.text.strip() and "{" not in say.text for say in talk.replies[-1].says)
    return talk


def _acts(reply: Reply) -> set[str]:
    return {action.kind.value for action in reply.actions}


def _stuck(talk: Conversation) -> int:
    """Returns the most turns in a row after which the call went on, with neither a result of a flow nor a person."""
    return max(state.idle for state in talk.states if not state.ended)


def _phone(phone: bool) -> dict[str, object]:
    return {"handoff": "phone", "transfer_number": "+911140000000"} if phone else {}


@settings(max_examples=60)
@given(SEEDS, st.sampled_from(LANGUAGES), MOODS, st.booleans(), st.booleans(), st.booleans())
def test_any_caller_reaches_a_result_or_a_person(
    seed: int, language: str, moods: list[str], phone: bool, verify: bool, bare: bool
) -> None:
    shop = Moody(moods, () if bare else TOOLS)
    agent = {**_phone(phone), "verification": VerificationPolicy() if verify else None}
    talk = asyncio.run(_converse(turns(seed, INTENTS), language, shop, **agent))
    assert _stuck(talk) < TURNS // 2


@settings(max_examples=60)
@given(st.sampled_from(STARTS), SEEDS, st.sampled_from(LANGUAGES), MOODS, st.booleans())
def test_every_default_flow_ends_in_a_result_or_a_person_within_25_turns(
    start: str, seed: int, language: str, moods: list[str], phone: bool
) -> None:
    said = [Turn(meant(start)), *turns(seed, tuple(i for i in INTENTS if i not in ENDINGS), TURNS - 1)]
    talk = asyncio.run(_converse(said, language, Moody(moods, TOOLS), **_phone(phone)))
    acted = {kind for reply in talk.replies for kind in _acts(reply)}
    resolved = any(state.turn and state.idle == 0 for state in talk.states)
    assert talk.state.ended or acted & PERSON or resolved, talk.state
    assert len(talk.replies) <= TURNS + 1


@settings(max_examples=60)
@given(st.sampled_from(STARTS), SEEDS, st.sampled_from(LANGUAGES), MOODS)
def test_within_a_flow_no_sentence_is_said_three_times_in_a_row_or_four_times_in_all(
    start: str, seed: int, language: str, moods: list[str]
) -> None:
    opening, said = Turn(meant(start)), turns(seed, tuple(i for i in INTENTS if i not in ENDINGS))
    talk = asyncio.run(_converse([opening, *said], language, Moody(moods, TOOLS)))
    row = [say.text for reply in talk.replies for say in reply.says if say.disclosure is None]
    assert all(len(set(row[at : at + 3])) > 1 for at in range(len(row) - 2)), row
    in_flow: Counter[tuple[int, str]] = Counter()
    for reply, state in zip(talk.replies, talk.states, strict=True):
        if _acts(reply) & PERSON:
            break
        in_flow.update((state.frame, say.text) for say in reply.says if say.disclosure is None)
    assert all(times <= 3 for times in in_flow.values()), in_flow.most_common(2)


@pytest.mark.parametrize("intent", [i for i in INTENTS if i not in ENDINGS])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_caller_with_one_sentence_reaches_a_person(intent: str, language: str) -> None:
    talk = await _converse([Turn(meant(intent))] * TURNS, language, Shop())
    acted = {kind for reply in talk.replies for kind in _acts(reply)}
    answered = any(entry["ok"] and entry["found"] for entry in talk.state.fetched)
    assert talk.state.ended or acted & PERSON or answered


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_caller_who_only_says_nothing_of_use_reaches_a_person(start: str, language: str) -> None:
    talk = await _converse(
        [Turn(meant(start)), *[Turn(meant("out_of_scope", text="mm"))] * TURNS], language, Shop(up=False)
    )
    acted = {kind for reply in talk.replies for kind in _acts(reply)}
    assert acted & PERSON or talk.state.ended
    assert len(talk.replies) <= TURNS
