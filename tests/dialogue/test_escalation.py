"""What brings a person in: each trigger, switched on and off; where the person is reached; and the evidence."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.escalation import EscalationPolicy, Target, Trigger
from app.dialogue.hours import BusinessHours, Span
from app.dialogue.prosody import Prosody, learnt, strain
from app.dialogue.turn import AgentProfile, DialogueState, Expectation, Reply
from app.language.numbers import spoken_digits
from tests.dialogue.conftest import FLOWS, LANGUAGES, REGISTRY, Conversation, FixedClock, Shop, kinds, profile, says_key

pytestmark = pytest.mark.unit
PHONE = {"handoff": "phone", "transfer_number": "+911140000000"}
OFFICE = BusinessHours(week=tuple((day, Span("10:00", "19:00")) for day in range(5)))
NIGHT = FixedClock(datetime(2026, 11, 23, 20, 0, tzinfo=UTC))


def words(language: str, kind: str) -> str:
    phrases = REGISTRY.get(language).lexicon.alarm_words
    return next(phrase for phrase, of in phrases.items() if of == kind)


async def talk_of(engine: DialogueEngine, language: str, policy: EscalationPolicy, **agent: object) -> Conversation:
    talk = Conversation(engine, language, profile(escalation=policy, **agent))
    await talk.open()
    return talk


def decided(reply: Reply) -> tuple[str, dict[str, object]]:
    data = next(a.data["escalation"] for a in reply.actions if "escalation" in a.data)
    return str(data["trigger"]), dict(data["evidence"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["medical", "security"])
async def test_danger_in_words(engine: DialogueEngine, language: str, kind: str) -> None:
    talk = await talk_of(engine, language, EscalationPolicy())
    said = words(language, kind)
    reply = await talk.say("order_status", text=f"xx {said} xx")
    assert says_key(reply, language, "escalation_ack") and decided(reply) == (kind, {"words": [said]})
    off = await talk_of(engine, language, EscalationPolicy(medical=False, security=False))
    assert not (await off.say("order_status", text=f"xx {said} xx")).actions


@pytest.mark.parametrize("language", LANGUAGES)
async def test_anger_adds_up_and_fades(engine: DialogueEngine, language: str) -> None:
    angry = words(language, "anger")
    talk = await talk_of(engine, language, EscalationPolicy())
    assert not (await talk.say("order_status", text=f"{angry} xx")).actions
    reply = await talk.say("order_status", text=f"xx {angry}")
    trigger, evidence = decided(reply)
    assert trigger == "sentiment" and evidence["words"] == [angry] and evidence["mood"] >= 1.0  # type: ignore[operator]
    assert says_key(reply, language, "complaint_ack") and reply.actions[0].data["sentiment"] >= 1.0
    calm = await talk_of(engine, language, EscalationPolicy())
    await calm.say("order_status", text=f"{angry} xx")
    for _ in range(3):
        assert not (await calm.say("wait", text="xx")).actions
    assert calm.state.mood < 0.1


async def test_a_raised_voice_counts_beside_the_words(engine: DialogueEngine) -> None:
    language = LANGUAGES[0]
    calm, raised = Prosody(2.0, 2.5, -24.0, 130.0, 2.0), Prosody(4.0, 3.8, -15.0, 180.0, 4.0)
    angry = words(language, "anger")
    talk = await talk_of(engine, language, EscalationPolicy())
    await talk.say("greet", calm)
    assert decided(await talk.say("complaint", raised, text=f"this is {angry}"))[0] == "sentiment"
    deaf = await talk_of(engine, language, EscalationPolicy(prosody=False, sentiment=1.2))
    await deaf.say("greet", calm)
    assert not (await deaf.say("order_status", raised, text=f"this is {angry}")).actions


def test_each_sign_of_a_raised_voice_counts() -> None:
    usual = learnt({}, Prosody(2.0, 2.5, -24.0, 130.0, 2.0))
    calm = Prosody(2.0, 2.5, -24.0, 130.0, 2.0)
    assert strain(usual, calm) == 0.0
    for sign in ({"turn_seconds": 5.0}, {"words_per_second": 3.5}, {"loudness_db": -17.0}, {"pitch_hz": 160.0}):
        assert strain(usual, replace(calm, **sign)) == 0.25, sign
    assert strain(usual, replace(calm, pitch_spread=3.5)) == 0.25
    assert strain(usual, replace(calm, turn_seconds=3.9)) == 0.0, "twice as long, but short"
    assert strain(usual, Prosody(9.0, 4.0, -10.0, 200.0, 5.0)) == 1.0


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("agent", [{}, PHONE], ids=["whatsapp", "phone"])
async def test_doubt_twice_in_a_row_offers_a_person(
    engine: DialogueEngine, language: str, agent: dict[str, object]
) -> None:
    talk = await talk_of(engine, language, EscalationPolicy(), **agent)
    assert not says_key(await talk.say("out_of_scope", text="blah", confidence=0.97), language, "not_understood_again")
    reply = await talk.say("out_of_scope", text="blah blah", confidence=0.6)
    assert says_key(reply, language, "not_understood_again") and not reply.actions
    assert says_key(reply, language, "offer_person" if agent else "handoff_whatsapp_confirm")
    reply = await talk.say("affirm", text="yes")
    trigger, evidence = decided(reply)
    assert trigger == "low_confidence" and reply.actions[0].reason == "low_confidence"
    assert evidence["turns"] == 2 and evidence["words"] == "blah blah" and evidence["confidence"] == 0.6
    assert kinds(reply)[0] == ("transfer" if agent else "handoff_whatsapp")


async def test_an_unsure_intent_counts_as_doubt(engine: DialogueEngine) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    await talk.say("order_status", confidence=0.2)
    reply = await talk.say("return_order", confidence=0.1)
    assert says_key(reply, talk.language, "not_understood_again") and not reply.actions
    assert decided(await talk.say("refund_status", confidence=0.1))[0] == "low_confidence", "the offer is not repeated"


async def test_the_open_question_is_asked_again_after_a_no_to_the_person(engine: DialogueEngine) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    await talk.say("order_status")
    assert says_key(await talk.say("out_of_scope"), talk.language, "ask_order_id_again")
    assert says_key(await talk.say("out_of_scope"), talk.language, "not_understood_again")
    reply = await talk.say("deny", text="no")
    assert reply.expectation is Expectation.DIGITS and not reply.actions and talk.state.flow == "order_status"
    assert says_key(await talk.say("inform", digits="4512"), talk.language, "order_status_shipped")


async def test_who_does_not_understand_the_offer_either_reaches_a_person(engine: DialogueEngine) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    for _ in range(3):
        reply = await talk.say("out_of_scope")
    trigger, evidence = decided(reply)
    assert trigger == "repeated_failure" and evidence["uncertain_turns"] == 2


@pytest.mark.parametrize("between", ["greet", "thank", "who_are_you", "wait", "repeat"])
async def test_courtesies_are_no_doubt(engine: DialogueEngine, between: str) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    await talk.say(between, confidence=0.2)
    await talk.say(between, confidence=0.2)
    assert talk.state.uncertain == 0
    await talk.say("out_of_scope")
    await talk.say(between)
    assert not says_key(await talk.say("out_of_scope"), talk.language, "not_understood_again")


async def test_silence_is_no_doubt(engine: DialogueEngine) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    await talk.say("out_of_scope")
    await talk.say("silence", text="")
    talk.silent(1)
    assert talk.state.uncertain == 1


async def test_answers_are_no_doubt_whatever_they_sound_like(engine: DialogueEngine) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    await talk.say("cancel_order")
    await talk.say("out_of_scope", digits="4512")
    await talk.say("out_of_scope", text="my cousin bought one")
    assert talk.state.uncertain == 0 and talk.state.slots["reason"] == "my cousin bought one"
    await talk.say("out_of_scope")
    assert not says_key(await talk.say("affirm"), talk.language, "not_understood_again")
    quote = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    await quote.say("request_quote", item="shoes", quantity="3")
    assert not (await quote.say("out_of_scope", text="whatever")).actions and quote.state.uncertain == 0, "optional"


async def test_how_often_is_the_agents_choice(engine: DialogueEngine) -> None:
    at_once = await talk_of(engine, LANGUAGES[0], EscalationPolicy(low_confidence=1))
    assert says_key(await at_once.say("out_of_scope"), LANGUAGES[0], "not_understood_again")
    off = await talk_of(engine, LANGUAGES[0], EscalationPolicy(low_confidence=0))
    for _ in range(2):
        reply = await off.say("out_of_scope", confidence=0.1)
    assert says_key(reply, LANGUAGES[0], "not_understood_2") and not reply.actions


async def test_a_refund_above_the_limit(engine: DialogueEngine) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    reply = await talk.say("refund_status", digits="77001")
    assert decided(reply) == ("high_refund", {"amount": 90_000, "limit": 25_000, "flow": "refund_status"})
    assert not any("ninety" in say.text for say in reply.says)
    free = await talk_of(engine, LANGUAGES[0], EscalationPolicy(refund_over=None))
    assert says_key(await free.say("refund_status", digits="77001"), LANGUAGES[0], "refund_initiated")


async def test_signs_of_buying(engine: DialogueEngine) -> None:
    policy = EscalationPolicy()
    talk = await talk_of(engine, LANGUAGES[0], policy)
    reply = await talk.say("request_quote", item="shoes", quantity="90", amount="250000")
    assert decided(reply)[0] == "buying_intent" and decided(reply)[1]["budget"] == 250_000
    known = reply.actions[0].data
    assert known["intent"] == "request_quote" and known["slots"]["budget"] == "250000"
    slow = await talk_of(engine, LANGUAGES[0], policy)
    assert not (await slow.say("request_quote", item="shoes", amount="500")).actions
    assert decided(await slow.say("decision_maker", text="I decide"))[0] == "buying_intent"
    off = await talk_of(engine, LANGUAGES[0], EscalationPolicy(buying_intent=0))
    assert says_key(await off.say("interested"), LANGUAGES[0], "unsupported_request")


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_minor_is_handed_over(engine: DialogueEngine, language: str) -> None:
    talk = await talk_of(engine, language, EscalationPolicy())
    reply = await talk.say("order_status", text=words(language, "minor"))
    assert says_key(reply, language, "minor_handoff") and decided(reply)[0] == "age"
    own = next((p for p, kind in REGISTRY.get(language).lexicon.alarm_words.items() if kind == "age"), "")
    young = await talk_of(engine, language, EscalationPolicy())
    reply = await young.say("order_status", text=f"15 {own}")
    assert decided(reply)[1].get("age") == 15
    old = await talk_of(engine, language, EscalationPolicy())
    assert not (await old.say("order_status", text=f"45 {own}")).actions


@pytest.mark.parametrize(
    ("said", "minor"),
    [
        ("main 14 saal ka hoon", True),
        ("main chaudah saal ka hun", True),
        ("मैं पंद्रह साल की हूँ", True),
        ("எனக்கு பதினாலு வயசு", True),
        ("naaku 15 yellu", True),
        ("i am fifteen years old", True),
        ("i am sixteen", True),
        ("i'm 16 and i want to order", True),
        ("main solah ka hoon", True),
        ("en vayasu padhinanju", True),
        ("నాకు పదహారేళ్ళు", True),
        ("i am twenty five", False),
        ("i am five minutes late", False),
        ("i am two", False),
        ("main das ko aaunga", False),
        ("main 40 saal ka hoon", False),
        ("मेरा बेटा चौदह साल का है", False),
        ("my son is 14 years old", False),
        ("warranty 2 saal ki hai", False),
    ],
)
async def test_an_age_is_known_by_its_number(engine: DialogueEngine, said: str, minor: bool) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    actions = (await talk.say("order_status", text=said)).actions
    assert [action.data["escalation"]["trigger"] for action in actions] == ["age"] * minor


@pytest.mark.parametrize(
    ("intent", "off"), [("report_fraud", "fraud"), ("legal_threat", "legal"), ("billing_dispute", "billing")]
)
async def test_grave_matters_go_to_a_person_unless_the_policy_says_otherwise(
    engine: DialogueEngine, intent: str, off: str
) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    reply = await talk.say(intent, amount="900")
    assert decided(reply)[0] == off and reply.actions[0].data["slots"]["amount"] == "900"
    other = await talk_of(engine, LANGUAGES[0], EscalationPolicy(**{off: False}))  # type: ignore[arg-type]
    assert says_key(await other.say(intent), LANGUAGES[0], "unsupported_request")


async def test_an_explicit_request_is_never_switched_off(engine: DialogueEngine) -> None:
    nothing = EscalationPolicy(
        low_confidence=0, sentiment=0, buying_intent=0, legal=False, fraud=False, age=False, system_down=False
    )
    talk = await talk_of(engine, LANGUAGES[0], nothing)
    await talk.say("cancel_order", digits="4512")
    reply = await talk.say("human_agent", text="give me a person")
    assert decided(reply)[0] == "explicit_request" and kinds(reply) == ["handoff_whatsapp"]
    data = reply.actions[0].data
    assert data["escalation"]["heard"] == "give me a person" and data["intent"] == "cancel_order"


async def test_the_person_gets_what_was_fetched(engine: DialogueEngine) -> None:
    talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy())
    await talk.say("order_status", digits="4512")
    (entry,) = (await talk.say("human_agent")).actions[0].data["fetched"]
    assert entry["tool"] == "order_status" and entry["data"]["city"] == "Pune"


async def test_a_broken_system_offers_a_person_or_goes_on(engine: DialogueEngine) -> None:
    for wanted in (True, False):
        talk = await talk_of(engine, LANGUAGES[0], EscalationPolicy(system_down=wanted))
        talk.shop = Shop(up=False)
        reply = await talk.say("store_hours", city="Pune")
        assert says_key(reply, LANGUAGES[0], "system_not_answering")
        assert says_key(reply, LANGUAGES[0], "anything_else") is not wanted
        if wanted:
            assert decided(await talk.say("affirm"))[0] == "system_down"


def agent(**changes: object) -> AgentProfile:
    return profile(**{**PHONE, "hours": OFFICE, **changes})


@pytest.mark.parametrize("language", LANGUAGES)
async def test_out_of_hours_the_phone_gives_way_to_whatsapp(language: str) -> None:
    day, night = DialogueEngine(REGISTRY, FLOWS, clock=FixedClock()), DialogueEngine(REGISTRY, FLOWS, clock=NIGHT)
    for engine, expected in ((day, ["transfer"]), (night, ["handoff_whatsapp"])):
        talk = Conversation(engine, language, agent())
        await talk.open()
        reply = await talk.say("human_agent")
        assert kinds(reply) == expected
        assert says_key(reply, language, "person_closed") is (expected != ["transfer"])


@pytest.mark.parametrize(
    ("targets", "kind", "key"),
    [
        ((Target.CALLBACK,), "callback", "handoff_callback_done"),
        ((Target.TICKET, Target.PHONE), "ticket", "handoff_ticket_done"),
        ((Target.PHONE, Target.TICKET), "ticket", "handoff_ticket_done"),
    ],
)
async def test_targets_are_tried_in_the_policys_order(targets: tuple[Target, ...], kind: str, key: str) -> None:
    for language in LANGUAGES:
        engine = DialogueEngine(REGISTRY, FLOWS, clock=NIGHT)
        talk = Conversation(engine, language, agent(escalation=EscalationPolicy(targets=targets)))
        await talk.open()
        reply = await talk.say("human_agent")
        assert kinds(reply) == [kind] and says_key(reply, language, key)


def test_hours_over_midnight_and_in_another_zone() -> None:
    late = BusinessHours(week=((4, Span("22:00", "02:00")),))
    assert late.is_open(datetime(2026, 11, 27, 17, 0, tzinfo=UTC))  # Friday 22:30 in India
    assert late.is_open(datetime(2026, 11, 27, 20, 0, tzinfo=UTC))  # Saturday 01:30
    assert not late.is_open(datetime(2026, 11, 27, 21, 0, tzinfo=UTC))
    paris = BusinessHours("Europe/Paris", OFFICE.week)
    assert paris.is_open(datetime(2026, 11, 23, 17, 30, tzinfo=UTC))
    assert not OFFICE.is_open(datetime(2026, 11, 23, 17, 30, tzinfo=UTC))
    assert BusinessHours().is_open(datetime(2026, 11, 22, 3, 0, tzinfo=UTC))


def test_policy_and_hours_survive_being_stored() -> None:
    policy = EscalationPolicy(targets=(Target.TICKET,), refund_over=None, sentiment=0.4)
    assert EscalationPolicy.of(policy.to_json()) == policy
    assert BusinessHours.of(**OFFICE.to_json()) == OFFICE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("language", "text", "trigger"),
    [
        ("en-IN", "my father has trouble breathing", "medical"),
        ("hi-IN", "मेरी छाती में दर्द हो रहा है", "medical"),
        ("hi-IN", "saans lene mein dikkat ho rahi hai", "medical"),
        ("ta-IN", "நெஞ்சு வலிக்குது", "medical"),
        ("ta-IN", "appa mayangi vizhunthutaaru", "medical"),
        ("te-IN", "నాకు ఛాతీలో నొప్పి వస్తోంది", "medical"),
        ("en-IN", "i gave my otp to someone", "security"),
        ("hi-IN", "मेरा कार्ड खो गया", "security"),
        ("ta-IN", "வீட்ல தீ பிடிச்சிடுச்சு", "security"),
        ("te-IN", "నా కార్డు పోయింది", "security"),
    ],
)
async def test_dangers_as_callers_tell_them(engine: DialogueEngine, language: str, text: str, trigger: str) -> None:
    talk = await talk_of(engine, language, EscalationPolicy())
    reply = await talk.say("out_of_scope", text=text)
    found, evidence = decided(reply)
    assert found == trigger and evidence["words"]


def test_the_packs_name_every_reason_of_a_handover() -> None:
    assert set(REGISTRY.contract.lexicon["handover_reasons"].keys) == {trigger.value for trigger in Trigger}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_whoever_is_rung_hears_who_calls_about_what_and_why(engine: DialogueEngine, language: str) -> None:
    talk = await talk_of(engine, language, EscalationPolicy(), **PHONE)
    await talk.say("refund_status", digits="4512")
    reply = await talk.say("human_agent")
    lexicon, pack = REGISTRY.get(language).lexicon, REGISTRY.get(language)
    text, tag = engine.whisper(talk.state, decided(reply)[0])
    assert tag == language and text.count(lexicon.matters["refund_status"]) == 1
    assert spoken_digits(pack, "4512") in text and lexicon.handover_reasons["explicit_request"] in text
    unknown, _ = engine.whisper(replace(talk.state, intent="a_tenants_own", slots={}), None)
    assert lexicon.matters["other"] in unknown and spoken_digits(pack, "4") not in unknown.split()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_whisper_lasts_no_longer_than_twelve_seconds(engine: DialogueEngine, language: str) -> None:
    pack = REGISTRY.get(language)
    for intent in pack.lexicon.matters:
        state = DialogueState(language, LANGUAGES, intent=intent, slots={"order_id": "7" * 14})
        for trigger in Trigger:
            text, _ = engine.whisper(state, trigger)
            seconds = len(text.split()) / pack.manifest.tts_rate_wpm * 60
            assert "{" not in text and seconds <= 12, (text, seconds)
