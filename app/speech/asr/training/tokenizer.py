"""Trains the syllable-like sentencepiece units that the recogniser emits, in the layout NeMo reads."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from app.errors import ModelError

from .recipe import load_recipe
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

    Raises:
        ModelError: where the recipe is wrong, or a word list is missing.
    """
    recipe = load_recipe(recipe_path)
    source = TextSource(recipe, seed=42, packs_dir=packs_dir)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent) as folder:
        made = Path(folder)
        _train(recipe["tokenizer"], [source.draw().text for _ in range(sentences)], made)
        out_dir.mkdir(exist_ok=True)
        for name in ("tokenizer.vocab", "vocab.txt", "tokenizer.model"):
            (made / name).replace(out_dir / name)
    return out_dir / "tokenizer.model"


def _train(settings: dict[str, int], sentences: list[str], folder: Path) -> None:
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(sentences), encoding="utf-8")
    try:
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus),
            model_prefix=str(folder / "tokenizer"),
            model_type="bpe",
            vocab_size=settings["vocabulary"],
            max_sentencepiece_length=settings["longest_piece"],
            character_coverage=1.0,
            bos_id=-1,
            eos_id=-1,
            normalization_rule_name="identity",
            num_threads=2,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ModelError(
            f"tokenizer.vocabulary: {settings['vocabulary']} pieces do not fit this text: {str(error).splitlines()[0]}"
        ) from error
    model = folder / "tokenizer.model"
    forget_paths(model)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
    names = [pieces.id_to_piece(index) for index in range(1, pieces.get_piece_size())]
    (folder / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    _log.info("tokenizer of %d pieces", pieces.get_piece_size())


def forget_paths(path: Path) -> None:
    """Removes the names of this machine's folders that sentencepiece keeps in a model."""
    model = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    model.ParseFromString(path.read_bytes())
    del model.trainer_spec.input[:]
    model.trainer_spec.model_prefix = path.stem
    path.write_bytes(model.SerializeToString())
