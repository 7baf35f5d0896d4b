"""Which recogniser serves: the ONNX one on the CPU, or NeMo's own, which is imported only here and only when chosen."""

from __future__ import annotations

from pathlib import Path

from app.errors import ConfigError

from .engine import AsrEngine
from .onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine

ENGINES = ("onnx", "nemo")


def load_engine(name: str, model: Path | None = None, *, device: str = "cpu", threads: int = 1) -> AsrEngine:
    """Loads an engine.

    Args:
        name: `onnx` or `nemo`.
        model: a model directory (`onnx`) or a `.nemo` file (`nemo`); None takes the starter checkpoint.
        device: where `nemo` computes: `cpu`, `cuda` or `cuda:N`.
        threads: threads within one model run on the CPU.

    Raises:
        ConfigError: The engine cannot be used; the detail names the cure.
        ModelError: The model cannot be used; the detail names the cure.
    """
    if name == "onnx":
        return OnnxAsrEngine(model or STARTER_MODEL_DIR, threads)
    if name == "nemo":
        try:
            from .nemo_engine import NemoAsrEngine
        except ImportError as error:
            cure = "run `make setup-nemo`, or choose VAANISETU_ASR_ENGINE=onnx"
            raise ConfigError(f"the engine `nemo` needs NeMo and torch ({error}): {cure}") from error
        return NemoAsrEngine(model or STARTER_MODEL_DIR / "model.nemo", device=device, threads=threads)
    raise ConfigError(f"VAANISETU_ASR_ENGINE is `{name}`; it is one of {', '.join(ENGINES)}")
