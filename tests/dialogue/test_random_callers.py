"""Whatever a caller says, the conversation reaches a result or a person, and no question is put a third time."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.dialogue.engine import DialogueEngine
from app.nlu.understanding import Understanding
from tests.dialogue.conftest import LANGUAGES, REGISTRY, Conversation, Shop, meant, profile

pytestmark = pytest.mark.unit
INTENTS = (*sorted(REGISTRY.get(LANGUAGES[0]).intents), "silence", "an_intent_of_the_tenant")
ENDINGS = ("stop_contact", "goodbye", "wrong_number", "callback_later", "not_interested")
ENGINE = DialogueEngine(REGISTRY)
TURNS = 25

digits = st.one_of(st.none(), st.text("0123456789", min_size=1, max_size=12), st.sampled_from(["4512", "9999"]))


def turns(intents: tuple[str, ...]) -> st.SearchStrategy[list[Understanding]]:
    one = st.builds(
        lambda intent, number, language, named, sure, text: meant(
            intent,
            text=text,
            language=language,
            sure=sure,
            **({"digits": number} if number else {}),
            **({"name": named} if named else {}),
        ),
        st.sampled_from(intents),
        digits,
        st.sampled_from((None, *LANGUAGES)),
        st.none(),
        st.sampled_from([0.3, 0.95]),
        st.sampled_from(["", "one", "three words here"]),
    )
    return st.lists(one, min_size=TURNS, max_size=TURNS)


async def _converse(heard: list[Understanding], language: str, up: bool, phone: bool) -> Conversation:
    agent = profile(handoff="phone", transfer_number="+911140000000") if phone else profile()
    talk = Conversation(ENGINE, language, agent, Shop(up))
    await talk.open()
    for understanding in heard:
        if talk.state.ended:
            break
        before = talk.state
        talk._keep(await ENGINE.handle_turn(before, understanding, agent, talk.shop))
        assert talk.replies[-1].says, (before, understanding)
    return talk


def _reached(talk: Conversation) -> bool:
    acted = {action.kind.value for reply in talk.replies for action in reply.actions}
    answered = talk.shop.up and any(args["order_id"] in ("4512", "77001", "1234567890") for _, args in talk.shop.asked)
    return talk.state.ended or bool(acted & {"handoff_whatsapp", "transfer", "opt_out"}) or answered


@settings(max_examples=150, deadline=None)
@given(turns(INTENTS), st.sampled_from(LANGUAGES), st.booleans(), st.booleans())
def test_any_caller_reaches_a_result_or_a_person(
    heard: list[Understanding], language: str, up: bool, phone: bool
) -> None:
    assert _reached(asyncio.run(_converse(heard, language, up, phone)))


@settings(max_examples=150, deadline=None)
@given(turns(tuple(i for i in INTENTS if i not in ENDINGS)), st.sampled_from(LANGUAGES), st.booleans())
def test_no_sentence_is_put_a_third_time_without_a_result(
    heard: list[Understanding], language: str, phone: bool
) -> None:
    talk = asyncio.run(_converse(heard, language, False, phone))
    assert _reached(talk)
    spoken: Counter[str] = Counter()
    for reply in talk.replies:
        if any(action.kind.value in ("handoff_whatsapp", "transfer") for action in reply.actions):
            break
        spoken.update(say.text for say in reply.says if say.disclosure is None)
    assert all(times <= 2 for times in spoken.values()), spoken.most_common(3)


@pytest.mark.parametrize("intent", [i for i in INTENTS if i not in ENDINGS])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_caller_with_one_sentence_reaches_a_person(intent: str, language: str) -> None:
    talk = await _converse([meant(intent)] * TURNS, language, up=True, phone=False)
    assert _reached(talk)
