"""May we write on WhatsApp: asked once in the caller's language, and nothing but a clear yes is one."""

from dataclasses import replace

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.escalation import EscalationPolicy, Target
from app.dialogue.turn import Action, ActionKind, Expectation, Reply, WhatsAppStanding
from app.language.guess import LanguageGuess
from app.language.render import disclosure
from tests.dialogue.conftest import LANGUAGES, REGISTRY, Conversation, kinds, meant, profile, says_key, texts

pytestmark = pytest.mark.unit
YES = {"en-IN": "yes please", "hi-IN": "जी हाँ", "ta-IN": "ஆமா", "te-IN": "అవును"}
ASKED = {"whatsapp": WhatsAppStanding.UNASKED}


def question(language: str) -> str:
    return disclosure(REGISTRY.get(language), "whatsapp_opt_in", {"entity": "Sundar Stores"})


async def caller(engine: DialogueEngine, language: str, **changes: object) -> Conversation:
    talk = Conversation(engine, language, profile(**{**ASKED, **changes}))
    await talk.open()
    return talk


def consents(reply: Reply) -> list[Action]:
    return [action for action in reply.actions if action.kind is ActionKind.WHATSAPP_CONSENT]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_person_is_brought_in_after_a_yes_in_each_language(engine: DialogueEngine, language: str) -> None:
    talk = await caller(engine, language)
    asked = await talk.say("human_agent", text="a person")
    assert question(language) in texts(asked) and "Sundar Stores" in question(language) and not asked.actions
    assert asked.expectation is Expectation.YES_NO
    assert [say.interruptible for say in asked.says if say.disclosure == "whatsapp_opt_in"] == [False]
    reply = await talk.say("affirm", text=YES[language])
    assert kinds(reply) == ["whatsapp_consent", "handoff_whatsapp"]
    assert says_key(reply, language, "handoff_whatsapp_done")
    [kept] = consents(reply)
    assert kept.reason == "agreed"
    assert kept.data == {
        "words": YES[language], "by": "voice", "wording": question(language), "language": language,
    }  # fmt: skip
    [_, handoff] = reply.actions
    assert "requested" not in handoff.data and handoff.data["escalation"]["heard"] == "a person"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_no_is_kept_and_a_person_finds_the_matter_another_way(engine: DialogueEngine, language: str) -> None:
    talk = await caller(engine, language)
    await talk.say("human_agent")
    reply = await talk.say("deny", text="no")
    assert kinds(reply) == ["whatsapp_consent", "ticket"] and consents(reply)[0].reason == "declined"
    assert says_key(reply, language, "handoff_ticket_done")
    later = await talk.say("human_agent")
    assert question(language) not in texts(later), "it is asked once per call"
    assert "handoff_whatsapp" not in talk.state.done


async def test_a_no_rings_people_where_the_agent_may(engine: DialogueEngine) -> None:
    order = EscalationPolicy(targets=(Target.WHATSAPP, Target.PHONE))
    talk = await caller(engine, "hi-IN", transfer_number="+918012345678", escalation=order)
    await talk.say("human_agent")
    assert kinds(await talk.say("deny", text="no")) == ["whatsapp_consent", "transfer"]


@pytest.mark.parametrize("key, kind", [("1", "handoff_whatsapp"), ("2", "ticket")])
async def test_keys_answer_too(engine: DialogueEngine, key: str, kind: str) -> None:
    talk = await caller(engine, "te-IN")
    await talk.say("human_agent")
    reply = await talk.type(key)
    assert kinds(reply) == ["whatsapp_consent", kind]
    assert consents(reply)[0].data["by"] == "key" and consents(reply)[0].data["words"] == key


@pytest.mark.parametrize("unclear", [("out_of_scope", 0.9), ("affirm", 0.4), ("interested", 0.9), ("thank", 0.9)])
async def test_what_is_unclear_is_asked_once_more_and_is_never_a_yes(
    engine: DialogueEngine, unclear: tuple[str, float]
) -> None:
    intent, confidence = unclear
    talk = await caller(engine, "en-IN")
    await talk.say("human_agent")
    again = await talk.say(intent, confidence=confidence)
    assert says_key(again, "en-IN", "ask_yes_no") and not again.actions
    reply = await talk.say(intent, confidence=confidence)
    assert kinds(reply)[0] == "ticket" and not consents(reply)


async def test_silence_is_never_a_yes(engine: DialogueEngine) -> None:
    talk = await caller(engine, "ta-IN")
    await talk.say("human_agent")
    assert says_key(talk.silent(1), "ta-IN", "ask_yes_no")
    reply = talk.silent(2)
    assert kinds(reply) == ["ticket"] and talk.state.whatsapp == "asked_again"


async def test_who_asks_for_whatsapp_is_not_asked_back(engine: DialogueEngine) -> None:
    talk = await caller(engine, "hi-IN")
    reply = await talk.say("switch_to_whatsapp", text="व्हाट्सऐप पर भेजिए")
    assert kinds(reply) == ["handoff_whatsapp"] and reply.actions[0].data["requested"] == {"wording": ""}


async def test_a_yes_to_the_offer_keeps_the_question_that_named_the_business(engine: DialogueEngine) -> None:
    talk = await caller(engine, "en-IN")
    talk.shop.up = False
    await talk.say("order_status")
    offer = await talk.say("inform", digits="4512")
    assert any("Sundar Stores" in text for text in texts(offer))
    reply = await talk.say("affirm", text="yes")
    assert kinds(reply) == ["handoff_whatsapp"]
    assert "Sundar Stores" in reply.actions[0].data["requested"]["wording"]


async def test_who_agreed_before_is_not_asked(engine: DialogueEngine) -> None:
    talk = await caller(engine, "hi-IN", whatsapp=WhatsAppStanding.AGREED)
    assert kinds(await talk.say("human_agent")) == ["handoff_whatsapp"]


async def test_who_opted_out_is_not_asked_and_not_written_to(engine: DialogueEngine) -> None:
    talk = await caller(engine, "hi-IN", whatsapp=WhatsAppStanding.CLOSED)
    reply = await talk.say("human_agent")
    assert kinds(reply) == ["ticket"] and question("hi-IN") not in texts(reply)


async def test_an_opt_out_in_answer_ends_the_call(engine: DialogueEngine) -> None:
    talk = await caller(engine, "en-IN")
    await talk.say("human_agent")
    assert kinds(await talk.say("stop_contact")) == ["opt_out", "end"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_before_goodbye_the_agent_asks_where_it_is_set_to(engine: DialogueEngine, language: str) -> None:
    talk = await caller(engine, language, asks_whatsapp=True)
    await talk.say("order_status")
    await talk.say("inform", digits="4512")
    asked = await talk.say("deny", text="no")
    assert texts(asked)[-1] == question(language) and not talk.state.ended
    reply = await talk.say("affirm", text=YES[language])
    assert kinds(reply) == ["whatsapp_consent", "end"] and consents(reply)[0].reason == "agreed"
    assert talk.state.ended and says_key(reply, language, "goodbye")


@pytest.mark.parametrize("standing", [WhatsAppStanding.AGREED, WhatsAppStanding.DECLINED, WhatsAppStanding.CLOSED])
async def test_before_goodbye_only_who_was_never_asked_is(engine: DialogueEngine, standing: WhatsAppStanding) -> None:
    talk = await caller(engine, "en-IN", asks_whatsapp=True, whatsapp=standing)
    assert kinds(await talk.say("goodbye")) == ["end"]
    asked = await caller(engine, "en-IN", asks_whatsapp=True)
    assert texts(await asked.say("goodbye")) == [question("en-IN")]
    asked.silent(1)
    assert kinds(asked.silent(2)) == ["end"]


async def test_another_matter_goes_before_the_question_at_the_end(engine: DialogueEngine) -> None:
    talk = await caller(engine, "en-IN", asks_whatsapp=True)
    await talk.say("goodbye")
    reply = await talk.say("order_status")
    assert reply.expectation is Expectation.DIGITS and not reply.actions
    await talk.say("inform", digits="4512")
    assert kinds(await talk.say("deny")) == ["end"], "it was asked"


async def test_the_question_can_be_heard_again_and_in_another_language(engine: DialogueEngine) -> None:
    talk = await caller(engine, "en-IN")
    await talk.say("human_agent")
    assert texts(await talk.say("repeat")) == [question("en-IN")]
    hindi = replace(meant("change_language"), language=LanguageGuess("en-IN", 0.9, ("und",), requested="hi-IN"))
    changed, talk.state = await engine.handle_turn(talk.state, hindi, talk.profile, talk.shop)
    assert question("hi-IN") in texts(changed)
    reply = await talk.say("affirm", text="yes")
    assert kinds(reply) == ["whatsapp_consent", "handoff_whatsapp"]


async def test_a_consent_that_is_not_stored_sends_nothing(engine: DialogueEngine) -> None:
    talk = await caller(engine, "en-IN")
    await talk.say("human_agent")
    said = await talk.say("affirm", text="yes")
    reply, state = engine.on_action_failed(talk.state, talk.profile, said.actions[0])
    assert "handoff_whatsapp" not in kinds(reply) and state.ended and says_key(reply, "en-IN", "no_person_available")


async def test_the_longest_call_without_consent_is_noted_for_a_person(engine: DialogueEngine) -> None:
    talk = await caller(engine, "en-IN")
    reply, state = engine.on_max_duration(talk.state, talk.profile)
    assert kinds(reply) == ["ticket", "end"] and state.ended


async def test_a_switched_off_agent_asks_nothing_and_writes_to_nobody_unasked(engine: DialogueEngine) -> None:
    talk = await caller(engine, "en-IN")
    reply, _ = engine.on_switched_off(talk.state, talk.profile, "whatsapp")
    assert kinds(reply) == ["ticket", "end"] and question("en-IN") not in texts(reply)
