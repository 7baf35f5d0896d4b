"""Renders the standing evaluation sets: one folder of recordings and a manifest, the same on every machine.

Voices, sentences and words are those that training leaves out, and those of `standing.yaml`. The sets (`kind`):

| kind | what is said |
|---|---|
| unseen_template | telephone sentences of templates that training never draws |
| seen_voice | the same sentences in voices that training has heard, to compare voices |
| unseen_pack | sentences of the language packs that training never draws |
| unseen_words | random sequences of words that training never draws |
| digits | digit strings of 1 to 10 digits |
| isolated | one digit, or yes and no in their forms |
| short | answers of one breath |
| code_switched | written mixed sentences, in no other text |
| after_other_speech | unseen sentences after somebody else's quiet words |
| name, city, product, order | what a business would list as its vocabulary |
| festival | unseen sentences by another synthesiser, where Debian's festvox-hi-nsk and festvox-te-nsk are installed |
"""

from __future__ import annotations

import json
import random
import wave
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from app.errors import ModelError

from ..features import FloatArray
from ..training.degrade import TelephoneChannel
from ..training.synth import ShardMaker, load_recipe
from ..training.text import LANGUAGES, TelephoneText, TextSource, Utterance, is_speakable, normalise
from . import festival

RATE_HZ = 8000
_SEED = 777
_SLOTS = ("name", "city", "product")
_OTHER_SPEECH_DB = (-22.0, -14.0)


@dataclass(frozen=True, slots=True)
class Recording:
    """A rendered utterance: float32[n] at 8 kHz and where the speech lies in it, in seconds."""

    utterance: Utterance
    samples: FloatArray
    speech_start_seconds: float
    speech_end_seconds: float
    expects: dict[str, Any]


def load_phrases() -> dict[str, Any]:
    """Reads `standing.yaml`."""
    stored = (Path(__file__).parent / "standing.yaml").read_text(encoding="utf-8")
    phrases: dict[str, Any] = yaml.load(stored, Loader=yaml.BaseLoader)
    return phrases


def is_for_tuning(word: str) -> bool:
    """Tells, by the word alone, whether it may tune the decoder; the others measure it."""
    return zlib.crc32(word.encode()) % 2 == 0


def vocabulary(language: str, tuning: bool | None = None) -> list[str]:
    """Returns the names, cities and products of a language as a business would list them.

    Args:
        language: One of `en`, `hi`, `ta`, `te`.
        tuning: True: those that tune; False: those that measure; None: all.
    """
    phrases = load_phrases()[language]
    words = [word for key in ("names", "cities", "products") for word in phrases[key]]
    return [word for word in words if tuning is None or is_for_tuning(word) == tuning]


class _Drawer:
    """Draws what is said, set by set."""

    def __init__(self, recipe: dict[str, Any], packs_dir: Path | None, per_set: int) -> None:
        self._source = TextSource(recipe, seed=_SEED, packs_dir=packs_dir)
        self._rng = random.Random(_SEED)
        self._per_set = per_set
        self._phrases = load_phrases()
        stored = (Path(__file__).parents[1] / "training" / "phrases.yaml").read_text(encoding="utf-8")
        talk = yaml.load(stored, Loader=yaml.BaseLoader)
        self._talk = {name: TelephoneText(talk, name, self._rng) for name in LANGUAGES}

    def held_out(self) -> list[Utterance]:
        """Draws from what training leaves out."""
        return self._source.validation(self._per_set)

    def isolated(self) -> Iterator[Utterance]:
        """Draws single digits and answers."""
        for language in LANGUAGES:
            talk = self._talk[language]
            words = [talk.digit(value, language) for value in range(10)] + self._phrases[language]["answers"]
            for at in range(self._per_set):
                yield Utterance(normalise(words[at % len(words)]), language, "isolated")

    def switched(self) -> Iterator[Utterance]:
        """Draws the written mixed sentences."""
        for language in LANGUAGES:
            sentences = self._phrases[language].get("switched", [])
            for sentence in sentences[: self._per_set]:
                yield Utterance(normalise(sentence), language, "code_switched")

    def business(self) -> Iterator[tuple[Utterance, dict[str, Any]]]:
        """Draws sentences with names, cities, products and order ids, and what a dialogue would expect."""
        plural = {"name": "names", "city": "cities", "product": "products"}
        for language in LANGUAGES:
            phrases = self._phrases[language]
            for slot in _SLOTS:
                for at, word in enumerate(phrases[plural[slot]][: self._per_set]):
                    template = phrases["templates"][slot][at % len(phrases["templates"][slot])]
                    said = Utterance(normalise(template.replace("{" + slot + "}", word)), language, slot)
                    yield said, {"word": normalise(word), "tuning": is_for_tuning(word)}
            for at in range(min(self._per_set, 16)):
                count = self._rng.choice((4, 6, 8))
                template = phrases["templates"]["order"][at % len(phrases["templates"]["order"])]
                spoken = template.replace("{oid}", self._talk[language].digits(count))
                expects = {"digits": [4, 8], "tuning": at % 2 == 0}
                yield Utterance(normalise(spoken), language, "order"), expects


def recordings(recipe_path: Path, packs_dir: Path | None, per_set: int) -> Iterator[Recording]:
    """Renders every set, seeded.

    Args:
        recipe_path: The training recipe: voices, held-out shares, word lists.
        packs_dir: The language packs, for their held-out sentences; None leaves the set `unseen_pack` out.
        per_set: Utterances per language and set, at most.

    Raises:
        ModelError: A word list is missing, or Festival is installed without what its voices need.
    """
    recipe = load_recipe(recipe_path)
    drawer = _Drawer(recipe, packs_dir, per_set)
    unseen = ShardMaker(recipe, _SEED + 1, recipe["synth"]["held_out_variants"], [])
    heard = ShardMaker(recipe, _SEED + 2, recipe["synth"]["variants"], [])
    rng = random.Random(_SEED + 3)
    held_out = drawer.held_out()
    sentences = [said for said in held_out if said.kind == "unseen_template"]
    yield from _voiced(unseen, [(said, {}) for said in held_out])
    yield from _voiced(heard, [(replace_kind(said, "seen_voice"), {}) for said in sentences])
    plain: list[tuple[Utterance, dict[str, Any]]] = [(said, {}) for said in (*drawer.isolated(), *drawer.switched())]
    yield from _voiced(unseen, [*plain, *drawer.business()])
    others = list(_voiced(unseen, [(said, {}) for said in sentences[:: max(1, len(sentences) // 8)]]))
    for made in _voiced(unseen, [(replace_kind(said, "after_other_speech"), {}) for said in sentences]):
        yield _after(made, rng.choice(others), rng)
    yield from _festival([said for said in sentences if said.language in festival.VOICES])


def replace_kind(said: Utterance, kind: str) -> Utterance:
    """Returns the same words as part of another set."""
    return replace(said, kind=kind)


def _voiced(maker: ShardMaker, said: list[tuple[Utterance, dict[str, Any]]]) -> Iterator[Recording]:
    for utterance, expects in said:
        made = maker.call_audio(utterance, gentle=True) if is_speakable(utterance.text) else None
        if made is not None:
            samples, timing = made
            yield Recording(utterance, samples, timing["start"], timing["end"], expects)


def _after(made: Recording, other: Recording, rng: random.Random) -> Recording:
    """Puts somebody else's quieter words and a pause before a recording."""
    loudness = 10 ** (rng.uniform(*_OTHER_SPEECH_DB) / 20)
    stop = int(other.speech_end_seconds * RATE_HZ)
    before = other.samples[max(0, stop - int(1.5 * RATE_HZ)) : stop] * np.float32(loudness)
    lead = (
        np.resize(made.samples[:400], int(rng.uniform(0.2, 0.5) * RATE_HZ)) if len(made.samples) > 400 else before[:0]
    )
    samples = np.concatenate([before, lead, made.samples]).astype(np.float32)
    shift = (len(before) + len(lead)) / RATE_HZ
    return replace(
        made,
        samples=samples,
        speech_start_seconds=round(made.speech_start_seconds + shift, 3),
        speech_end_seconds=round(made.speech_end_seconds + shift, 3),
    )


def _festival(sentences: list[Utterance]) -> Iterator[Recording]:
    """Voices sentences without Latin letters with Festival's diphone voices; nothing where they are not installed."""
    if not festival.is_installed():
        return
    festival.require()
    channel = TelephoneChannel(np.random.default_rng(_SEED + 4))
    for said in sentences:
        if any("a" <= letter <= "z" for letter in said.text):
            continue
        samples = festival.speak(said.text, said.language)
        if len(samples) < 1500:
            continue
        narrow = channel.resample(samples, 16_000, 1.0)
        call = channel.apply(narrow, gentle=True)
        end = call.speech_start_seconds + len(narrow) / RATE_HZ
        yield Recording(
            replace_kind(said, "festival"), call.samples, round(call.speech_start_seconds, 3), round(end, 3), {}
        )


def render(out_dir: Path, recipe_path: Path, packs_dir: Path | None = None, per_set: int = 40) -> Path:
    """Writes the standing sets as WAV files and `manifest.jsonl`, which comes last; returns its path.

    A process of its own does it: espeak-ng carries state from one utterance to the next, and only a fresh one says
    everything the same again.

    Args:
        out_dir: Receives `audio/` and the manifest.
        recipe_path: The training recipe.
        packs_dir: The language packs.
        per_set: Utterances per language and set, at most.

    Raises:
        ModelError: A word list is missing, or the folder cannot be written.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_write, out_dir, recipe_path, packs_dir, per_set).result()


def _write(out_dir: Path, recipe_path: Path, packs_dir: Path | None, per_set: int) -> Path:
    audio = out_dir / "audio"
    try:
        audio.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"{out_dir} cannot be written ({error}): give another folder") from error
    lines: list[str] = []
    for number, made in enumerate(recordings(recipe_path, packs_dir, per_set)):
        said = made.utterance
        path = audio / f"{number:05d}_{said.kind}_{said.language}.wav"
        _write_wav(path, made.samples)
        entry = {
            "audio_filepath": f"audio/{path.name}",
            "duration": round(len(made.samples) / RATE_HZ, 3),
            "text": said.text,
            "lang": said.language,
            "kind": said.kind,
            "speech_start": made.speech_start_seconds,
            "speech_end": made.speech_end_seconds,
            **made.expects,
        }
        lines.append(json.dumps(entry, ensure_ascii=False))
    manifest = out_dir / "manifest.jsonl"
    partial = manifest.with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(manifest)
    return manifest


def _write_wav(path: Path, samples: FloatArray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes())
