"""The reply follows the caller: over turns, at the start, as an answer, and not on a stray word."""

import pytest

from app.dialogue.reply_language import follow
from app.dialogue.turn import DialogueState
from app.language.identify import identify
from app.nlu.understanding import Entity, Understanding
from tests.packs import shipped_packs

pytestmark = pytest.mark.langpack

REGISTRY = shipped_packs()
SENTENCES = {
    "en-IN": ("where is my parcel now", "i asked you about the refund"),
    "hi-IN": ("मेरा parcel कहाँ है अभी", "refund kab tak aayega batao"),
    "ta-IN": ("என் parcel எங்க இருக்கு", "refund eppo varum sollunga"),
    "te-IN": ("నా parcel ఎక్కడ ఉంది", "refund eppudu vastundi cheppandi"),
}


def heard(text: str, current: str, intent: str = "order_status", *entities: Entity) -> Understanding:
    guess = identify(text, REGISTRY.packs, enabled=REGISTRY.tags, current=current)
    return Understanding(text, intent, 0.9, guess, entities)


def talk(language: str, *texts: str, turn: int = 3, awaiting: str | None = None, asked: str | None = None) -> list[str]:
    tags = REGISTRY.tags
    state = DialogueState(language=language, languages=tags, turn=turn, awaiting=awaiting, language_asked=asked)
    spoken = []
    for text in texts:
        after, votes = follow(state, heard(text, state.language))
        state = DialogueState(
            language=after, languages=REGISTRY.tags, turn=state.turn + 1, language_votes=votes, language_asked=asked
        )
        spoken.append(after)
    return spoken


@pytest.mark.parametrize("before", REGISTRY.tags)
@pytest.mark.parametrize("after", REGISTRY.tags)
def test_two_turns_in_another_language_switch_one_does_not(before: str, after: str) -> None:
    assert talk(before, *SENTENCES[after]) == [before, after]


@pytest.mark.parametrize("before", REGISTRY.tags)
@pytest.mark.parametrize("after", REGISTRY.tags)
def test_one_clear_turn_switches_at_the_start_and_after_the_question(before: str, after: str) -> None:
    for text in SENTENCES[after]:
        assert talk(before, text, turn=0) == [after]
        assert talk(before, text, awaiting="language") == [after]


@pytest.mark.parametrize("language", ["hi-IN", "ta-IN", "te-IN"])
@pytest.mark.parametrize(
    "stray", ["yes", "order", "ok correct", "thank you", "delivery boy", "refund", "customer care"]
)
def test_stray_english_words_never_switch(language: str, stray: str) -> None:
    assert talk(language, stray, stray, stray) == [language] * 3
    assert talk(language, stray, turn=0) == [language]


def test_a_language_that_was_asked_for_is_left_only_for_clear_turns() -> None:
    asked = DialogueState(language="ta-IN", languages=REGISTRY.tags, turn=3, language_asked="ta-IN")
    state = asked
    for _ in range(3):
        language, votes = follow(state, heard("where parcel", "ta-IN"))
        assert language == "ta-IN"
        state = DialogueState(
            language=language, languages=REGISTRY.tags, turn=4, language_votes=votes, language_asked="ta-IN"
        )
    assert talk("ta-IN", *SENTENCES["en-IN"], asked="ta-IN") == ["ta-IN", "en-IN"]


def test_votes_of_different_languages_do_not_add_up() -> None:
    assert talk("en-IN", SENTENCES["hi-IN"][0], SENTENCES["ta-IN"][0]) == ["en-IN", "en-IN"]
    assert talk("hi-IN", SENTENCES["en-IN"][0], SENTENCES["hi-IN"][0], SENTENCES["en-IN"][1]) == ["hi-IN"] * 3


def test_numbers_and_languages_that_the_agent_lacks_change_nothing() -> None:
    state = DialogueState(language="hi-IN", languages=("hi-IN", "en-IN"), turn=2, language_votes=("en-IN",))
    number = heard("four five one two", "hi-IN", "inform", Entity("digits", "4512", "four five one two"))
    assert follow(state, number) == ("hi-IN", ("en-IN",))
    assert follow(state, heard(SENTENCES["ta-IN"][0], "hi-IN"))[0] == "hi-IN"
