"""STOP as a whole message, in every pack's words; talk that holds the word is no order."""

import pytest

from app.language.packs import Pack
from whatsapp.optout import Command, OptOutWords, normal_form

pytestmark = pytest.mark.langpack


def test_every_stop_and_start_word_of_every_pack_is_obeyed_in_any_dress(packs: dict[str, Pack]) -> None:
    words = OptOutWords.of(packs.values())
    for pack in packs.values():
        assert pack.lexicon.stop_words, pack.tag
        for word in pack.lexicon.stop_words:
            for dressed in (word, word.upper(), f"  {word}!! ", f"*{word}*.", f"{word}\u200d"):
                assert words.command(dressed) is Command.STOP, (pack.tag, dressed)
        for word in pack.lexicon.start_words - pack.lexicon.stop_words:
            assert words.command(f"{word}.") is Command.START, (pack.tag, word)


def test_no_word_orders_both(packs: dict[str, Pack]) -> None:
    words = OptOutWords.of(packs.values())
    assert not words.stop & words.start


@pytest.mark.parametrize(
    "text",
    ["stop, he's not coming", "please do not stop my order", "बस स्टॉप कहाँ है", "bus stop", "", "👍", "non-stop service"],
)
def test_talk_is_no_order(packs: dict[str, Pack], text: str) -> None:
    assert OptOutWords.of(packs.values()).command(text) is None


def test_normal_form_keeps_indian_vowel_signs_and_folds_width() -> None:
    assert normal_form("ＳＴＯＰ！") == "stop"
    assert normal_form(" बंद  करो। ") == "बंद करो"
    assert normal_form("நிறுத்து…") == "நிறுத்து"
    assert normal_form("stop ❤️") == "stop"
