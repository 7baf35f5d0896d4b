"""What a fine-tuning run is asked for and reads: every input checked before anything is trained or written."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sentencepiece
import yaml

from app.errors import ModelError

from ..checkpoint.archive import NemoArchive
from ..features import MelConfig
from ..manifest import Recording, read_recordings
from .data import Item, items_of, replay_items
from .vocabulary import extend_tokenizer, missing_letters, refuse_missing

RECIPE: Final = Path(__file__).parent / "recipe.yaml"
_KEPT: Final = "kept "
_MOST_KEPT: Final = 60


@dataclass(frozen=True, slots=True)
class Request:
    """What to fine-tune on what; paths exist or are refused by name.

    `validation` replaces the share of the manifest that is held out otherwise. `replay` is a manifest, or a folder of
    shards, of what the base knew; `replay_share` of every batch comes from it. `language` picks a head where the base
    has one for each language.
    """

    base: Path
    manifest: Path
    out: Path
    validation: tuple[Path, ...] = ()
    replay: Path | None = None
    replay_share: float = 0.3
    recipe: Path = RECIPE
    steps: int | None = None
    extend_vocabulary: bool = False
    language: str = ""


def load_recipe(path: Path, steps: int | None = None) -> dict[str, Any]:
    """Reads a fine-tuning recipe.

    Raises:
        ModelError: It is no YAML, or lacks or misspells a key.
    """
    known = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ModelError(f"{path}: no recipe ({error})") from error
    if not isinstance(given, dict) or set(given) != set(known):
        wrong = set(given if isinstance(given, dict) else {}) ^ set(known)
        raise ModelError(f"{path}: {', '.join(sorted(wrong))}: missing or unknown; {RECIPE.name} shows every key")
    return given | ({"steps": steps} if steps else {})


@dataclass(slots=True)
class Material:
    """What was read: training items, validation recordings by set, the tokenizer that the model will have."""

    items: list[Item]
    replay: list[Item]
    sets: list[str]
    held_out: list[Recording]
    tokenizer: bytes
    added: tuple[str, ...]
    dropped: int
    minutes: float
    languages: tuple[str, ...]
    has_kept_sets: bool


def gather(request: Request, archive: NemoArchive, config: MelConfig, recipe: dict[str, Any]) -> Material:
    """Reads and checks every input before anything is trained.

    Raises:
        ModelError: A manifest, recording, shard or text is wrong; the detail says where and how.
    """
    recordings = read_recordings(request.manifest)
    held_out = [recording for path in request.validation for recording in read_recordings(path)]
    if not held_out:
        recordings, held_out = split(recordings, recipe["validation_share"])
        if not recordings or not held_out:
            raise ModelError(
                f"{request.manifest} has too few different texts to hold some out; give --validation, or more of them"
            )
    kept: list[Recording] = []
    replayed: list[Recording] = []
    if request.replay is not None and request.replay.is_file():
        replayed, kept = split(read_recordings(request.replay), recipe["validation_share"])
        kept = kept[:_MOST_KEPT]
    tokenizer_bytes, added = _vocabulary(request, archive, [*recordings, *held_out])
    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=tokenizer_bytes)
    items, dropped = items_of(recordings, tokenizer, archive.frame_ms)
    if not items:
        raise ModelError(
            f"{request.manifest}: every text is longer than its audio can carry; do texts and audio belong together?"
        )
    replay = items_of(replayed, tokenizer, archive.frame_ms)[0]
    if request.replay is not None and request.replay.is_dir():
        replay = replay_items(request.replay, tokenizer, config, archive.frame_ms)
    return Material(
        items=items,
        replay=replay,
        sets=[*(item.group for item in held_out), *(_KEPT + item.group for item in kept)],
        held_out=[*held_out, *kept],
        tokenizer=tokenizer_bytes,
        added=added,
        dropped=dropped,
        minutes=round(sum(item.seconds for item in recordings) / 60, 1),
        languages=tuple(sorted({item.language for item in recordings})),
        has_kept_sets=bool(kept),
    )


def split(recordings: Sequence[Recording], share: float) -> tuple[list[Recording], list[Recording]]:
    """Holds out a share of the texts, decided by each text alone, so that no sentence stands on both sides."""
    held = {text for text in {item.text for item in recordings} if zlib.crc32(text.encode()) % 1000 < share * 1000}
    return [item for item in recordings if item.text not in held], [item for item in recordings if item.text in held]


def _vocabulary(
    request: Request, archive: NemoArchive, recordings: Sequence[Recording]
) -> tuple[bytes, tuple[str, ...]]:
    language = request.language if archive.needs_slicing else ""
    tokenizer = archive.tokenizer(language)
    texts = [item.text for item in recordings]
    missing = missing_letters(tokenizer, texts)
    if missing and not request.extend_vocabulary:
        blamed = sorted({item.language for item in recordings if missing_letters(tokenizer, [item.text])})
        refuse_missing(missing, len(texts), f"{request.manifest} ({', '.join(blamed)})")
    model = archive.tokenizers[language]
    return (extend_tokenizer(model, missing), tuple(sorted(missing))) if missing else (model, ())
