"""What the console says: every sentence that a page asks for, in both languages, with the same slots."""

import re
from pathlib import Path

import pytest

from app.console import texts
from app.console.rows import VIEWS
from app.console.texts import LANGUAGES, Texts, texts_in

pytestmark = pytest.mark.unit

ROOM = Path(texts.__file__).parent
ASKED = re.compile(r"""\b(?:t|texts)\(\s*["']([a-z_]+\.[a-z_0-9]+)["']""")
SAME_IN_BOTH = {"author.customer", "file.stored"}


def slots(sentences: Texts, key: str) -> set[str]:
    return set(sentences.template(key).get_identifiers())


def test_every_sentence_that_a_page_asks_for_is_there() -> None:
    asked: set[str] = set()
    for path in [*(ROOM / "templates").glob("*.html"), *ROOM.glob("*.py")]:
        asked |= set(ASKED.findall(path.read_text("utf-8")))
    assert len(asked) > 50
    known = texts_in("en").keys
    assert asked <= known, asked - known
    assert {f"view.{name}" for name in VIEWS} <= known
    locks = {"bot", "other", "closed", "window_closed", "opted_out", "no_whatsapp_number"}
    assert {f"lock.{name}" for name in locks} <= known


def test_both_languages_say_the_same_things_each_in_its_own_letters() -> None:
    english, hindi = texts_in("en"), texts_in("hi")
    assert set(LANGUAGES) == {"en", "hi"} and english.keys == hindi.keys
    for key in english.keys - SAME_IN_BOTH:
        assert slots(english, key) == slots(hindi, key), key
        assert re.search(r"[\u0900-\u097F]", hindi.template(key).template), key
        assert not re.search(r"[\u0900-\u097F]", english.template(key).template), key
