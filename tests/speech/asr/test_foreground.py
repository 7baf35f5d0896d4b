"""Quiet words of somebody else before the caller's own are left out; the caller's words never are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.speech.asr.engine import Alternative, Transcript, Word
from app.speech.asr.evidence import script_shares
from app.speech.asr.foreground import without_background
from app.speech.audio import encode_mulaw

pytestmark = pytest.mark.unit

Spoken = tuple[str, int, float]


def said(*spoken: Spoken, pause_ms: int = 200) -> tuple[Transcript, bytes]:
    """Returns words of (text, ms, dB), each before a pause, and audio in which they are that loud."""
    rng = np.random.default_rng(5)
    parts, words, at = [rng.standard_normal(80 * 8) * 1e-3], [], 80
    for text, duration_ms, level_db in spoken:
        parts.append(np.sin(np.arange(duration_ms * 8) * 0.7) * 10 ** (level_db / 20))
        parts.append(rng.standard_normal(pause_ms * 8) * 1e-3)
        words.append(Word(text, at, at + duration_ms, 0.9))
        at += duration_ms + pause_ms
    audio = encode_mulaw(np.concatenate(parts).astype(np.float32))
    text = " ".join(word.text for word in words)
    alternatives = (Alternative(f"{text} ji", 0.2, (*words, Word("ji", at, at + 100, 0.3))),) if words else ()
    return Transcript(text, 0.9, tuple(words), True, script_shares(words), alternatives), audio


def test_words_of_the_room_before_the_callers_are_left_out_of_every_reading() -> None:
    transcript, audio = said(("दो", 200, -34.0), ("चार", 240, -33.0), ("yes", 200, -14.0), ("please", 300, -16.0))
    kept = without_background(transcript, audio)
    assert kept.text == "yes please"
    assert [word.text for word in kept.words] == ["yes", "please"]
    assert [share.script for share in kept.scripts] == ["Latn"]
    assert kept.alternatives[0].text == "yes please ji"


def test_a_soft_beginning_and_a_quiet_end_are_the_callers_own() -> None:
    transcript, audio = said(("मेरा", 200, -21.0), ("order", 300, -14.0), ("कहाँ", 240, -24.0), ("है", 200, -32.0))
    assert without_background(transcript, audio) == transcript


def test_a_pause_makes_a_smaller_difference_enough() -> None:
    apart, audio = said(("दो", 200, -24.5), ("yes", 200, -14.0), pause_ms=300)
    assert without_background(apart, audio).text == "yes"
    together, audio = said(("दो", 200, -24.5), ("yes", 200, -14.0), pause_ms=40)
    assert without_background(together, audio).text == "दो yes"


def test_the_longer_the_pause_the_smaller_the_difference_that_tells_two_people_apart() -> None:
    room = (("hold", 200, -21.5), ("the", 160, -23.0), ("yes", 200, -14.0))
    long, audio = said(*room, pause_ms=440)
    assert without_background(long, audio).text == "yes"
    short, audio = said(*room, pause_ms=300)
    assert without_background(short, audio).text == "hold the yes"


def test_digits_said_one_by_one_are_kept_though_they_differ_in_loudness() -> None:
    transcript, audio = said(("एक", 160, -19.0), ("double", 240, -16.0), ("दो", 200, -14.5), pause_ms=500)
    assert without_background(transcript, audio) == transcript


def test_a_quiet_caller_with_nobody_louder_is_heard() -> None:
    transcript, audio = said(("आठ", 200, -38.0), ("नौ", 200, -39.0))
    assert without_background(transcript, audio) == transcript


@given(st.lists(st.tuples(st.sampled_from(["haan", "नहीं", "two"]), st.integers(80, 400), st.floats(-45.0, -6.0))))
def test_what_is_kept_is_the_end_of_what_was_heard_and_holds_the_loudest(spoken: list[Spoken]) -> None:
    transcript, audio = said(*spoken)
    kept = without_background(transcript, audio)
    assert kept.words == transcript.words[len(transcript.words) - len(kept.words) :]
    if spoken:
        loudest = max(range(len(spoken)), key=lambda at: spoken[at][2])
        assert (
            transcript.words[loudest] in kept.words
            or max(level for _, _, level in spoken[-len(kept.words) :]) > spoken[loudest][2] - 1.0
        )


def test_times_past_the_audio_and_no_audio_change_nothing() -> None:
    transcript, audio = said(("ek", 200, -20.0), ("do", 200, -20.0))
    assert without_background(transcript, b"") == transcript
    assert without_background(transcript, audio[:700]) == transcript
