"""What is asked of a language model, and what of its answer is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.language.guess import LanguageGuess
from app.nlu.opinion import CONFIDENCE, NEVER_ASKED, RULE, SPAN_KINDS, Choice, Opinion, Span, is_wanted, merged
from app.nlu.understanding import Entity, Understanding

pytestmark = pytest.mark.unit

CHOICES = (Choice("order_status", "where it is"), Choice("complaint", "is dissatisfied"))
WORDS = "जो साड़ी मँगवाई थी अब तक नहीं आई"


def heard(text: str = WORDS, intent: str = "out_of_scope", confidence: float = 0.3) -> Understanding:
    return Understanding(text, intent, confidence, LanguageGuess("hi-IN", 0.9), alternatives={"complaint": 0.2})


@pytest.mark.parametrize(
    ("found", "expectation", "wanted"),
    [
        (heard(), "open", True),
        (heard(), "text", True),
        (heard(intent="order_status", confidence=0.4), "open", True),
        (heard(intent="order_status", confidence=0.8), "open", False),
        (heard(), "digits", False),
        (heard(), "yes_no", False),
        (heard("hmm"), "open", False),
        (heard("word " * 200), "open", False),
    ],
)
def test_only_free_words_that_are_in_doubt_are_asked_about(
    found: Understanding, expectation: str, wanted: bool
) -> None:
    assert is_wanted(found, expectation) is wanted


def test_an_intent_of_the_list_and_the_callers_own_words_are_taken() -> None:
    found = merged(heard(), Opinion("order_status", (Span("item", "साड़ी"),)), CHOICES, WORDS)
    assert (found.intent, found.confidence, found.rule) == ("order_status", CONFIDENCE, RULE)
    assert found.entities == (Entity("item", "साड़ी", "साड़ी", CONFIDENCE),)


@given(
    st.text(max_size=40),
    st.lists(st.builds(Span, st.sampled_from([*SPAN_KINDS, "amount", "digits"]), st.text(max_size=30)), max_size=4),
)
def test_whatever_a_model_says_nothing_but_offered_intents_and_heard_words_come_of_it(
    intent: str, spans: list[Span]
) -> None:
    before = heard()
    found = merged(before, Opinion(intent, tuple(spans)), CHOICES, WORDS)
    assert found is before or found.intent in {"order_status", "complaint"}
    also = merged(before, Opinion("complaint", tuple(spans)), CHOICES, WORDS)
    assert all(entity.kind in SPAN_KINDS and entity.value in WORDS for entity in also.entities)
    assert also.text == WORDS


def test_what_was_masked_is_no_span_and_what_we_found_ourselves_stays() -> None:
    told = "[number] वाली साड़ी"
    span = Span("item", "[number] वाली साड़ी")
    assert merged(heard(), Opinion("complaint", (span,)), CHOICES, told).entities == ()
    ours = Understanding(WORDS, "out_of_scope", 0.2, LanguageGuess("hi-IN", 0.9), (Entity("item", "कुर्ता", "कुर्ता"),))
    found = merged(ours, Opinion("complaint", (Span("item", "साड़ी"),)), CHOICES, WORDS)
    assert found.entities == ours.entities


def test_assent_consent_and_opting_out_are_never_a_models() -> None:
    assert {"affirm", "deny", "stop_contact", "no_recording"} <= NEVER_ASKED
