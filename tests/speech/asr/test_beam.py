"""The beam search on made-up log probabilities and a handful of n-grams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.speech.asr.beam import BeamDecoder, BeamSettings
from app.speech.asr.ngrams import NgramModel, context_key, save_ngrams

from .test_decoder import BLANK, PIECES, frames

pytestmark = pytest.mark.unit
NO, NAHIN, HIN, WORD = 3, 1, 2, 4


def ngrams(likely: dict[tuple[int, ...], float], order: int = 3) -> NgramModel:
    radix = len(PIECES) + 2
    keys = {context_key(gram, radix): value for gram, value in likely.items()}
    return NgramModel(keys, {}, order, len(PIECES))


def decoder(model: NgramModel, weight: float = 0.5) -> BeamDecoder:
    return BeamDecoder(PIECES, 80, 0, model, BeamSettings(language_weight=weight, piece_bonus=0.0))


EVEN = ngrams({(piece,): -1.5 for piece in range(len(PIECES))})


def test_without_n_grams_it_hears_what_greedy_hears() -> None:
    decode = decoder(EVEN, weight=0.0)
    state = decode.new_state()
    assert decode.advance(state, frames(BLANK, NAHIN, NAHIN, HIN, BLANK, NO, BLANK, NO, WORD))
    assert [word.text for word in decode.words(state)] == ["नहीं", "no", "now"]


def test_n_grams_settle_a_doubt() -> None:
    row = np.log(np.array([[0.01, 0.47, 0.01, 0.49, 0.01, 0.01]], np.float32))
    for favoured, text in ((NAHIN, "न"), (NO, "no")):
        model = ngrams({(piece,): -4.0 for piece in range(len(PIECES))} | {(favoured,): -0.5})
        decode = decoder(model)
        state = decode.new_state()
        decode.advance(state, row)
        assert [word.text for word in decode.words(state)] == [text]


def test_copy_leaves_the_original_alone() -> None:
    decode = decoder(EVEN)
    state = decode.new_state()
    decode.advance(state, frames(NAHIN))
    before = decode.words(state)
    decode.advance(state.copy(), frames(NAHIN, HIN))
    assert decode.words(state) == before
    assert state.frames == 1


def test_a_sure_blank_changes_nothing() -> None:
    decode = decoder(EVEN)
    state = decode.new_state()
    assert not decode.advance(state, frames(BLANK, BLANK, certain=0.999))
    assert decode.words(state) == ()


def test_n_grams_back_off(tmp_path: Path) -> None:
    radix = len(PIECES) + 2
    path = tmp_path / "ngrams.model"
    keys = np.array([context_key((NO,), radix), context_key((NAHIN, HIN), radix)], np.int64)
    contexts = np.array([context_key((NAHIN,), radix)], np.int64)
    save_ngrams(path, keys, np.float32([-2, -1]), contexts, np.float32([-0.5]), 2, len(PIECES))
    model = NgramModel.load(path)
    assert model.score((NAHIN,), HIN) == pytest.approx(-1.0)
    assert model.score((NAHIN,), NO) == pytest.approx(-2.5)
    assert model.score((HIN,), NO) == pytest.approx(-2.0)
    assert model.score((), WORD) == pytest.approx(-12.0)
