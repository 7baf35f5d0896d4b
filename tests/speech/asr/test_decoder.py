"""Greedy CTC decoding on made-up log probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from app.speech.asr.decoder import GreedyDecoder, edit_distance
from app.speech.asr.features import FloatArray

pytestmark = pytest.mark.unit
PIECES = ["<unk>", "▁न", "हीं", "▁no", "w"]
BLANK = len(PIECES)


def frames(*symbols: int, certain: float = 0.9) -> FloatArray:
    rest = (1 - certain) / len(PIECES)
    probabilities = np.full((len(symbols), len(PIECES) + 1), rest, np.float32)
    probabilities[np.arange(len(symbols)), list(symbols)] = certain
    return np.log(probabilities)


def decoder() -> GreedyDecoder:
    return GreedyDecoder(PIECES, frame_ms=80, delay_frames=0)


def test_merges_repeats_and_drops_blanks() -> None:
    decode = decoder()
    state = decode.new_state()
    decode.advance(state, frames(BLANK, 1, 1, 2, BLANK, 3, BLANK, 3, 4))
    assert [word.text for word in decode.words(state)] == ["नहीं", "no", "now"]


def test_a_repeat_across_calls_is_merged() -> None:
    decode = decoder()
    state = decode.new_state()
    assert decode.advance(state, frames(BLANK, 3))
    assert not decode.advance(state, frames(3, BLANK))
    assert [word.text for word in decode.words(state)] == ["no"]


def test_word_times_and_confidence() -> None:
    decode = decoder()
    state = decode.new_state()
    decode.advance(state, frames(BLANK, BLANK, 1, 2))
    decode.advance(state, frames(BLANK, 3, certain=0.5))
    first, second = decode.words(state)
    assert (first.start_ms, first.end_ms) == (160, 320)
    assert second.start_ms == 400
    assert first.confidence == pytest.approx(0.9)
    assert second.confidence == pytest.approx(0.5)


def test_copy_leaves_the_original_alone() -> None:
    decode = decoder()
    state = decode.new_state()
    decode.advance(state, frames(1))
    twin = state.copy()
    decode.advance(twin, frames(1, 2))
    assert [word.text for word in decode.words(state)] == ["न"]
    assert state.frames == 1


def test_silence_has_no_words() -> None:
    decode = decoder()
    state = decode.new_state()
    assert not decode.advance(state, frames(BLANK, BLANK))
    assert decode.words(state) == ()


@pytest.mark.parametrize(
    ("reference", "heard", "errors"),
    [("abc", "abc", 0), ("abc", "axc", 1), ("", "ab", 2), ("ab", "", 2), ("kitten", "sitting", 3)],
)
def test_edit_distance(reference: str, heard: str, errors: int) -> None:
    assert edit_distance(reference, heard) == errors
