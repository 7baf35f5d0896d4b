"""Trains the syllable-like sentencepiece units that the recogniser emits, in the layout NeMo reads."""

from __future__ import annotations

import logging
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from .synth import load_recipe
from .text import TextSource

_log = logging.getLogger(__name__)


def main(recipe_path: Path, out_dir: Path, packs_dir: Path | None = None, sentences: int = 60_000) -> Path:
    """Trains the tokenizer on drawn text.

    Args:
        recipe_path: the recipe (`tokenizer.vocabulary`, `tokenizer.longest_piece` in code points).
        out_dir: receives `tokenizer.model` and `vocab.txt`.
        packs_dir: the language packs, whose sentences join the text.
        sentences: how many utterances to draw.

    Returns:
        The path of `tokenizer.model`.
    """
    recipe = load_recipe(recipe_path)
    out_dir.mkdir(parents=True, exist_ok=True)
    source = TextSource(recipe, seed=42, packs_dir=packs_dir)
    corpus = out_dir / "corpus.txt"
    corpus.write_text("\n".join(source.draw().text for _ in range(sentences)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(out_dir / "tokenizer"),
        model_type="bpe",
        vocab_size=recipe["tokenizer"]["vocabulary"],
        max_sentencepiece_length=recipe["tokenizer"]["longest_piece"],
        character_coverage=1.0,
        bos_id=-1,
        eos_id=-1,
        normalization_rule_name="identity",
        num_threads=2,
        minloglevel=2,
    )
    corpus.unlink()
    model = out_dir / "tokenizer.model"
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
    names = [pieces.id_to_piece(index) for index in range(1, pieces.get_piece_size())]
    (out_dir / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    _log.info("tokenizer of %d pieces", pieces.get_piece_size())
    _forget_paths(out_dir / "tokenizer.model")
    return model


def _forget_paths(path: Path) -> None:
    """Removes the names of this machine's folders that sentencepiece keeps in a model."""
    model = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    model.ParseFromString(path.read_bytes())
    del model.trainer_spec.input[:]
    model.trainer_spec.model_prefix = path.stem
    path.write_bytes(model.SerializeToString())
