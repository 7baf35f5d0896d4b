"""Calls that we place: a question that fits the purpose, what yes and no lead to, and the message on a machine."""

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import AgentProfile, Expectation
from app.language.numbers import spoken_digits
from tests.dialogue.conftest import LANGUAGES, REGISTRY, Conversation, kinds, profile, says_key, texts

pytestmark = pytest.mark.unit


def calling(purpose: str) -> AgentProfile:
    return profile(about={tag: "4512" for tag in LANGUAGES}, given={"order_id": "4512"}, call_purpose=purpose)


async def rung(engine: DialogueEngine, language: str, purpose: str) -> Conversation:
    talk = Conversation(engine, language, calling(purpose))
    opening = await talk.open()
    assert opening.says[-1].disclosure is None and opening.expectation is Expectation.YES_NO
    return talk


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("purpose", "key"),
    [("service", "outbound_ask"), ("recovery", "outbound_ask"), ("promotional", "outbound_ask_offer")],
)
async def test_the_question_after_the_opening_fits_the_purpose(
    engine: DialogueEngine, language: str, purpose: str, key: str
) -> None:
    talk = await rung(engine, language, purpose)
    assert says_key(talk.replies[0], language, key)
    assert not says_key(talk.replies[0], language, "greeting_ask")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_yes_goes_on_and_no_asks_when_to_call(engine: DialogueEngine, language: str) -> None:
    talk = await rung(engine, language, "service")
    assert says_key(await talk.say("affirm"), language, "outbound_go_on")
    assert says_key(await talk.say("order_status"), language, "order_status_shipped"), "the number was given"
    talk = await rung(engine, language, "service")
    assert says_key(await talk.say("deny"), language, "ask_callback_date")


async def test_an_offer_leads_to_a_person_or_to_a_friendly_end(engine: DialogueEngine) -> None:
    talk = await rung(engine, "en-IN", "promotional")
    wanted = await talk.say("affirm")
    assert says_key(wanted, "en-IN", "interested_ok") and "handoff_whatsapp" in kinds(wanted)
    talk = await rung(engine, "en-IN", "promotional")
    refused = await talk.say("deny")
    assert says_key(refused, "en-IN", "not_interested_ok") and kinds(refused) == ["end"]


async def test_a_matter_instead_of_an_answer_is_served_and_a_greeting_is_asked_again(engine: DialogueEngine) -> None:
    talk = await rung(engine, "en-IN", "service")
    assert says_key(await talk.say("greet"), "en-IN", "outbound_ask")
    assert says_key(await talk.say("order_status"), "en-IN", "order_status_shipped")
    assert says_key(await talk.say("thank"), "en-IN", "thanks_reply")


async def test_keys_answer_the_question_too(engine: DialogueEngine) -> None:
    talk = await rung(engine, "en-IN", "service")
    assert says_key(await talk.type("1"), "en-IN", "outbound_go_on")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_machine_hears_who_rang_and_where_to_call_back_and_nothing_of_the_matter(
    engine: DialogueEngine, language: str
) -> None:
    talk = await rung(engine, language, "service")
    reply, state = engine.on_machine(talk.state, talk.profile, "+918047000001")
    pack = REGISTRY.get(language)
    assert [say.disclosure for say in reply.says] == list(pack.voicemail)
    assert all(not say.interruptible and say.fixed for say in reply.says)
    assert spoken_digits(pack, "08047000001") in texts(reply)[-1]
    assert "Sundar Stores" in texts(reply)[0] and "4512" not in " ".join(texts(reply))
    assert kinds(reply) == ["end"] and state.ended
    assert engine.on_machine(state, talk.profile, "+918047000001")[0].says == ()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_who_says_stop_while_we_take_our_leave_is_obeyed(engine: DialogueEngine, language: str) -> None:
    talk = await rung(engine, language, "service")
    _, talk.state = engine.on_machine(talk.state, talk.profile, "+12125550100")
    assert (await talk.say("order_status")).says == ()
    assert kinds(await talk.say("stop_contact")) == ["opt_out", "end"]
