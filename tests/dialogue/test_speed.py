"""A reply is put together well within its bound: understanding in, sentences out, no system asked."""

import statistics
import time

import pytest

from app.dialogue.engine import DialogueEngine
from tests.dialogue.conftest import LANGUAGES, Conversation, Shop, meant

pytestmark = pytest.mark.unit
MOST_MS = 5.0
TURNS = (
    ("order_status", {}),
    ("inform", {"digits": "4512"}),
    ("cancel_order", {"digits": "4512", "reason": "it is late"}),
    ("price_question", {"item": "shoes"}),
    ("deny", {"digits": "77001"}),
    ("affirm", {}),
    ("human_agent", {}),
)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_reply_takes_less_than_five_milliseconds(engine: DialogueEngine, language: str) -> None:
    taken = []
    for _ in range(5):
        talk = Conversation(engine, language, shop=Shop())
        await talk.open()
        for intent, entities in TURNS:
            heard = meant(intent, **entities)  # type: ignore[arg-type]
            begun = time.perf_counter()
            result = await engine.handle_turn(talk.state, heard, talk.profile, talk.shop)
            taken.append((time.perf_counter() - begun) * 1_000)
            talk._keep(result)
    assert statistics.median(taken) < MOST_MS, taken
