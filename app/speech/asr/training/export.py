"""Exports a trained .nemo to the served form: an int8 ONNX streaming graph, the tokenizer and `model.json`."""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .network import restore_model
from .synth import load_recipe

_log = logging.getLogger(__name__)


def streaming_shapes(model: Any) -> dict[str, int]:
    """Returns the graph's geometry: mel frames per step and of look-back, frames out, cache sizes."""
    encoder = model.encoder
    config = encoder.streaming_cfg
    channel, time, _ = encoder.get_initial_cache_state(batch_size=1)
    return {
        "shift_frames": int(config.shift_size[1]),
        "lookback_frames": int(config.pre_encode_cache_size[1]),
        "first_shift_frames": int(config.shift_size[0]),
        "encoder_frames": int(config.valid_out_len),
        "layers": int(channel.shape[0]),
        "left_context": int(channel.shape[2]),
        "width": int(channel.shape[3]),
        "time_context": int(time.shape[3]),
    }


def export_float_graph(nemo_path: Path, out_path: Path, context: list[int]) -> tuple[Any, dict[str, int]]:
    """Writes the float32 streaming graph; returns the restored model and its geometry."""
    model = restore_model(nemo_path)
    model.eval()
    model.encoder.set_default_att_context_size(context)
    model.encoder.setup_streaming_params()
    _shorten_positions(model.encoder)
    model.set_export_config({"cache_support": "True"})
    model.export(str(out_path), check_trace=False, verbose=False)
    return model, streaming_shapes(model)


def _shorten_positions(encoder: Any, longest: int = 128) -> None:
    """Cuts the relative position table, 7 MB for 5,000 frames, to what a streaming step can address."""
    table = encoder.pos_enc.pe
    centre = table.size(1) // 2
    encoder.pos_enc.pe = table[:, centre - (longest - 1) : centre + longest].clone()
    encoder.max_audio_length = longest


def quantise(float_path: Path, int8_path: Path, convolutions: bool = False) -> None:
    """Quantises weights to int8 with activations scaled at run time; convolutions stay in float unless asked."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(float_path), str(prepared), skip_symbolic_shape=True)
        quantize_dynamic(
            str(prepared),
            str(int8_path),
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=["MatMul", "Gemm", *(["Conv"] if convolutions else [])],
        )


def _tokenizer_model(nemo_path: Path, out_path: Path) -> None:
    with tarfile.open(nemo_path) as archive:
        member = next(item for item in archive.getmembers() if item.name.endswith("tokenizer.model"))
        source = archive.extractfile(member)
        if source is None:
            raise FileNotFoundError(f"{nemo_path} holds no tokenizer.model")
        with source, out_path.open("wb") as target:
            shutil.copyfileobj(source, target)


def file_hash(paths: list[Path]) -> str:
    """Returns one SHA-256 over the files' bytes, in order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main(recipe_path: Path, run_dir: Path, model_dir: Path, keep_float: Path | None = None) -> dict[str, Any]:
    """Exports the run's `model.nemo` into a served model directory.

    Args:
        recipe_path: the recipe the model was trained with.
        run_dir: holds `model.nemo` and `statistics.json`.
        model_dir: receives `encoder.onnx`, `tokenizer.model` and `model.json`.
        keep_float: also keeps the float32 graph here, for comparison.

    Returns:
        What was written to `model.json`.
    """
    recipe = load_recipe(recipe_path)
    torch.set_num_threads(1)
    model_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        float_path = keep_float or Path(folder) / "float.onnx"
        model, shapes = export_float_graph(run_dir / "model.nemo", float_path, recipe["encoder"]["serve_context"])
        quantise(float_path, model_dir / "encoder.onnx")
    _tokenizer_model(run_dir / "model.nemo", model_dir / "tokenizer.model")
    statistics = json.loads((run_dir / "statistics.json").read_text(encoding="utf-8"))
    described = {
        "name": model_dir.name,
        "languages": recipe["languages"],
        "features": recipe["features"],
        "streaming": shapes,
        "frame_ms": 80,
        "emission_delay_frames": 0,
        "vocabulary_size": int(model.tokenizer.vocab_size),
        "parameters": int(sum(value.numel() for value in model.parameters())),
        "trained_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "sha256": file_hash([model_dir / "encoder.onnx", model_dir / "tokenizer.model"]),
        "mean": np.round(statistics["mean"], 5).tolist(),
        "std": np.round(statistics["std"], 5).tolist(),
    }
    (model_dir / "model.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    _log.info("exported %s: %d bytes", model_dir, (model_dir / "encoder.onnx").stat().st_size)
    return described
