"""Which scripts speak for which language in a transcript."""

from __future__ import annotations

import pytest

from app.speech.asr.engine import Word
from app.speech.asr.evidence import script_shares

pytestmark = pytest.mark.unit


def test_shares_follow_spoken_time_and_confidence() -> None:
    shares = script_shares([Word("मेरा", 0, 300, 1.0), Word("order", 300, 600, 0.5), Word("कहाँ", 600, 900, 1.0)])
    assert [share.script for share in shares] == ["Deva", "Latn"]
    assert shares[0].share == pytest.approx(0.8)
    assert sum(share.share for share in shares) == pytest.approx(1.0)
    assert (shares[0].confidence, shares[1].confidence) == (1.0, 0.5)


def test_figures_and_silence_speak_for_none() -> None:
    assert script_shares([]) == ()
    assert script_shares([Word("42", 0, 100, 0.9)]) == ()


def test_words_of_no_confidence_still_count() -> None:
    assert script_shares([Word("எங்க", 0, 100, 0.0)])[0].script == "Taml"
