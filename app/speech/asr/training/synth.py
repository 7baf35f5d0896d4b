"""Makes training shards: text voiced by espeak-ng, sent through a telephone channel, as features with frame labels."""

from __future__ import annotations

import json
import logging
import os
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ..features import FloatArray, MelConfig, offline_log_mel
from .degrade import TelephoneChannel
from .espeak import Espeak, Speech
from .text import TextSource, Utterance

_log = logging.getLogger(__name__)
PHONE_LABEL_SECONDS = 0.02
NO_LABEL = 255
_RATE_HZ = 8000


def load_recipe(path: Path) -> dict[str, Any]:
    """Reads the training recipe."""
    recipe: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return recipe


def mel_config(recipe: dict[str, Any]) -> MelConfig:
    """Returns the front end that the recipe names."""
    return MelConfig(**recipe["features"])


class Voices:
    """Voices utterances with a random espeak voice out of a fixed list."""

    def __init__(self, recipe: dict[str, Any], rng: random.Random, variants: list[str]) -> None:
        self._synth = recipe["synth"]
        self._rng = rng
        self._variants = variants
        self._espeak = Espeak()

    def voice(self, utterance: Utterance) -> Speech:
        """Speaks an utterance; spelt acronyms are voiced letter by letter, digits sometimes in groups."""
        rng = self._rng
        spelt: dict[str, str] = self._synth["spoken_as"]
        words = [spelt.get(word, word) for word in utterance.text.split()]
        if utterance.kind == "digits" or rng.random() < 0.05:
            chance = rng.choice([0.0, 0.0, 0.15, 0.4])
            words = [word + ("," if rng.random() < chance else "") for word in words]
        voice = rng.choice(self._synth["voices"][utterance.language])
        slow = utterance.kind in ("digits", "words")
        return self._espeak.speak(
            words,
            f"{voice}+{rng.choice(self._variants)}",
            rate=int(rng.triangular(110, 195, 145 if slow else 160)),
            pitch=rng.randint(20, 80),
            pitch_range=rng.randint(20, 80),
            gap=rng.choice([0, 0, 0, 1, 2, 5]) if not slow else rng.choice([0, 0, 1, 3, 6, 10]),
        )


def trim(samples: FloatArray, rate_hz: int) -> tuple[FloatArray, float]:
    """Cuts silence off both ends; returns the speech and how many seconds were cut in front."""
    loud = np.flatnonzero(np.abs(samples) > 0.004)
    if not len(loud):
        return samples[:0], 0.0
    start = max(0, int(loud[0]) - rate_hz // 100)
    return samples[start : int(loud[-1]) + rate_hz // 50], start / rate_hz


class ShardMaker:
    """Turns utterances into arrays ready for training or into telephone audio for evaluation."""

    def __init__(self, recipe: dict[str, Any], seed: int, variants: list[str], phones: list[str]) -> None:
        self._rng = random.Random(seed)
        self._config = mel_config(recipe)
        self._voices = Voices(recipe, self._rng, variants)
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
        stretch = self._rng.uniform(0.9, 1.1)
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
    source = TextSource(recipe, seed=1000 + index, packs_dir=Path(packs_dir) if packs_dir else None)
    maker = ShardMaker(recipe, 5000 + index, recipe["synth"]["variants"], phones)
    examples: list[dict[str, Any]] = []
    frames = 0
    while frames < hours * 360_000:
        example = maker.example(source.draw())
        if example is not None and example["meta"]["frames"] <= recipe["synth"]["longest_seconds"] * 100:
            examples.append(example)
            frames += example["meta"]["frames"]
    save_shard(Path(out_dir) / f"shard{index:04d}.npz", examples)
    return frames / 360_000


def make_validation(recipe: dict[str, Any], out_dir: Path, per_set: int, packs_dir: Path | None) -> int:
    """Makes the validation shard from the held-out voices and held-out text; returns its utterances."""
    phones = json.loads((out_dir / "phones.json").read_text(encoding="utf-8"))
    source = TextSource(recipe, seed=99, packs_dir=packs_dir)
    maker = ShardMaker(recipe, 98, recipe["synth"]["held_out_variants"], phones)
    made = [maker.example(utterance, gentle=True) for utterance in source.validation(per_set)]
    examples = [example for example in made if example is not None]
    save_shard(out_dir / "validation.npz", examples)
    return len(examples)


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
    """
    recipe = load_recipe(recipe_path)
    out_dir.mkdir(parents=True, exist_ok=True)
    if not (out_dir / "phones.json").exists():
        (out_dir / "phones.json").write_text(json.dumps(collect_phones(recipe), ensure_ascii=False), encoding="utf-8")
    if not (out_dir / "validation.npz").exists():
        _log.info("validation utterances: %d", make_validation(recipe, out_dir, 25, packs_dir))
    hours = float(recipe["synth"]["shard_hours"])
    packs = str(packs_dir) if packs_dir else None
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        indexes = range(first, first + shards)
        jobs = [pool.submit(make_shard, recipe, str(out_dir), index, hours, packs) for index in indexes]
        for job in jobs:
            _log.info("shard of %.2f h", job.result())
