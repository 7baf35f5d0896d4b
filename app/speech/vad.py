"""Voice activity by Silero at 8 kHz, batched over all calls of a process; runs in the speech worker.

Source: the ONNX graph inside the `silero-vad` wheel (MIT); its Python package needs torch and is not imported.
"""

from collections.abc import Sequence
from importlib.metadata import files
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from app.errors import ConfigError
from app.speech.audio import Float32, decode_mulaw

WINDOW_SAMPLES: Final = 256
WINDOW_MS: Final = WINDOW_SAMPLES // 8
_CONTEXT_SAMPLES: Final = 32
_STATE_SHAPE: Final = (2, 128)


class VadStream:
    """One call's recurrent state and the audio that does not fill a window yet."""

    __slots__ = ("context", "pending", "state")

    def __init__(self) -> None:
        self.pending = bytearray()
        self.context: Float32 = np.zeros(_CONTEXT_SAMPLES, dtype=np.float32)
        self.state: Float32 = np.zeros(_STATE_SHAPE, dtype=np.float32)


class SileroVad:
    """Speech probability of every 32 ms window of many streams, in one ONNX call per window."""

    def __init__(self, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(_model_path()), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(8_000, dtype=np.int64)

    def probabilities(self, streams: Sequence[VadStream]) -> list[list[float]]:
        """Consumes every whole window that is pending and returns its speech probability.

        Args:
            streams: Streams whose `pending` holds 8 kHz mu-law bytes.

        Returns:
            One list per stream, in [0, 1], one value per 32 ms window, oldest first.
        """
        results: list[list[float]] = [[] for _ in streams]
        while True:
            ready = [i for i, stream in enumerate(streams) if len(stream.pending) >= WINDOW_SAMPLES]
            if not ready:
                return results
            for i, probability in zip(ready, self._step([streams[i] for i in ready]), strict=True):
                results[i].append(probability)

    def _step(self, streams: Sequence[VadStream]) -> list[float]:
        batch = np.empty((len(streams), _CONTEXT_SAMPLES + WINDOW_SAMPLES), dtype=np.float32)
        for row, stream in zip(batch, streams, strict=True):
            row[:_CONTEXT_SAMPLES] = stream.context
            row[_CONTEXT_SAMPLES:] = decode_mulaw(bytes(stream.pending[:WINDOW_SAMPLES]))
            del stream.pending[:WINDOW_SAMPLES]
        state = np.stack([stream.state for stream in streams], axis=1)
        output, state = self._session.run(None, {"input": batch, "state": state, "sr": self._rate})
        for i, stream in enumerate(streams):
            stream.context = batch[i, -_CONTEXT_SAMPLES:].copy()
            stream.state = state[:, i]
        return [float(value) for value in output[:, 0]]


def _model_path() -> Path:
    for file in files("silero-vad") or []:
        if file.name == "silero_vad.onnx":
            return Path(str(file.locate()))
    raise ConfigError("silero_vad.onnx is missing: reinstall the package silero-vad")
