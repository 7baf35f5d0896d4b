"""What a tokenizer cannot write, and how it learns to: new letters after the old pieces, none of which moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from app.errors import ModelError

_MOST_LETTERS = 400


def missing_letters(tokenizer: sentencepiece.SentencePieceProcessor, texts: Iterable[str]) -> Counter[str]:
    """Counts the letters that the tokenizer answers with `<unk>`, by the texts that need them."""
    unknown = tokenizer.unk_id()
    found: Counter[str] = Counter()
    known: dict[str, bool] = {}
    for text in texts:
        if unknown in tokenizer.encode(text):
            for letter in set(text) - {" "}:
                if letter not in known:
                    known[letter] = unknown not in tokenizer.encode(letter)
                if not known[letter]:
                    found[letter] += 1
    return found


def refuse_missing(missing: Counter[str], texts: int, place: str) -> None:
    """Refuses texts with letters that the tokenizer cannot write.

    Raises:
        ModelError: There are any; the detail names them, the share of texts and both cures.
    """
    if not missing:
        return
    letters = " ".join(letter for letter, _ in missing.most_common(12))
    most = missing.most_common(1)[0][1]
    figures = " (figures are to be written as words)" if any(letter.isdigit() for letter in missing) else ""
    raise ModelError(
        f"{place}: the base model's tokenizer cannot write {len(missing)} letters of these texts, the commonest in "
        f"{most} of {texts}: {letters}{figures}; correct the texts, or add the letters with --extend-vocabulary"
    )


def extend_tokenizer(model: bytes, letters: Iterable[str]) -> bytes:
    """Appends letters as pieces of their own; the old pieces keep their numbers.

    Raises:
        ModelError: They are too many for letters: the texts are of another kind.
    """
    proto: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    proto.ParseFromString(model)
    present = {piece.piece for piece in proto.pieces}
    new = sorted(set(letters) - present)
    if len(new) > _MOST_LETTERS:
        raise ModelError(f"{len(new)} letters are new to the tokenizer; that is another writing system: train a model")
    lowest = min(piece.score for piece in proto.pieces)
    for index, letter in enumerate(new, 1):
        piece = proto.pieces.add()
        piece.piece, piece.score = letter, lowest - index
    proto.trainer_spec.vocab_size = len(proto.pieces)
    extended: bytes = proto.SerializeToString()
    return extended


def grow_head(model: Any, tokenizer_dir: str) -> None:
    """Gives a NeMo CTC model a longer tokenizer; rows of old pieces and of the blank are copied, never drawn anew.

    New rows start as the mean of the old ones, a little less likely, so that what the model said before it still says.

    Args:
        model: an `EncDecCTCModelBPE`.
        tokenizer_dir: a folder with the extended `tokenizer.model`, whose first pieces are the old ones.
    """
    import torch

    layer = model.decoder.decoder_layers[0]
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    old = len(weight) - 1
    model.change_vocabulary(new_tokenizer_dir=tokenizer_dir, new_tokenizer_type="bpe")
    layer = model.decoder.decoder_layers[0]
    with torch.no_grad():
        layer.weight[:old], layer.weight[-1] = weight[:old], weight[-1]
        layer.bias[:old], layer.bias[-1] = bias[:old], bias[-1]
        layer.weight[old:-1] = weight[:old].mean(dim=0)
        layer.bias[old:-1] = bias[:old].mean() - 1.0
