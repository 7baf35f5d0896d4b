"""From recognised text to reply, through understanding and dialogue, in every language and form of speech."""

from pathlib import Path

import pytest

from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import Reply
from app.nlu.understander import Understander
from tests.dialogue.conftest import LANGUAGES, REGISTRY, Conversation, kinds, says_key

pytestmark = pytest.mark.langpack


@pytest.fixture(scope="session")
def understander(models_dir: Path) -> Understander:
    return Understander(REGISTRY, models_dir)


async def hear(talk: Conversation, understander: Understander, text: str) -> Reply:
    last = talk.replies[-1]
    heard = understander.understand(
        text,
        enabled=talk.profile.languages,
        current_language=talk.state.language,
        expectation=last.expectation.value,
        expected_digits=last.expected_digits,
        asr_confidence=0.9,
    )
    return talk._keep(await talk.engine.handle_turn(talk.state, heard, talk.profile, talk.shop))


@pytest.mark.parametrize(
    ("language", "turns"),
    [
        ("en-IN", ["where is my order", "four five one two", "no that is all"]),
        ("hi-IN", ["मेरा order कहाँ है", "चार पांच एक दो", "नहीं बस"]),
        ("hi-IN", ["mera order kahan hai", "four five ek do", "nahi"]),
        ("ta-IN", ["என் order எங்க இருக்கு", "நாலு அஞ்சு ஒன்னு ரெண்டு", "வேண்டாம்"]),
        ("te-IN", ["నా order ఎక్కడ ఉంది", "నాలుగు ఐదు ఒకటి రెండు", "వద్దు"]),
    ],
)
async def test_order_status_by_text(
    engine: DialogueEngine, understander: Understander, language: str, turns: list[str]
) -> None:
    talk = Conversation(engine, language)
    await talk.open()
    question, number, no = turns
    assert says_key(await hear(talk, understander, question), language, "ask_order_id")
    assert says_key(await hear(talk, understander, number), language, "order_status_shipped")
    assert kinds(await hear(talk, understander, no)) == ["end"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("intent", "action"),
    [("stop_contact", "opt_out"), ("human_agent", "handoff_whatsapp"), ("switch_to_whatsapp", "handoff_whatsapp")],
)
async def test_sentences_of_the_packs_reach_their_action(
    engine: DialogueEngine, understander: Understander, language: str, intent: str, action: str
) -> None:
    texts = [text for forms in REGISTRY.get(language).intents[intent].values() for text in forms]
    reached = 0
    for text in texts:
        talk = Conversation(engine, language)
        await talk.open()
        reached += action in kinds(await hear(talk, understander, text))
    assert reached / len(texts) >= 0.95


@pytest.mark.parametrize(
    ("language", "cancel", "question", "key", "reason"),
    [
        ("en-IN", "cancel order 4512", "what is my refund status", "refund_initiated", "it has not come yet"),
        ("en-IN", "cancel order 4512", "when is your shop open", "ask_city", "the price is too high"),
        ("hi-IN", "order 4512 cancel karna hai", "mera refund kab aayega", "refund_initiated", "abhi tak nahi aaya"),
        ("hi-IN", "ऑर्डर 4512 कैंसिल करना है", "मेरा ऑर्डर कहाँ है", "order_status_shipped", "ऑर्डर अभी तक नहीं आया"),
        ("ta-IN", "ஆர்டர் 4512 கேன்சல் பண்ணுங்க", "ரீஃபண்ட் எப்போ வரும்", "refund_initiated", "இன்னும் வரல"),
        ("te-IN", "ఆర్డర్ 4512 క్యాన్సిల్ చేయండి", "నా రీఫండ్ ఎప్పుడు వస్తుంది", "refund_initiated", "ఇంకా రాలేదు"),
    ],
)
async def test_a_question_is_not_taken_for_the_reason(
    engine: DialogueEngine,
    understander: Understander,
    language: str,
    cancel: str,
    question: str,
    key: str,
    reason: str,
) -> None:
    talk = Conversation(engine, language)
    await talk.open()
    await hear(talk, understander, cancel)
    reply = await hear(talk, understander, question)
    assert says_key(reply, language, key) and "reason" not in talk.state.slots
    if key == "ask_city":
        reply = await hear(talk, understander, "pune")
    assert says_key(reply, language, "ask_cancel_reason")
    await hear(talk, understander, reason)
    assert talk.state.slots["reason"] == reason


@pytest.mark.parametrize(
    ("language", "turns", "written"),
    [
        (
            "en-IN",
            ["i want to cancel order 4512 because it is late", "what is the price of shoes", "yes please"],
            {"order_id": "4512", "reason": "it is late"},
        ),
        ("hi-IN", ["mujhe order 4512 cancel karna hai kyunki bahut late ho gaya", "haan ji"], {"order_id": "4512"}),
        ("ta-IN", ["ஆர்டர் 4512 கேன்சல் பண்ணுங்க", "லேட் ஆயிடுச்சு", "ஆமா"], {"order_id": "4512"}),
        ("te-IN", ["ఆర్డర్ 4512 క్యాన్సిల్ చేయండి", "చాలా ఆలస్యం అయింది", "అవును"], {"order_id": "4512"}),
    ],
)
async def test_cancelling_by_text(
    engine: DialogueEngine, understander: Understander, language: str, turns: list[str], written: dict[str, str]
) -> None:
    talk = Conversation(engine, language)
    await talk.open()
    for text in turns:
        reply = await hear(talk, understander, text)
    assert says_key(reply, language, "cancel_order_done"), [text for r in talk.replies for text in r.says]
    ((name, arguments),) = talk.shop.written.values()
    assert name == "cancel_order" and written.items() <= arguments.items()
