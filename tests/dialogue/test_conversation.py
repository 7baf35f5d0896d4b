"""Courtesies, the re-prompt ladder, silence and the language of replies."""

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import Expectation
from tests.dialogue.conftest import LANGUAGES, Conversation, kinds, profile, says_key, texts

pytestmark = pytest.mark.unit
OTHER = {tag: LANGUAGES[(i + 1) % len(LANGUAGES)] for i, tag in enumerate(LANGUAGES)}


@pytest.mark.parametrize(
    ("intent", "key"),
    [
        ("greet", "greet_reply"),
        ("thank", "thanks_reply"),
        ("wait", "please_wait_ok"),
        ("slower", "slower_ok"),
        ("deny", "deny_ack"),
        ("affirm", "greeting_ask"),
    ],
)
async def test_courtesies(talk: Conversation, intent: str, key: str) -> None:
    reply = await talk.say(intent)
    assert says_key(reply, talk.language, key) and not reply.actions


@pytest.mark.parametrize(
    ("intent", "key"),
    [
        ("goodbye", "goodbye"),
        ("wrong_number", "wrong_number_ok"),
        ("not_interested", "not_interested_ok"),
    ],
)
async def test_courtesies_that_end(talk: Conversation, intent: str, key: str) -> None:
    reply = await talk.say(intent)
    assert says_key(reply, talk.language, key) and kinds(reply) == ["end"]
    assert reply.actions[0].reason == intent and talk.state.ended


async def test_who_are_you_discloses_again(talk: Conversation) -> None:
    reply = await talk.say("who_are_you")
    assert [say.disclosure for say in reply.says[:2]] == ["entity", "ai"]


async def test_no_recording_stops_it_once(talk: Conversation) -> None:
    await talk.say("order_status")
    reply = await talk.say("no_recording")
    assert kinds(reply) == ["stop_recording"] and reply.expectation is Expectation.DIGITS
    assert kinds(await talk.say("no_recording")) == []


async def test_waiting_keeps_the_open_question(talk: Conversation) -> None:
    await talk.say("order_status")
    assert (await talk.say("wait")).expectation is Expectation.DIGITS


async def test_repeat_says_the_last_reply_and_then_finds_other_words(talk: Conversation) -> None:
    first = await talk.say("order_status")
    again = await talk.say("repeat")
    assert texts(again)[-1] == texts(first)[-1]
    third = await talk.say("repeat")
    assert texts(third)[-1] != texts(first)[-1] and third.expectation is Expectation.DIGITS


async def test_three_misses_lead_to_a_person(talk: Conversation) -> None:
    assert says_key(await talk.say("out_of_scope", sure=0.1), talk.language, "out_of_scope")
    assert says_key(await talk.say("inform"), talk.language, "not_understood_2")
    reply = await talk.say("out_of_scope")
    assert says_key(reply, talk.language, "not_understood_3")
    assert kinds(reply) == ["handoff_whatsapp", "end"] and reply.actions[0].reason == "not_understood"


async def test_three_misses_for_a_number_lead_to_a_person(talk: Conversation) -> None:
    await talk.say("order_status")
    assert says_key(await talk.say("out_of_scope"), talk.language, "ask_order_id_again")
    assert says_key(await talk.say("affirm"), talk.language, "ask_order_id_keypad")
    assert kinds(await talk.say("order_status")) == ["handoff_whatsapp", "end"]


async def test_unclear_answer_to_a_yes_no_question(talk: Conversation) -> None:
    talk.shop.tools = ()
    await talk.say("refund_status")
    reply = await talk.say("out_of_scope")
    assert says_key(reply, talk.language, "ask_yes_no") and reply.expectation is Expectation.YES_NO


async def test_nothing_heard_is_said_and_not_guessed(talk: Conversation) -> None:
    reply = await talk.say("silence", text="")
    assert says_key(reply, talk.language, "heard_nothing")
    await talk.say("silence", text="")
    assert "handoff_whatsapp" in kinds(await talk.say("silence", text=""))


async def test_silence_prompts_then_goodbye(talk: Conversation) -> None:
    assert says_key(talk.silent(1), talk.language, "silence_prompt_1")
    assert says_key(talk.silent(2), talk.language, "silence_prompt_2")
    reply = talk.silent(3)
    assert says_key(reply, talk.language, "silence_goodbye") and kinds(reply) == ["end"]


async def test_stage_failures_are_spoken_and_the_third_brings_a_person(talk: Conversation) -> None:
    spoken = []
    for _ in range(3):
        reply, talk.state = talk.engine.on_stage_failed(talk.state, talk.profile)
        spoken += texts(reply)
    assert says_key(reply, talk.language, "technical_problem") or len(set(spoken)) > 1
    assert kinds(reply) == ["handoff_whatsapp", "end"]


async def test_the_longest_call_ends_on_whatsapp(talk: Conversation) -> None:
    reply, state = talk.engine.on_max_duration(talk.state, talk.profile)
    assert says_key(reply, talk.language, "max_duration") and kinds(reply) == ["handoff_whatsapp", "end"]
    assert state.ended


async def test_explicit_language_request_switches_at_once_and_asks_again(talk: Conversation) -> None:
    await talk.say("order_status")
    wanted = OTHER[talk.language]
    reply = await talk.say("change_language", language=None, text="x", **{})
    assert says_key(reply, talk.language, "ask_language")
    reply = await talk.engine.handle_turn(talk.state, _asks_for(wanted), talk.profile, talk.shop)
    talk._keep(reply)
    assert {say.language for say in reply[0].says} == {wanted}
    assert says_key(reply[0], wanted, "language_switched")
    assert reply[0].expectation is Expectation.DIGITS


async def test_a_language_the_agent_lacks_is_admitted(engine: DialogueEngine) -> None:
    talk = Conversation(engine, LANGUAGES[0], profile(languages=LANGUAGES[:1]))
    await talk.open()
    reply, state = await engine.handle_turn(talk.state, _asks_for(LANGUAGES[1]), talk.profile, talk.shop)
    assert says_key(reply, LANGUAGES[0], "language_unavailable") and state.language == LANGUAGES[0]


async def test_a_clear_first_turn_switches(talk: Conversation) -> None:
    other = OTHER[talk.language]
    await talk.say("order_status", language=other, text="three clear words")
    assert talk.state.language == other


async def test_later_turns_switch_only_in_pairs_and_never_on_one_word(talk: Conversation) -> None:
    other = OTHER[talk.language]
    await talk.say("greet")
    await talk.say("order_status", language=other, text="four words are these")
    assert talk.state.language == talk.language
    await talk.say("wait", language=other, text="one")
    assert talk.state.language == talk.language
    await talk.say("inform", language=other, text="four five one two", digits="9998")
    assert talk.state.language == talk.language
    await talk.say("order_status", language=other, text="four words are these")
    assert talk.state.language == other


async def test_a_turn_in_the_current_language_starts_the_count_anew(talk: Conversation) -> None:
    other = OTHER[talk.language]
    await talk.say("greet")
    for language in (other, talk.language, other):
        await talk.say("wait", language=language, text="four words are these")
    assert talk.state.language == talk.language


def _asks_for(tag: str):  # type: ignore[no-untyped-def]
    from app.language.guess import LanguageGuess
    from app.nlu.understanding import Entity, Understanding

    return Understanding("in that", "change_language", 0.9, LanguageGuess(None, 0.0), (Entity("language", tag, tag),))
