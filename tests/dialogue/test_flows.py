"""Each flow, in every language of the packs."""

import json

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.flow_source import FlowFaults, default_sources, load_flows
from app.dialogue.turn import Expectation
from app.language.numbers import spoken_digits
from tests.dialogue.conftest import LANGUAGES, REGISTRY, Conversation, Shop, kinds, profile, says_key, texts

pytestmark = pytest.mark.unit


async def test_opening_discloses_everything_before_it_asks(talk: Conversation) -> None:
    opening = talk.replies[0]
    *disclosed, question = opening.says
    assert [say.disclosure for say in disclosed] == list(REGISTRY.get(talk.language).opening)
    assert {"entity", "ai", "recording", "how_to_stop", "person_available"} <= {say.disclosure for say in disclosed}
    assert all(not say.interruptible and say.fixed for say in disclosed)
    assert "Sundar Stores" in disclosed[0].text
    assert question.interruptible and question.disclosure is None
    assert {say.language for say in opening.says} == {talk.language}


async def test_a_call_that_we_place_says_why_we_ring(engine: DialogueEngine, talk: Conversation) -> None:
    calling = profile(about={tag: "4512" for tag in LANGUAGES}, given={"order_id": "4512"})
    reply, state = await engine.open(calling, talk.language)
    disclosed = {say.disclosure: say for say in reply.says if say.disclosure is not None}
    assert list(disclosed) == ["entity", "ai", "recording", "purpose", "how_to_stop", "person_available"]
    assert "4512" in disclosed["purpose"].text and not disclosed["purpose"].interruptible
    assert state.slots == {"order_id": "4512"} and state.language == talk.language


async def test_an_unknown_language_opens_in_the_default(engine: DialogueEngine) -> None:
    reply, state = await engine.open(profile(default_language=LANGUAGES[1]), "xx-XX")
    assert state.language == LANGUAGES[1] and reply.says[0].language == LANGUAGES[1]


async def test_order_number_in_the_question_needs_no_question(talk: Conversation) -> None:
    reply = await talk.say("order_status", digits="4512")
    assert talk.shop.asked == [("order_status", {"order_id": "4512"})]
    assert says_key(reply, talk.language, "order_status_shipped")
    assert spoken_digits(REGISTRY.get(talk.language), "4512") in texts(reply)[0]
    assert says_key(reply, talk.language, "anything_else")
    assert reply.expectation is Expectation.OPEN


async def test_asks_for_the_number_and_takes_it_by_voice_or_keypad(talk: Conversation) -> None:
    reply = await talk.say("order_status")
    assert says_key(reply, talk.language, "ask_order_id")
    assert (reply.expectation, reply.expected_digits) == (Expectation.DIGITS, (4, 10))
    assert says_key(await talk.say("inform", digits="4512"), talk.language, "order_status_shipped")
    assert says_key(await talk.type("77001"), talk.language, "order_status_delivered")


async def test_a_bare_number_starts_the_lookup(talk: Conversation) -> None:
    assert says_key(await talk.say("inform", digits="1234567890"), talk.language, "order_status_placed")
    assert talk.state.intent == "order_status"


async def test_fragments_are_joined_over_turns(talk: Conversation) -> None:
    await talk.say("order_status")
    reply = await talk.say("inform", digits="45")
    assert (reply.expectation, reply.expected_digits) == (Expectation.DIGITS, (2, 8))
    assert not talk.shop.asked
    assert says_key(await talk.say("inform", digits="12"), talk.language, "order_status_shipped")


async def test_a_number_said_over_from_the_start_is_not_joined(talk: Conversation) -> None:
    await talk.say("order_status")
    await talk.say("inform", digits="45")
    assert says_key(await talk.say("inform", digits="4512"), talk.language, "order_status_shipped")


async def test_a_number_said_over_after_a_digit_was_lost_is_not_joined(talk: Conversation) -> None:
    await talk.say("order_status")
    await talk.say("inform", digits="42")
    assert says_key(await talk.say("inform", digits="4512"), talk.language, "order_status_shipped")


async def test_a_doubtful_number_is_said_back(talk: Conversation) -> None:
    await talk.say("order_status")
    reply = await talk.say("inform", digits="4513", sure=0.4)
    assert says_key(reply, talk.language, "confirm_order_id") and reply.expectation is Expectation.YES_NO
    assert not talk.shop.asked
    reply = await talk.say("deny", digits="4512")
    assert says_key(reply, talk.language, "order_status_shipped")


async def test_a_confirmed_number_is_looked_up_and_a_refused_one_asked_again(talk: Conversation) -> None:
    await talk.say("order_status", digits="4513", sure=0.4)
    reply = await talk.say("deny")
    assert says_key(reply, talk.language, "ask_order_id_again") and reply.expectation is Expectation.DIGITS
    await talk.say("inform", digits="4512", sure=0.4)
    assert says_key(await talk.say("affirm"), talk.language, "order_status_shipped")


async def test_too_many_digits_are_said_back(talk: Conversation) -> None:
    await talk.say("order_status")
    reply = await talk.say("inform", digits="12345678901")
    assert says_key(reply, talk.language, "order_id_wrong_length") and reply.expectation is Expectation.DIGITS
    assert not talk.shop.asked


async def test_a_doubtful_number_that_is_too_long_leaves_no_doubt_behind(talk: Conversation) -> None:
    await talk.say("order_status")
    await talk.say("inform", sure=0.3, digits="12345678901")
    reply = await talk.say("affirm", amount="200000")
    assert reply.expectation is Expectation.DIGITS
    assert "order_id.doubt" not in talk.state.slots


async def test_not_found_is_said_back_and_then_a_person_is_offered(talk: Conversation) -> None:
    await talk.say("order_status")
    reply = await talk.say("inform", digits="5555")
    assert says_key(reply, talk.language, "order_not_found") and reply.expectation is Expectation.DIGITS
    assert spoken_digits(REGISTRY.get(talk.language), "5555") in texts(reply)[0]
    reply = await talk.say("inform", digits="6666")
    assert says_key(reply, talk.language, "order_not_found") and reply.expectation is Expectation.YES_NO
    reply = await talk.say("affirm")
    assert kinds(reply) == ["handoff_whatsapp"]
    assert reply.actions[0].reason == "not_found" and reply.actions[0].data["slots"] == {"order_id": "6666"}


@pytest.mark.parametrize("digits", ["4512", "9999"])
async def test_a_broken_or_strange_system_is_admitted(engine: DialogueEngine, digits: str) -> None:
    for language in LANGUAGES:
        talk = Conversation(engine, language, shop=Shop(up=digits == "9999"))
        await talk.open()
        reply = await talk.say("order_status", digits=digits)
        assert says_key(reply, language, "system_down") and reply.expectation is Expectation.YES_NO
        assert says_key(await talk.say("deny"), language, "anything_else")
        assert kinds(await talk.say("deny")) == ["end"]


@pytest.mark.parametrize(
    ("intent", "first"),
    [
        ("human_agent", "handoff_whatsapp_done"),
        ("switch_to_whatsapp", "handoff_whatsapp_done"),
        ("report_fraud", "escalation_ack"),
        ("legal_threat", "escalation_ack"),
        ("billing_dispute", "escalation_ack"),
    ],
)
async def test_handoff_at_once(talk: Conversation, intent: str, first: str) -> None:
    await talk.say("order_status", digits="4512")
    reply = await talk.say(intent)
    assert says_key(reply, talk.language, first) and says_key(reply, talk.language, "handoff_whatsapp_done")
    (action,) = reply.actions
    assert (action.kind.value, action.reason) == ("handoff_whatsapp", intent)
    assert action.data["slots"] == {"order_id": "4512"} and action.data["language"] == talk.language
    matter = intent if intent not in ("human_agent", "switch_to_whatsapp") else "order_status"
    assert action.data["intent"] == matter
    assert kinds(await talk.say("deny")) == ["end"]


async def test_phone_handoff_transfers_and_whatsapp_stays_possible(engine: DialogueEngine) -> None:
    for language in LANGUAGES:
        talk = Conversation(engine, language, profile(handoff="phone", transfer_number="+911140000000"))
        await talk.open()
        assert kinds(await talk.say("switch_to_whatsapp")) == ["handoff_whatsapp"]
        reply = await talk.say("human_agent")
        assert says_key(reply, language, "transfer_to_person") and kinds(reply) == ["transfer"]
        assert reply.actions[0].data["number"] == "+911140000000"
        assert reply.expectation is Expectation.NOTHING and talk.state.ended


async def test_phone_handoff_without_a_number_goes_to_whatsapp(engine: DialogueEngine) -> None:
    talk = Conversation(engine, LANGUAGES[0], profile(handoff="phone"))
    await talk.open()
    assert kinds(await talk.say("human_agent")) == ["handoff_whatsapp"]


async def test_a_handoff_is_done_once(talk: Conversation) -> None:
    await talk.say("human_agent")
    assert kinds(await talk.say("human_agent")) == ["end"]


async def test_a_failed_transfer_falls_back_to_whatsapp_and_then_to_goodbye(engine: DialogueEngine) -> None:
    talk = Conversation(engine, LANGUAGES[0], profile(handoff="phone", transfer_number="+911140000000"))
    await talk.open()
    transfer = (await talk.say("human_agent")).actions[0]
    reply, state = engine.on_action_failed(talk.state, talk.profile, transfer)
    assert says_key(reply, talk.language, "transfer_failed") and kinds(reply) == ["handoff_whatsapp", "end"]
    reply, state = engine.on_action_failed(state, talk.profile, reply.actions[0])
    assert says_key(reply, talk.language, "handoff_whatsapp_failed")
    assert says_key(reply, talk.language, "no_person_available") and kinds(reply) == ["end"] and state.ended


@pytest.mark.parametrize("before", [[], ["order_status"], ["cancel_order"], ["human_agent"], ["out_of_scope"]])
async def test_opt_out_acts_at_once_wherever_the_talk_stands(talk: Conversation, before: list[str]) -> None:
    for intent in before:
        await talk.say(intent)
    reply = await talk.say("stop_contact", text="stop calling me")
    (confirmation,) = reply.says
    assert confirmation.disclosure == "opt_out_confirmation"
    assert confirmation.fixed and not confirmation.interruptible
    assert kinds(reply) == ["opt_out", "end"] and talk.state.ended
    assert reply.expectation is Expectation.NOTHING
    assert not (await talk.say("greet")).says


async def test_what_is_not_done_by_voice_is_admitted_and_handed_over(talk: Conversation) -> None:
    talk.shop.tools = ("order_status",)
    reply = await talk.say("refund_status")
    assert says_key(reply, talk.language, "unsupported_request") and reply.expectation is Expectation.YES_NO
    reply = await talk.say("affirm")
    assert kinds(reply) == ["handoff_whatsapp"] and reply.actions[0].data["intent"] == "refund_status"


async def test_the_state_is_json(talk: Conversation) -> None:
    await talk.say("order_status", digits="45", sure=0.9)
    assert json.loads(json.dumps(talk.state.to_json()))["slots"]


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("handoff.yaml", ("  human_agent: {}\n", ""), "human_agent must be handed over"),
        ("handoff.yaml", ("human_agent: {}", "human_agent: {trigger: fraud}"), "human_agent must be handed over"),
        ("handoff.yaml", ("trigger: fraud", "trigger: whim"), r"report_fraud.trigger: Input should be"),
        ("stop_contact.yaml", ("[stop_contact]", "[go_away]"), "stop_contact must be an opt-out"),
        ("stop_contact.yaml", ("opt_out_confirmation", "entity"), "stop_contact must be an opt-out"),
        ("courtesies.yaml", (", action: stop_recording", ""), "no_recording must have the action"),
        ("courtesies.yaml", ("disclosures: [entity, ai]", "disclosures: [entity]"), "who_are_you must disclose"),
    ],
)
def test_no_flow_takes_a_callers_rights(file: str, change: tuple[str, str], reason: str) -> None:
    sources = default_sources()
    assert change[0] in sources[file]
    sources[file] = sources[file].replace(*change)
    with pytest.raises(FlowFaults, match=rf"{file}:\d+: .*{reason}"):
        load_flows(sources, contract=REGISTRY.contract)
