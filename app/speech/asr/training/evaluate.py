"""Measures the served engine: WER, CER and whole-utterance accuracy, on a manifest or on held-out synthetic calls."""

from __future__ import annotations

import json
import logging
import time
import wave
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..decoder import edit_distance
from ..engine import AsrEngine
from ..features import FloatArray, decode_mulaw, encode_mulaw

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 160


@dataclass(frozen=True, slots=True)
class Call:
    """One utterance to recognise: mu-law audio at 8 kHz and what is said in it."""

    mulaw: bytes
    text: str
    language: str
    kind: str


@dataclass(slots=True)
class Score:
    """Counts of one group; rates in percent."""

    utterances: int = 0
    right: int = 0
    words: int = 0
    word_errors: int = 0
    characters: int = 0
    character_errors: int = 0

    def add(self, reference: str, heard: str) -> None:
        """Counts one utterance."""
        self.utterances += 1
        self.right += reference == heard
        self.words += len(reference.split())
        self.word_errors += edit_distance(reference.split(), heard.split())
        self.characters += len(reference)
        self.character_errors += edit_distance(reference, heard)

    def rates(self) -> dict[str, float]:
        """Returns `wer`, `cer` and `utterances_right` in percent, and the count."""
        return {
            "utterances": self.utterances,
            "wer": round(100 * self.word_errors / max(1, self.words), 1),
            "cer": round(100 * self.character_errors / max(1, self.characters), 1),
            "utterances_right": round(100 * self.right / max(1, self.utterances), 1),
        }


def read_manifest(path: Path) -> Iterator[Call]:
    """Reads NeMo-style JSON lines (`audio_filepath`, `text`, `lang`, optional `kind`); 8 or 16 kHz 16-bit mono WAV."""
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        audio = Path(entry["audio_filepath"])
        samples = _read_wav(audio if audio.is_absolute() else path.parent / audio)
        yield Call(encode_mulaw(samples), entry["text"], entry.get("lang", "?"), entry.get("kind", "manifest"))


def _read_wav(path: Path) -> FloatArray:
    with wave.open(str(path), "rb") as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            raise ValueError(f"{path} is not 16-bit mono")
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / np.float32(32768)
    if rate_hz == 8000:
        return samples
    from scipy import signal

    return np.asarray(signal.resample_poly(samples, 8000, rate_hz), np.float32)


def held_out_calls(recipe_path: Path, per_set: int, packs_dir: Path | None, gentle: bool = True) -> Iterator[Call]:
    """Voices held-out text with the held-out voices: templates, pack sentences, words, digits, short answers."""
    from .synth import ShardMaker, load_recipe
    from .text import TextSource

    recipe = load_recipe(recipe_path)
    source = TextSource(recipe, seed=777, packs_dir=packs_dir)
    maker = ShardMaker(recipe, 778, recipe["synth"]["held_out_variants"], [])
    for utterance in source.validation(per_set):
        made = maker.call_audio(utterance, gentle)
        if made is not None:
            yield Call(encode_mulaw(made[0]), utterance.text, utterance.language, utterance.kind)


def transcribe(engine: AsrEngine, calls: list[Call], batch: int = 8) -> tuple[list[str], float]:
    """Streams calls through the engine in 20 ms frames, `batch` at a time; returns texts and seconds spent."""
    texts: list[str] = []
    started = time.perf_counter()
    for first in range(0, len(calls), batch):
        group = calls[first : first + batch]
        streams = [engine.open_stream() for _ in group]
        for at in range(0, max(len(call.mulaw) for call in group), _CHUNK_BYTES):
            for stream, call in zip(streams, group, strict=True):
                engine.push(stream, call.mulaw[at : at + _CHUNK_BYTES])
            engine.step(streams)
        texts += [final.text for final in engine.finish(streams)]
    return texts, time.perf_counter() - started


def score(calls: Iterable[Call], texts: Iterable[str]) -> dict[str, dict[str, float]]:
    """Groups the results by language, by kind, and by both; group `digits` gives digit-string accuracy."""
    groups: dict[str, Score] = defaultdict(Score)
    for call, heard in zip(calls, texts, strict=True):
        for key in ("all", call.language, call.kind, f"{call.kind}/{call.language}"):
            groups[key].add(call.text, heard)
    return {key: groups[key].rates() for key in sorted(groups)}


def as_table(results: dict[str, dict[str, float]]) -> str:
    """Formats results as a Markdown table."""
    lines = ["| set | utterances | WER % | CER % | whole utterance right % |", "|---|---|---|---|---|"]
    for key, rates in results.items():
        figures = (f"{rates['utterances']:.0f}", rates["wer"], rates["cer"], rates["utterances_right"])
        lines.append(f"| {key} | {' | '.join(str(figure) for figure in figures)} |")
    return "\n".join(lines)


def main(
    model_dir: Path,
    recipe_path: Path | None = None,
    manifest: Path | None = None,
    packs_dir: Path | None = None,
    per_set: int = 40,
    json_path: Path | None = None,
    write: Callable[[str], object] = _log.info,
    errors_to_show: int = 0,
    gentle: bool = True,
    ngrams: Path | None = None,
) -> dict[str, dict[str, float]]:
    """Evaluates a model directory on a manifest, or on freshly voiced held-out calls.

    Args:
        model_dir: a served model.
        recipe_path: the recipe, for held-out calls.
        manifest: JSON lines; replaces the held-out calls.
        packs_dir: language packs whose held-out sentences join.
        per_set: utterances per language and set.
        json_path: also writes results, per-call texts included, as JSON.
        write: receives the table.
        errors_to_show: writes that many misheard utterances too.
        gentle: good lines rather than the training's worst.
        ngrams: n-grams instead of the model's own, which may have counted the held-out sentences.

    Raises:
        ValueError: where neither a manifest nor a recipe is given.
    """
    from ..onnx_engine import OnnxAsrEngine

    if manifest is not None:
        calls = list(read_manifest(manifest))
    elif recipe_path is not None:
        calls = list(held_out_calls(recipe_path, per_set, packs_dir, gentle))
    else:
        raise ValueError("give a manifest or a recipe")
    texts, spent = transcribe(OnnxAsrEngine(model_dir, ngrams=ngrams), calls)
    results = score(calls, texts)
    seconds = sum(len(decode_mulaw(call.mulaw)) for call in calls) / 8000
    write(as_table(results))
    write(f"{seconds:.0f} s of audio in {spent:.1f} s")
    for call, heard in [(c, t) for c, t in zip(calls, texts, strict=True) if c.text != t][:errors_to_show]:
        write(f"{call.language} {call.kind}: {call.text!r} -> {heard!r}")
    if json_path is not None:
        heard_calls = [
            {"language": call.language, "kind": call.kind, "text": call.text, "heard": heard}
            for call, heard in zip(calls, texts, strict=True)
        ]
        described = {"results": results, "calls": heard_calls}
        json_path.write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")
    return results
