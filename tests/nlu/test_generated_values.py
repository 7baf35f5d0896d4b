"""Amounts to crores, days and hours as callers say them, made by the test: at least 95 in 100 are read exactly."""

import random
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.language.numbers import spoken_amount, spoken_date, spoken_number, spoken_time
from app.nlu.entities import EntityFinder
from tests.packs import shipped_packs

pytestmark = pytest.mark.langpack
REGISTRY = shipped_packs()
FINDER = EntityFinder(REGISTRY.packs)
NOW = datetime(2026, 11, 21, 15, 0, tzinfo=ZoneInfo("Asia/Kolkata"))
TRIES = 150

# Sentences and words of the test's own; the parser reads the packs' words.
AMOUNT = {
    "en-IN": "{} got debited from my account",
    "hi-IN": "mere khate se {} कट गए",
    "ta-IN": "என் கணக்குல {} போயிடுச்சு",
    "te-IN": "నా ఖాతా నుంచి {} పోయాయి",
}
DAY_OF_MONTH = {"en-IN": "on {}th please", "hi-IN": "{} तारीख को", "ta-IN": "{} ஆம் தேதி", "te-IN": "{} తేదీన"}
HOUR = {
    "en-IN": {"morning": "{} in the morning", "evening": "{} in the evening"},
    "hi-IN": {"morning": "सुबह {} बजे", "evening": "शाम {} बजे"},
    "ta-IN": {"morning": "காலைல {} மணிக்கு", "evening": "சாயங்காலம் {} மணிக்கு"},
    "te-IN": {"morning": "ఉదయం {} గంటలకు", "evening": "సాయంత్రం {} గంటలకు"},
}


def find(text: str, tag: str, kind: str) -> list[str]:
    found = FINDER.find(text, language=tag, heard_with=1.0, now=NOW)
    return [entity.resolved or entity.value for entity in found if entity.kind == kind]


@pytest.mark.parametrize("tag", list(AMOUNT))
def test_amounts(tag: str) -> None:
    rng = random.Random(7)
    wrong = []
    for _ in range(TRIES):
        amount = rng.randrange(1, 10 ** rng.randint(2, 8))
        if rng.random() < 0.5:
            amount = max(amount // 500 * 500, 500)
        text = AMOUNT[tag].format(spoken_amount(REGISTRY.get(tag), amount))
        if find(text, tag, "amount") != [str(amount)]:
            wrong.append((amount, text, find(text, tag, "amount")))
    assert len(wrong) <= TRIES * 0.05, (len(wrong), wrong[:5])


@pytest.mark.parametrize("tag", list(DAY_OF_MONTH))
def test_days_of_the_month(tag: str) -> None:
    wrong = []
    for ahead in range(0, 28):
        day: date = NOW.date() + timedelta(days=ahead)
        for said in (str(day.day), spoken_number(REGISTRY.get(tag), day.day)) if tag != "en-IN" else (str(day.day),):
            text = DAY_OF_MONTH[tag].format(said)
            if find(text, tag, "date") != [day.isoformat()]:
                wrong.append((day, text, find(text, tag, "date")))
    assert len(wrong) <= 2, (len(wrong), wrong[:5])


@pytest.mark.parametrize("tag", list(HOUR))
def test_hours(tag: str) -> None:
    wrong = []
    for part, sentence in HOUR[tag].items():
        for hour in range(6, 12) if part == "morning" else range(4, 10):
            expected = f"{hour + (12 if part == 'evening' else 0):02d}:00"
            for said in (str(hour), spoken_number(REGISTRY.get(tag), hour)):
                text = sentence.format(said)
                if find(text, tag, "time") != [expected]:
                    wrong.append((expected, text, find(text, tag, "time")))
    assert len(wrong) <= 1, (len(wrong), wrong[:5])


@pytest.mark.parametrize("tag", list(AMOUNT))
def test_days_as_the_agent_says_them(tag: str) -> None:
    pack, wrong = REGISTRY.get(tag), []
    for ahead in range(2, 367):
        day: date = NOW.date() + timedelta(days=ahead)
        text = spoken_date(pack, day)
        if find(text, tag, "date") != [day.isoformat()]:
            wrong.append((day.isoformat(), text, find(text, tag, "date")))
    assert len(wrong) <= 365 * 0.05, (len(wrong), wrong[:5])


@pytest.mark.parametrize("tag", list(AMOUNT))
def test_hours_as_the_agent_says_them(tag: str) -> None:
    pack, wrong = REGISTRY.get(tag), []
    for quarter in range(7 * 4, 22 * 4):
        at = time(quarter // 4, quarter % 4 * 15)
        text = spoken_time(pack, at)
        if find(text, tag, "time") != [f"{at:%H:%M}"]:
            wrong.append((f"{at:%H:%M}", text, find(text, tag, "time")))
    assert len(wrong) <= 60 * 0.05, (len(wrong), wrong[:5])
