"""Sentences come out filled, or not at all."""

import pytest

from app.errors import PackError
from app.language.loader import PackRegistry
from app.language.render import cases_of, disclosure, error_text, fill, inflect, render, slots_of, topic_of

pytestmark = pytest.mark.unit


def test_known_values_choose_the_fuller_sentence(registry: PackRegistry) -> None:
    pack = registry.get("en-IN")
    assert "Friday" not in render(pack, "order_status_shipped", {"order_id": "one"})
    full = render(pack, "order_status_shipped", {"order_id": "one", "date": "Friday", "city": "Pune"})
    assert "Friday" in full and "Pune" in full
    assert "Pune" in render(pack, "order_status_shipped", {"order_id": "one", "date": "", "city": "Pune"})


def test_variants_go_round(registry: PackRegistry) -> None:
    pack = registry.get("en-IN")
    said = [render(pack, "greeting_ask", {}, variant) for variant in range(4)]
    assert said[0] != said[1] and said[:2] == said[2:]


def test_missing_slot_and_key_are_errors(registry: PackRegistry) -> None:
    pack = registry.get("en-IN")
    with pytest.raises(PackError, match="no value for order_id"):
        render(pack, "order_not_found", {"order_id": ""})
    with pytest.raises(PackError, match="nonsense: missing"):
        render(pack, "nonsense")
    with pytest.raises(PackError, match="no value for entity"):
        disclosure(pack, "entity")
    with pytest.raises(PackError, match="no value for limit"):
        error_text(pack, "message_too_long")


def test_values_are_not_read_as_slots(registry: PackRegistry) -> None:
    pack = registry.get("en-IN")
    assert "{digits}" in render(pack, "confirm_order_id", {"digits": "{digits}"})


def test_topic_falls_back_to_other(registry: PackRegistry) -> None:
    pack = registry.get("en-IN")
    assert topic_of(pack, "order_status") == "your order"
    assert topic_of(pack, "a_tenants_own") == pack.lexicon.topics["other"]


def test_a_case_bends_the_end_of_a_value(registry: PackRegistry) -> None:
    tamil, telugu = registry.get("ta-IN"), registry.get("te-IN")
    assert [inflect(tamil, "dat", c) for c in ("சென்னை", "ஈரோடு", "புனே", "Xanadu")] == [
        "சென்னைக்கு", "ஈரோட்டுக்கு", "புனேவுக்கு", "Xanadu-க்கு",
    ]  # fmt: skip
    assert inflect(telugu, "dat", "విశాఖపట్నం") == "విశాఖపట్నానికి" and inflect(telugu, "by", "రేపు") == "రేపటిలోపు"
    assert inflect(tamil, "no_such_case", "சென்னை") == "சென்னை" and inflect(tamil, "loc", "") == "ல"
    assert fill(tamil, "{city:loc} இருக்கு", {"city": "சென்னை"}) == "சென்னைல இருக்கு"
    assert slots_of("{city:loc} {date}") == {"city", "date"} and cases_of("{city:loc} {date}") == {"loc"}
