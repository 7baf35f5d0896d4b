"""Makes training shards: text voiced by espeak-ng, sent through a telephone channel, as features with frame labels."""

from __future__ import annotations

import json
import logging
import os
import random
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError

from ..features import FloatArray, MelConfig, offline_log_mel
from ..spelling import native_spelling
from .degrade import TelephoneChannel
from .espeak import Espeak, Speech
from .recipe import load_recipe
from .text import TextSource, Utterance
from .voices import write_voices

__all__ = ["ShardMaker", "load_recipe", "main", "make_shard", "trim"]
_log = logging.getLogger(__name__)
PHONE_LABEL_SECONDS = 0.02
NO_LABEL = 255
_RATE_HZ = 8000


def mel_config(recipe: dict[str, Any]) -> MelConfig:
    """Returns the front end that the recipe names."""
    return MelConfig(**recipe["features"])


class Voices:
    """Voices utterances with a random espeak voice out of a fixed list."""

    def __init__(
        self, recipe: dict[str, Any], rng: random.Random, variants: list[str], espeak: Espeak | None = None
    ) -> None:
        self._synth = recipe["synth"]
        self._rng = rng
        self._variants = variants
        self._espeak = espeak or Espeak()

    def voice(self, utterance: Utterance) -> Speech:
        """Speaks an utterance; spelt acronyms are voiced letter by letter, digits sometimes in groups."""
        rng = self._rng
        spelt: dict[str, str] = self._synth["spoken_as"]
        words = [spelt.get(word) or self._accented(word, utterance.language) for word in utterance.text.split()]
        if utterance.kind == "digits" or rng.random() < 0.05:
            chance = rng.choice([0.0, 0.0, 0.15, 0.4])
            words = [word + ("," if rng.random() < chance else "") for word in words]
        voice = rng.choice(self._synth["voices"][utterance.language])
        slow = utterance.kind in ("digits", "words") and rng.random() < 0.65
        return self._espeak.speak(
            words,
            f"{voice}+{rng.choice(self._variants)}",
            rate=int(rng.triangular(110, 195, 145) if slow else rng.triangular(120, 225, 165)),
            pitch=rng.randint(20, 80),
            pitch_range=rng.randint(20, 80),
            gap=rng.choice([0, 0, 0, 1, 2, 5]) if not slow else rng.choice([0, 0, 1, 3, 6, 10]),
        )

    def _accented(self, word: str, language: str) -> str:
        """Returns an English word as it is or, half the time, as the language spells it, so that it sounds so."""
        native = native_spelling(word, language)
        return native if native and self._rng.random() < 0.5 else word


def trim(samples: FloatArray, rate_hz: int) -> tuple[FloatArray, float]:
    """Cuts silence off both ends; returns the speech and how many seconds were cut in front."""
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    if not len(loud):
        return samples[:0], 0.0
    start = max(0, int(loud[0]) - rate_hz // 100)
    return samples[start : int(loud[-1]) + rate_hz // 50], start / rate_hz


class ShardMaker:
    """Turns utterances into arrays ready for training or into telephone audio for evaluation."""

    def __init__(
        self,
        recipe: dict[str, Any],
        seed: int,
        variants: list[str],
        phones: list[str],
        espeak: Espeak | None = None,
        stretches: tuple[float, float] = (0.9, 1.1),
    ) -> None:
        self._rng = random.Random(seed)
        self._config = mel_config(recipe)
        self._voices = Voices(recipe, self._rng, variants, espeak)
        self._stretches = stretches
        self._channel = TelephoneChannel(np.random.default_rng(seed))
        self._inventory = {name: index for index, name in enumerate(phones)}

    def call_audio(self, utterance: Utterance, gentle: bool = False) -> tuple[FloatArray, dict[str, Any]] | None:
        """Voices one utterance down a telephone line.

        Returns:
            float32[n] at 8 kHz and its timing (`word_starts`, `phonemes`, `end`, seconds); None where espeak is mute.
        """
        speech = self._voices.voice(utterance)
        samples, cut = trim(speech.samples, speech.sample_rate_hz)
        if len(samples) < 1500:
            return None
        stretch = self._rng.uniform(*self._stretches)
        narrow = self._channel.resample(samples, speech.sample_rate_hz, stretch)
        call = self._channel.apply(narrow, gentle)

        def heard(at: float) -> float:
            return (at - cut) * stretch + call.speech_start_seconds

        return call.samples, {
            "word_starts": [None if at is None else round(heard(at), 3) for at in speech.word_starts_seconds],
            "phonemes": [(heard(at), name) for at, name in speech.phonemes],
            "end": round(call.speech_start_seconds + len(narrow) / _RATE_HZ, 3),
            "start": round(call.speech_start_seconds, 3),
        }

    def example(self, utterance: Utterance, gentle: bool = False) -> dict[str, Any] | None:
        """Makes one training example: features, frame labels of phonemes, word starts."""
        made = self.call_audio(utterance, gentle)
        if made is None:
            return None
        samples, timing = made
        features = offline_log_mel(samples, self._config)
        labels = self._phone_labels(timing, len(features) // 2)
        return {
            "features": features.astype(np.float16),
            "phones": labels,
            "meta": {
                "text": utterance.text,
                "language": utterance.language,
                "kind": utterance.kind,
                "frames": len(features),
                "starts": timing["word_starts"],
                "end": timing["end"],
                "start": timing["start"],
            },
        }

    def _phone_labels(self, timing: dict[str, Any], count: int) -> NDArray[np.uint8]:
        """Lays phonemes over 20 ms steps, uint8[count]; 0 is silence, `NO_LABEL` a phoneme outside the inventory."""
        labels = np.zeros(count, np.uint8)
        phonemes = timing["phonemes"]
        for index, (at, name) in enumerate(phonemes):
            stop = phonemes[index + 1][0] if index + 1 < len(phonemes) else timing["end"]
            code = 0 if name.startswith("_") else self._inventory.get(name, NO_LABEL)
            labels[max(0, round(at / PHONE_LABEL_SECONDS)) : max(0, round(stop / PHONE_LABEL_SECONDS))] = code
        return labels


def collect_phones(recipe: dict[str, Any], count: int = 2500) -> list[str]:
    """Voices a sample and lists the phoneme names heard at least three times, silence first (at most 250)."""
    source = TextSource(recipe, seed=1, packs_dir=None)
    voices = Voices(recipe, random.Random(1), [recipe["synth"]["variants"][0]])
    seen: dict[str, int] = {}
    for _ in range(count):
        for _, name in voices.voice(source.draw()).phonemes:
            if not name.startswith("_"):
                seen[name] = seen.get(name, 0) + 1
    names = sorted((name for name in seen if seen[name] >= 3), key=lambda name: -seen[name])
    return ["_", *names[:249]]


def save_shard(path: Path, examples: list[dict[str, Any]]) -> None:
    """Writes examples as one .npz, atomically."""
    temporary = path.with_suffix(".partial.npz")
    meta = json.dumps([example["meta"] for example in examples], ensure_ascii=False)
    np.savez(
        temporary,
        features=np.concatenate([example["features"] for example in examples]),
        phones=np.concatenate([example["phones"] for example in examples]),
        meta=np.frombuffer(meta.encode(), np.uint8),
    )
    os.replace(temporary, path)


def make_shard(recipe: dict[str, Any], out_dir: str, index: int, hours: float, packs_dir: str | None) -> float:
    """Makes training shard `index` with fresh text, voices and lines; returns its hours."""
    phones = json.loads((Path(out_dir) / "phones.json").read_text(encoding="utf-8"))
    settings = recipe["synth"]
    source = TextSource(recipe, seed=1000 + index, packs_dir=Path(packs_dir) if packs_dir else None)
    with tempfile.TemporaryDirectory() as folder:
        invented = write_voices(Path(folder), settings["invented_voices"], seed=index)
        variants = [*settings["variants"], *invented]
        maker = ShardMaker(recipe, 5000 + index, variants, phones, Espeak(Path(folder)), settings["stretches"])
        examples, frames = _fill_shard(maker, source, hours, settings["longest_seconds"])
    save_shard(Path(out_dir) / f"shard{index:04d}.npz", examples)
    return frames / 360_000


def _fill_shard(
    maker: ShardMaker, source: TextSource, hours: float, longest_seconds: float
) -> tuple[list[dict[str, Any]], int]:
    """Makes examples until they come to `hours`; returns them and their frames of 10 ms."""
    examples: list[dict[str, Any]] = []
    frames = 0
    while frames < hours * 360_000:
        example = maker.example(source.draw())
        if example is not None and example["meta"]["frames"] <= longest_seconds * 100:
            examples.append(example)
            frames += example["meta"]["frames"]
    return examples, frames


def make_validation(recipe: dict[str, Any], out_dir: Path, per_set: int, packs_dir: Path | None) -> int:
    """Makes the validation shard from the held-out voices and held-out text; returns its utterances."""
    phones = json.loads((out_dir / "phones.json").read_text(encoding="utf-8"))
    source = TextSource(recipe, seed=99, packs_dir=packs_dir)
    maker = ShardMaker(recipe, 98, recipe["synth"]["held_out_variants"], phones)
    made = [maker.example(utterance, gentle=True) for utterance in source.validation(per_set)]
    examples = [example for example in made if example is not None]
    save_shard(out_dir / "validation.npz", examples)
    return len(examples)


def _require_voices(recipe: dict[str, Any]) -> None:
    """Raises ModelError where espeak-ng lacks a voice or variant that the recipe names."""
    espeak = Espeak()
    settings = recipe["synth"]
    for name in sorted({voice for voices in settings["voices"].values() for voice in voices}):
        try:
            espeak.speak(["a"], name)
        except ValueError as error:
            raise ModelError(f"synth.voices: {error}; take it out of the recipe") from error
    known = {path.name for path in (Path(espeakng_loader.get_data_path()) / "voices" / "!v").iterdir()}
    for variant in (*settings["variants"], *settings["held_out_variants"]):
        if variant not in known:
            raise ModelError(f"synth.variants: espeak-ng has no variant {variant!r}; take it out of the recipe")


def main(
    recipe_path: Path, out_dir: Path, shards: int, first: int = 0, packs_dir: Path | None = None, processes: int = 2
) -> None:
    """Makes the phoneme inventory, the validation shard (both once) and `shards` training shards.

    Args:
        recipe_path: the recipe.
        out_dir: where the shards go.
        shards: how many training shards to make.
        first: index of the first one; the index seeds everything.
        packs_dir: the language packs, whose sentences join the text.
        processes: how many processes to use.

    Raises:
        ModelError: where the recipe, a word list or a voice is wrong; nothing has been written then.
    """
    recipe = load_recipe(recipe_path)
    TextSource(recipe, seed=0, packs_dir=packs_dir)
    _require_voices(recipe)
    out_dir.mkdir(parents=True, exist_ok=True)
    if not (out_dir / "phones.json").exists():
        (out_dir / "phones.json").write_text(json.dumps(collect_phones(recipe), ensure_ascii=False), encoding="utf-8")
    if not (out_dir / "validation.npz").exists():
        _log.info("validation utterances: %d", make_validation(recipe, out_dir, 25, packs_dir))
    hours = float(recipe["synth"]["shard_hours"])
    packs = str(packs_dir) if packs_dir else None
    # espeak carries state from one utterance to the next: a fresh process for each shard makes it repeatable
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        indexes = range(first, first + shards)
        jobs = [pool.submit(make_shard, recipe, str(out_dir), index, hours, packs) for index in indexes]
        for job in jobs:
            _log.info("shard of %.2f h", job.result())
