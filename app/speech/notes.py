"""Writes down recordings that nobody waits for on the line: WhatsApp voice notes, with the recogniser of the calls."""

import asyncio
import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import gcd
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from scipy.signal import resample_poly

from app.errors import AppError, AsrError, Unprocessable
from app.speech.asr.choice import load_engine
from app.speech.asr.engine import AsrEngine
from app.speech.asr.routing import engine_for, load_routed
from app.speech.audio import FRAME_BYTES, RATE_HZ, Float32, encode_mulaw, silence

LONGEST_SECONDS: Final = 300
_LEAD_MS: Final = 300
_STEP_BYTES: Final = FRAME_BYTES * 10


def recogniser(
    engine: str, model: Path | None, models: Mapping[str, Path], device: str, threads: int
) -> Callable[[], AsrEngine]:
    """Returns how the recogniser of the calls is loaded, by the same settings."""

    def load() -> AsrEngine:
        if models:
            return load_routed(models, lambda path: load_engine(engine_for(path), path, device=device, threads=threads))
        return load_engine(engine, model, device=device, threads=threads)

    return load


def decoded(recording: bytes) -> Float32:
    """Returns a recording as float32[n] in [-1, 1], mono, 8 kHz.

    Args:
        recording: Ogg with Opus or Vorbis, MP3, FLAC or WAV, of any rate and number of channels.

    Raises:
        Unprocessable: It is none of these, empty, or longer than `LONGEST_SECONDS`.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(recording)) as file:
            rate = int(file.samplerate)
            if file.frames > LONGEST_SECONDS * rate:
                detail = f"recordings have at most {LONGEST_SECONDS} seconds"
                raise Unprocessable(detail, code="recording_too_long")
            samples = file.read(frames=LONGEST_SECONDS * rate, dtype="float32", always_2d=True).mean(axis=1)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        raise Unprocessable("the recording cannot be read", code="recording_unreadable") from error
    if samples.size == 0:
        raise Unprocessable("the recording is empty", code="recording_unreadable")
    common = gcd(rate, RATE_HZ)
    telephone = resample_poly(samples, RATE_HZ // common, rate // common) if rate != RATE_HZ else samples
    heard: Float32 = np.clip(telephone, -1.0, 1.0).astype(np.float32)
    return heard


class Notes:
    """Implements `whatsapp.ports.VoiceNotes`: one recording at a time, in a thread of its own, the model on first use.

    Args:
        load: Loads the recogniser; called in that thread.
    """

    def __init__(self, load: Callable[[], AsrEngine]) -> None:
        self._load = load
        self._engine: AsrEngine | None = None
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="voice-notes")

    async def written(self, recording: bytes) -> str:
        """Returns what a recording says; see `VoiceNotes`.

        Raises:
            AsrError: The recogniser cannot be used, or failed.
            Unprocessable: It is no recording that can be read, or too long.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._written, recording)

    def close(self) -> None:
        """Ends the thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _written(self, recording: bytes) -> str:
        call = silence(_LEAD_MS) + encode_mulaw(decoded(recording)) + silence(_LEAD_MS)
        try:
            if self._engine is None:
                self._engine = self._load()
            return _recognised(self._engine, call)
        except AppError as error:
            raise AsrError(f"voice notes are not recognised: {error.detail}") from error
        except (RuntimeError, OSError, ValueError) as error:
            raise AsrError(f"the voice note was not recognised ({type(error).__name__})") from error


def _recognised(engine: AsrEngine, call: bytes) -> str:
    stream = engine.open_stream()
    try:
        for start in range(0, len(call), _STEP_BYTES):
            engine.push(stream, call[start : start + _STEP_BYTES])
            while engine.is_due(stream):
                engine.step([stream])
        [heard] = engine.finish([stream])
    finally:
        engine.close_stream(stream)
    return heard.text.strip()
