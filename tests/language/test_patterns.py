"""Sentence patterns: what they yield, that they yield the same each time, and how their faults are told."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.language.loader import PackRegistry
from app.language.patterns import Patterns, pattern_faults
from app.language.vocabulary import Vocabulary, vocabulary_of

pytestmark = pytest.mark.unit

INTENTS = ("affirm", "inform")


def drawn(*patterns: str, most: int = 50, **lists: list[str]) -> set[str]:
    made = Patterns.of({"intents": {"inform": list(patterns)}, "lists": lists}, Vocabulary())
    return {text for _, texts in made.drawn("inform", most) for text in texts}


def faults(doc: Mapping[str, Any]) -> list[tuple[str, str]]:
    return list(pattern_faults(doc, INTENTS))


def test_alternatives_options_and_lists_make_every_sentence() -> None:
    assert drawn("send [a] (cook|{who})", who=["nurse"]) == {"send cook", "send a cook", "send nurse", "send a nurse"}


def test_brackets_stand_within_brackets_and_alternatives_may_be_empty() -> None:
    assert drawn("a (b [c]|)") == {"a", "a b", "a b c"}


def test_lines_of_lists_may_be_patterns() -> None:
    assert drawn("{x}", x=["(one|two)", "three"]) == {"one", "two", "three"}


def test_days_goods_and_places_come_from_the_vocabulary() -> None:
    words = vocabulary_of(
        {"calendar": {"r1": ["tomorrow"], "ago": ["ago"]}, "items": ["rice"], "cities": {"Salem": ["salem"]}}
    )
    made = Patterns.of({"intents": {"inform": ["{day} {item} {city}"]}}, words)
    assert [texts for _, texts in made.drawn("inform", 5)] == [("tomorrow rice salem",)]


def test_no_more_than_asked_for_and_the_same_each_time() -> None:
    pattern = "(a|b|c|d) (e|f|g|h) (i|j|k|l)"
    first = drawn(pattern, most=5)
    assert len(first) == 5 and drawn(pattern, most=5) == first


@pytest.mark.parametrize(
    ("doc", "key", "words"),
    [
        ({"intents": {"nap": ["a"]}}, "intents.nap", "no intent"),
        ({"intents": {"inform": ["a (b"]}}, "intents.inform", "missing"),
        ({"intents": {"inform": ["a ]"]}}, "intents.inform", "stands alone"),
        ({"intents": {"inform": ["a | b"]}}, "intents.inform", "stands alone"),
        ({"intents": {"inform": ["{who}"]}}, "intents.inform", "no list who"),
        ({"intents": {"inform": "a"}}, "intents.inform", "list of text"),
        ({"lists": {"x": []}}, "lists.x", "list of text"),
        ({"lists": {"x": ["{x}"]}}, "lists.x", "no other list"),
        ({"more": {}}, "more", "no section"),
        ({"lists": []}, "lists", "names"),
    ],
)
def test_a_fault_is_told_with_its_place_and_cure(doc: Mapping[str, Any], key: str, words: str) -> None:
    found = faults(doc)
    assert [place for place, _ in found] == [key] and words in found[0][1]


@given(st.text(alphabet="ab ()[]|{}", max_size=30))
def test_a_pattern_is_refused_or_can_be_drawn_from(pattern: str) -> None:
    if not faults({"intents": {"inform": [pattern]}}):
        assert not any(mark in text for text in drawn(pattern) for mark in "()[]|{}")


def test_the_shipped_packs_draw_what_their_own_patterns_say(registry: PackRegistry) -> None:
    for pack in registry.packs:
        assert len(pack.patterns.intents) >= 15, pack.tag
        for intent in pack.patterns.intents:
            for pattern, texts in pack.patterns.drawn(intent, 3):
                assert texts, (pack.tag, intent, pattern)
