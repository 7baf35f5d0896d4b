"""Evaluates an engine on a manifest under each condition; what `vaanisetu asr evaluate` runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import signal

from app.language.packs import Pack

from ..engine import AsrEngine, Bias
from ..features import FloatArray
from .listening import Turn, Utterance, listen, speech_end_ms, to_mulaw
from .material import Item
from .measures import count
from .report import Report, Result

_RATE_HZ = 8000
_LINE = signal.butter(4, [300, 3400], btype="band", fs=_RATE_HZ, output="sos")
_LINE_LEVEL_DB = -26.0
_NOISE_DB = -56.0
CONDITIONS = ("clean", "telephone")


def condition_audio(samples: FloatArray, condition: str) -> FloatArray:
    """Returns float32[n] at 8 kHz as it goes into mu-law.

    `clean` is the recording as it is. `telephone` is a line: 300 to 3400 Hz, speech at -26 dBov (ITU-T P.56 level),
    and a little noise, -56 dBov, always the same.

    Raises:
        ValueError: No such condition.
    """
    if condition == "clean":
        return samples
    if condition != "telephone":
        raise ValueError(f"no condition {condition!r}; there are {', '.join(CONDITIONS)}")
    narrow = np.asarray(signal.sosfilt(_LINE, samples), np.float32)
    loud = np.abs(narrow) > 0.1 * np.max(np.abs(narrow), initial=1e-9)
    level = float(np.sqrt(np.mean(np.square(narrow[loud])))) if loud.any() else 1.0
    noise = np.random.default_rng(0).normal(0, 10 ** (_NOISE_DB / 20), len(narrow)).astype(np.float32)
    return narrow * np.float32(10 ** (_LINE_LEVEL_DB / 20) / max(level, 1e-6)) + noise


def packs_for(language: str, packs: Mapping[str, Pack]) -> tuple[Pack, ...]:
    """Returns the packs whose numbers may occur in an utterance: its own first, then the others."""
    own = [pack for tag, pack in packs.items() if tag.split("-")[0] == language]
    return (*own, *(pack for pack in packs.values() if pack not in own))


def evaluate(
    engine: AsrEngine,
    items: Sequence[Item],
    packs: Mapping[str, Pack],
    about: dict[str, str],
    conditions: Sequence[str] = ("telephone",),
    open_turn: Callable[[Bias | None], Turn] | None = None,
    bias_of: Callable[[Item], Bias | None] = lambda item: None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Report:
    """Plays every item through the engine under every condition and counts.

    Args:
        engine: A streaming recogniser.
        items: What to play.
        packs: Language packs by tag, for numbers.
        about: What the report says of itself.
        conditions: Some of `CONDITIONS`.
        open_turn: Follows a turn for the endpoint measures; None leaves them out.
        bias_of: What the decoder is told to expect of an item.
        progress: Called with (played, in all) after every utterance.
    """
    results: list[Result] = []
    total = len(items) * len(conditions)
    for condition in conditions:
        for first in range(0, len(items), 64):
            for result in _part(engine, items[first : first + 64], packs, condition, open_turn, bias_of):
                results.append(result)
                progress(len(results), total)
    return Report(about, tuple(results))


def _part(
    engine: AsrEngine,
    items: Sequence[Item],
    packs: Mapping[str, Pack],
    condition: str,
    open_turn: Callable[[Bias | None], Turn] | None,
    bias_of: Callable[[Item], Bias | None],
) -> Iterator[Result]:
    utterances = []
    for item in items:
        samples = item.samples()
        end = item.speech_end_ms if item.speech_end_ms is not None else speech_end_ms(samples, _RATE_HZ)
        utterances.append(Utterance(to_mulaw(condition_audio(samples, condition)), end, bias_of(item)))
    for item, heard in zip(items, listen(engine, utterances, open_turn), strict=True):
        counts = count(item.text, heard, packs_for(item.language, packs), item.word)
        yield Result(item.name, condition, item.language, item.pair, item.kind, item.text, heard.text, counts)


def with_vocabulary(item: Item, phrases: tuple[str, ...], numerals: tuple[tuple[str, int], ...]) -> Bias | None:
    """Returns what the manifest line expects together with a vocabulary."""
    bias = item.bias or Bias()
    return replace(bias, phrases=phrases, numerals=numerals) if phrases or item.bias else None


def write_whole(path: Path, text: str) -> None:
    """Writes a file that is either whole or not there."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
