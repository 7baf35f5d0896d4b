"""Speaks with Festival's Hindi and Telugu diphone voices: a synthesiser that training never hears.

Debian's packages festival, festvox-hi-nsk and festvox-te-nsk carry it, festival-hi and festival-te what they
need of the languages. The two settings keep the voices from failing on
the intonation models that they do not have.
"""

from __future__ import annotations

import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from scipy import signal

from app.errors import ModelError

from ..features import FloatArray
from ..training.synth import trim

VOICES = {"hi": "voice_hindi_NSK_diphone", "te": "voice_telugu_NSK_diphone"}
_PROBES = {"hi": "मेरा सामान कब आएगा", "te": "నా సామాను ఎప్పుడు వస్తుంది"}


def is_installed() -> bool:
    """Tells whether Festival and both voices are there."""
    voices = Path("/usr/share/festival/voices")
    return Path("/usr/bin/festival").exists() and all(
        (voices / path).exists() for path in ("hindi/hindi_NSK_diphone", "telugu/telugu_NSK_diphone")
    )


def require() -> None:
    """Tries both voices.

    Raises:
        ModelError: One of them does not speak.
    """
    for language, text in _PROBES.items():
        if not len(speak(text, language)):
            raise ModelError(
                f"Festival is installed and its voice {VOICES[language]} says nothing: "
                "apt-get install festival-hi festival-te, or remove festvox-hi-nsk and festvox-te-nsk to go without"
            )


def speak(text: str, language: str) -> FloatArray:
    """Returns float32[n] at 16 kHz, trimmed to the speech; empty where Festival cannot read the text."""
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder) / "said.wav", Path(folder) / "said.scm"
        script.write_text(
            f"({VOICES[language]})\n(Parameter.set 'Int_Method 'DuffInt)\n"
            "(Parameter.set 'Int_Target_Method 'DuffInt)\n"
            f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" \'riff)\n',
            encoding="utf-8",
        )
        try:
            subprocess.run(["/usr/bin/festival", "-b", str(script)], check=True, capture_output=True, timeout=60)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return np.zeros(0, np.float32)
        if not path.exists():
            return np.zeros(0, np.float32)
        with wave.open(str(path), "rb") as file:
            rate_hz = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / np.float32(32768)
    if rate_hz != 16_000:
        samples = np.asarray(signal.resample_poly(samples, 16_000, rate_hz), np.float32)
    return trim(samples, 16_000)[0]
