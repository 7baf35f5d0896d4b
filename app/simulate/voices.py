"""What the caller's voice sounds like: scenario words to telephone audio, with noise, before the call is made."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from app.errors import ConfigError, TtsError
from app.simulate.media import Mouth
from app.simulate.playout import FRAME_BYTES
from app.simulate.scenario import Say, Scenario, Span
from app.speech.audio import RATE_HZ, Float32, decode_mulaw, encode_mulaw, silence
from app.speech.tts.engine import TtsEngine, Voice

_LOUD: Final = 400 / 32_768
"""The level above which a sample counts as speech; the simulated carrier's loudspeaker uses the same."""
_SEED: Final = 20_261_121
_NOISE_SECONDS: Final = 4
_SLOWER: Final = 0.8
_TYPICAL_SPEECH_RMS: Final = 0.12


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance ready to be sent.

    Attributes:
        mulaw: mu-law, mono, 8 kHz.
        loud_from_ms: Where its first loud sample is.
        loud_to_ms: Where its last loud sample is.
    """

    mulaw: bytes
    loud_from_ms: float
    loud_to_ms: float

    @classmethod
    def of(cls, mulaw: bytes, place: str) -> "Spoken":
        """Measures an utterance.

        Raises:
            ConfigError: There is nothing to hear in it.
        """
        loud = np.flatnonzero(np.abs(decode_mulaw(mulaw)) > _LOUD)
        if not len(loud):
            raise ConfigError(f"{place}: nothing can be heard in it; give it words, or a louder recording")
        return cls(mulaw, loud[0] * 1_000 / RATE_HZ, (loud[-1] + 1) * 1_000 / RATE_HZ)


@dataclass(frozen=True, slots=True)
class Script:
    """A scenario with its audio; None: nothing is said.

    Attributes:
        scenario: Who says what.
        steps: The words of each step.
        again: The same, as they are said when the agent asks again.
        replies: The words of each reply; None: the last step's over again.
    """

    scenario: Scenario
    steps: tuple[Spoken | None, ...]
    again: tuple[Spoken | None, ...]
    replies: tuple[Spoken | None, ...]

    def mouth(self) -> Mouth:
        """Returns the caller's mouth, in noise if the scenario wants it."""
        if self.scenario.noise is None:
            return Mouth()
        spoken = [part.mulaw for part in (*self.steps, *self.replies) if part is not None]
        level = _rms(decode_mulaw(b"".join(spoken))) if spoken else _TYPICAL_SPEECH_RMS
        return NoisyMouth(_pink_noise(level * 10 ** (-self.scenario.noise.snr_db / 20)))


class NoisyMouth(Mouth):
    """A mouth in a noisy place: the noise goes on while nothing is said."""

    def __init__(self, noise: Float32) -> None:
        """Takes float32[n], mono, 8 kHz, which is repeated for ever."""
        super().__init__()
        self._noise = noise
        self._at = 0

    def frame(self, now: float) -> bytes:
        """Returns the next 160 bytes, noise included."""
        speech = decode_mulaw(super().frame(now))
        self._at = (self._at + FRAME_BYTES) % (len(self._noise) - FRAME_BYTES)
        return encode_mulaw(speech + self._noise[self._at : self._at + FRAME_BYTES])


def prepare(scenario: Scenario, engine: TtsEngine, folder: Path) -> Script:
    """Voices everything the caller may say.

    Args:
        scenario: Who says what.
        engine: The caller's voice box.
        folder: Where relative WAV paths begin.

    Raises:
        ConfigError: A voice is unknown, or a WAV file cannot be used.
    """
    steps: list[Spoken | None] = []
    again: list[Spoken | None] = []
    replies: list[Spoken | None] = []
    for number, step in enumerate(scenario.steps):
        place = f"steps[{number}]"
        if step.say is not None:
            steps.append(_spoken(scenario, step.say, engine, f"{place}.say"))
            slower = step.say.model_copy(update={"rate": round(step.say.rate * _SLOWER)})
            again.append(_spoken(scenario, step.again or slower, engine, f"{place}.again"))
        else:
            recorded = Spoken.of(read_wav(folder / step.wav), f"{scenario.name}: {place}.wav") if step.wav else None
            steps.append(recorded)
            again.append(recorded)
    for number, reply in enumerate(scenario.replies):
        replies.append(_spoken(scenario, reply.say, engine, f"replies[{number}].say") if reply.say else None)
    return Script(scenario, tuple(steps), tuple(again), tuple(replies))


def _spoken(scenario: Scenario, say: Say, engine: TtsEngine, place: str) -> Spoken:
    return Spoken.of(_voiced(scenario, say, engine, place), f"{scenario.name}: {place}")


def _voiced(scenario: Scenario, say: Say, engine: TtsEngine, place: str) -> bytes:
    spans = say.spans or (Span(text=say.text or ""),)
    pieces: list[bytes] = []
    for span in spans:
        if span.text.strip():
            name = say.voice or scenario.voices[span.language or say.language or scenario.language]
            try:
                pieces += engine.synthesise(span.text, Voice(name, say.rate, say.pitch))
            except TtsError as error:
                raise ConfigError(f"{scenario.name}: {place}: {error.detail}; see docs/simulator.md") from error
        pieces.append(silence(span.pause_ms))
    mulaw = b"".join(pieces)
    return mulaw if say.gain == 1.0 else encode_mulaw(decode_mulaw(mulaw) * np.float32(say.gain))


def _rms(samples: Float32) -> float:
    """Returns the level of the loud part of float32[n]."""
    loud = samples[np.abs(samples) > _LOUD]
    return float(np.sqrt(np.mean(loud**2))) if len(loud) else _TYPICAL_SPEECH_RMS


def _pink_noise(rms: float) -> Float32:
    """Returns float32[n], 8 kHz: the spectrum of a street, falling 3 dB per octave, the same at each run."""
    count = RATE_HZ * _NOISE_SECONDS
    spectrum = np.fft.rfft(np.random.default_rng(_SEED).standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 50.0))
    noise = np.fft.irfft(spectrum, count)
    scaled: Float32 = (noise * (rms / np.sqrt(np.mean(noise**2)))).astype(np.float32)
    return scaled


def read_wav(path: Path) -> bytes:
    """Returns the mu-law of an 8 kHz mono WAV file, 16-bit PCM or mu-law.

    Raises:
        ConfigError: Another format, or no WAV file at all.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    chunks = _riff_chunks(data)
    try:
        kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
        body = chunks[b"data"]
    except (KeyError, struct.error) as error:
        raise ConfigError(f"{path}: not a WAV file") from error
    if (channels, rate) != (1, RATE_HZ) or (kind, bits) not in ((1, 16), (7, 8)):
        raise ConfigError(
            f"{path}: {channels} channels at {rate} Hz, format {kind} with {bits} bits; needed is 8000 Hz mono, "
            "16-bit PCM or mu-law (`sox in.wav -r 8000 -c 1 -b 16 out.wav`)"
        )
    if kind == 7:
        return body
    return encode_mulaw(np.frombuffer(body[: len(body) // 2 * 2], dtype="<i2").astype(np.float32) / 32_768.0)


def _riff_chunks(data: bytes) -> Mapping[bytes, bytes]:
    chunks: dict[bytes, bytes] = {}
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return chunks
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        chunks[name] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return chunks
