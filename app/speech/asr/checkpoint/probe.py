"""A short hearing test of a model directory, so that a model which loads but cannot hear is found before a call is."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import signal

from app.errors import AppError, ModelError
from app.language.packs import Pack

from ..choice import load_engine
from ..engine import AsrEngine
from ..features import FloatArray, encode_mulaw
from ..training.espeak import Espeak
from .coverage import Coverage, check_coverage
from .info import read_model_json

_FRAME_BYTES = 160
_QUIET_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model made of one synthetic sentence; `speed` is seconds of audio per second of computing, one stream."""

    language: str
    said: str
    heard: str
    speed: float


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The outcome of a probe: it loaded, streamed and can write the languages; `heard` is for a person to judge."""

    heard: tuple[Heard, ...]
    coverage: tuple[Coverage, ...]


def engine_of(model_dir: Path) -> AsrEngine:
    """Loads a model directory in the engine that its `model.json` names.

    Raises:
        ModelError: The directory is no model.
        ConfigError: The engine's packages are not installed.
    """
    name = read_model_json(model_dir).get("engine", "onnx")
    return load_engine(name, model_dir if name == "onnx" else model_dir / "model.nemo")


def probe(model_dir: Path, packs: Iterable[Pack], engine: AsrEngine | None = None) -> ProbeReport:
    """Loads a model, checks that it can write the languages, and streams a spoken sentence of each through it.

    A synthetic voice tells whether the path from audio to text works, not how well the model hears people.

    Args:
        model_dir: a served model.
        packs: the languages that it is for.
        engine: the model already loaded.

    Raises:
        ModelError: It does not load, fails while streaming, answers nonsense figures, or cannot write a language.
    """
    packs = tuple(packs)
    coverage = check_coverage(model_dir, packs)
    try:
        loaded = engine or engine_of(model_dir)
        heard = tuple(_listen(loaded, pack) for pack in packs)
    except AppError:
        raise
    except (RuntimeError, ValueError, KeyError, TypeError, OSError) as error:
        raise ModelError(f"{model_dir} loads but does not hear ({error}); convert it again") from error
    return ProbeReport(heard, coverage)


def _listen(engine: AsrEngine, pack: Pack) -> Heard:
    said = min(
        (text for forms in pack.tests.values() for text in forms.get("native", ()) if len(text.split()) > 3), key=len
    )
    audio = _spoken(said, pack.tag.split("-")[0])
    started = time.perf_counter()
    stream = engine.open_stream()
    for at in range(0, len(audio), _FRAME_BYTES):
        engine.push(stream, audio[at : at + _FRAME_BYTES])
        engine.step([stream])
    final = engine.finish([stream])[0]
    spent = time.perf_counter() - started
    engine.close_stream(stream)
    if not (math.isfinite(final.confidence) and 0.0 <= final.confidence <= 1.0):
        raise ValueError(f"a transcript's confidence is {final.confidence}")
    return Heard(pack.tag, said, final.text, len(audio) / 8000 / spent)


def _spoken(text: str, language: str) -> bytes:
    speech = Espeak().speak(text.split(), "en-us" if language == "en" else language)
    narrow: FloatArray = signal.resample_poly(speech.samples, 8000, speech.sample_rate_hz).astype(np.float32)
    quiet = np.zeros(int(_QUIET_SECONDS * 8000), np.float32)
    loud = narrow * np.float32(0.1 / (np.sqrt(np.mean(narrow**2)) + 1e-9))
    return encode_mulaw(np.concatenate([quiet, loud, quiet]))
