"""A listening worker with a language map: a call finds the model that hears it, and a bad map stops the worker."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from app.errors import ConfigError
from app.speech.asr.engine import Transcript
from app.speech.asr.features import encode_mulaw
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR
from app.speech.asr.training.espeak import Espeak
from app.speech.ear import Ears
from app.speech.seat import HearingOptions

pytestmark = pytest.mark.integration


class Caller:
    def on_voice(self, probabilities: Sequence[float]) -> None:
        return

    def on_partial(self, transcript: Transcript) -> None:
        return

    def on_hearing_lost(self) -> None:
        return

    def on_hearing_restored(self) -> None:
        return


def _digits() -> bytes:
    speech = Espeak().speak("नौ आठ सात छह पाँच".split(), "hi+m3", rate=140)
    narrow = signal.resample_poly(speech.samples, 8000, speech.sample_rate_hz).astype(np.float32)
    quiet = np.zeros(3200, np.float32)
    return encode_mulaw(np.concatenate([quiet, narrow * np.float32(0.1 / narrow.std()), quiet]))


async def test_a_call_is_heard_by_the_model_that_understands_it(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf model"
    shutil.copytree(STARTER_MODEL_DIR, deaf, ignore=shutil.ignore_patterns("model.nemo"))
    described = json.loads((deaf / "model.json").read_text(encoding="utf-8"))
    described["mean"] = [value + 40.0 for value in described["mean"]]
    (deaf / "model.json").write_text(json.dumps(described), encoding="utf-8")
    ears = Ears(HearingOptions(capacity=1, models={"ta-IN": deaf, "hi-IN": STARTER_MODEL_DIR}))
    await ears.start()
    try:
        ear = ears.open(Caller())
        for _ in range(2):
            audio = _digits()
            ear.begin(10**9)
            for at in range(0, len(audio), 1280):
                ear.push(audio[at : at + 1280])
                await asyncio.sleep(0.05)
            final = await ear.finish()
            assert "सात" in final.text
            ear.end()
        ear.close()
    finally:
        await ears.close()


async def test_a_map_to_no_model_stops_the_worker_with_its_reason(tmp_path: Path) -> None:
    ears = Ears(HearingOptions(capacity=1, models={"hi-IN": tmp_path}))
    with pytest.raises(ConfigError, match=r"holds no model\.json"):
        await ears.start()
    await ears.close()
