"""Whether the configured recogniser will serve, asked before anything is started, so that a refusal is one line."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.language.packs import Pack

from ..choice import load_engine
from ..onnx_engine import STARTER_MODEL_DIR
from ..routing import engine_for
from .coverage import check_hearing
from .info import describe


def check_recogniser(engine: str, model: Path | None, models: Mapping[str, Path], packs: Iterable[Pack]) -> None:
    """Loads what the engine `onnx` would serve, reads what `nemo` would, and checks that every language can be written.

    NeMo itself is left to the worker: loading a checkpoint takes seconds and memory that the caller would keep.

    Args:
        engine: `onnx` or `nemo`, for `model`.
        model: the model of every call, where there is no language map; None: the starter model.
        models: the language map; each model in the engine that it was made for.
        packs: the loaded languages.

    Raises:
        ConfigError: There is no such engine, or NeMo is not installed.
        ModelError: A model is missing, damaged, for another engine, or cannot write a language.
    """
    check_hearing(model, models, packs)
    default = STARTER_MODEL_DIR / "model.nemo" if engine == "nemo" else STARTER_MODEL_DIR
    wanted = {path: engine_for(path) for path in models.values()} or {model or default: engine}
    for path, name in wanted.items():
        if name == "nemo" and importlib.util.find_spec("nemo") is not None:
            describe(path)
        else:
            load_engine(name, path)
