"""The vocabulary is kept or extended, never wiped: pieces keep their numbers, letters that are missing are named."""

from __future__ import annotations

import io
from collections import Counter

import pytest
import sentencepiece

from app.errors import ModelError
from app.speech.asr.finetune.vocabulary import extend_tokenizer, missing_letters, refuse_missing
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR

pytestmark = pytest.mark.unit
STARTER = (STARTER_MODEL_DIR / "tokenizer.model").read_bytes()
BENGALI = ["আমার অর্ডার কোথায়", "টাকা ফেরত চাই"]


def _load(model: bytes) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def _unigram() -> bytes:
    writer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["मेरा नाम", "मेरा काम", "नाम और काम"] * 5), model_writer=writer, model_type="unigram",
        vocab_size=20, character_coverage=1.0, bos_id=-1, eos_id=-1, minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    return writer.getvalue()


def test_missing_letters_are_counted_by_texts() -> None:
    missing = missing_letters(_load(STARTER), [*BENGALI, "मेरा order"])
    assert missing["া"] == 2
    assert missing["ট"] == 1
    assert not set(missing) & set("मेरा order")
    assert missing_letters(_load(STARTER), ["मेरा order कहाँ है"]) == Counter()


@pytest.mark.parametrize("model", [STARTER, _unigram()], ids=["bpe", "unigram"])
def test_an_extended_tokenizer_writes_the_new_and_the_old_alike(model: bytes) -> None:
    old = _load(model)
    new = _load(extend_tokenizer(model, missing_letters(old, BENGALI)))
    added = new.get_piece_size() - old.get_piece_size()
    assert added == len(missing_letters(old, BENGALI))
    assert [new.id_to_piece(index) for index in range(old.get_piece_size())] == [
        old.id_to_piece(index) for index in range(old.get_piece_size())
    ]
    for text in ("मेरा नाम", "मेरा काम"):
        assert new.encode(text) == old.encode(text)
    for text in BENGALI:
        assert new.unk_id() not in new.encode(text)
        assert new.decode(new.encode(text)) == text


def test_nothing_new_changes_nothing_and_a_whole_script_is_refused() -> None:
    assert _load(extend_tokenizer(STARTER, "abc")).get_piece_size() == _load(STARTER).get_piece_size()
    with pytest.raises(ModelError, match="that is another writing system"):
        extend_tokenizer(STARTER, [chr(code) for code in range(0x4E00, 0x5000)])


def test_the_refusal_names_letters_share_and_both_cures() -> None:
    missing = missing_letters(_load(STARTER), [*BENGALI, "10 टाका"])
    with pytest.raises(ModelError, match=r"m\.jsonl: .* letters of these texts, the commonest in 2 of 3") as raised:
        refuse_missing(missing, 3, "m.jsonl")
    assert "--extend-vocabulary" in raised.value.detail
    assert "figures are to be written as words" in raised.value.detail
    refuse_missing(Counter(), 3, "m.jsonl")
