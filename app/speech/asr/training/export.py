"""Exports a trained .nemo to the served form: an int8 ONNX streaming graph, the tokenizer and `model.json`."""

from __future__ import annotations

import datetime
import json
import logging
import re
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.errors import ModelError

from ..served import file_hash
from .network import restore_model
from .recipe import load_recipe
from .tokenizer import forget_paths

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
    _make_pointwise_linear(model)
    model.set_export_config({"cache_support": "True"})
    model.export(str(out_path), check_trace=False, verbose=False)
    return model, streaming_shapes(model)


def _shorten_positions(encoder: Any, longest: int = 128) -> None:
    """Cuts the relative position table, 7 MB for 5,000 frames, to what a streaming step can address."""
    table = encoder.pos_enc.pe
    centre = table.size(1) // 2
    encoder.pos_enc.pe = table[:, centre - (longest - 1) : centre + longest].clone()
    encoder.max_audio_length = longest


class _Pointwise(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A convolution of kernel 1 as a matrix product, which quantises to int8 and runs faster."""

    def __init__(self, convolution: torch.nn.Conv1d) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(convolution.weight.detach()[:, :, 0].t().clone())
        self.bias = convolution.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps float[batch, channels, time]."""
        made = torch.matmul(x.transpose(1, 2), self.weight)
        return (made if self.bias is None else made + self.bias).transpose(1, 2)


def _make_pointwise_linear(model: Any) -> None:
    """Replaces every plain convolution of kernel 1 by a matrix product of the same result."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, torch.nn.Conv1d) and layer.kernel_size == (1,) and layer.groups == 1:
                setattr(parent, name, _Pointwise(layer))


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


def halve_nemo(nemo_path: Path, out_path: Path) -> None:
    """Copies a .nemo archive with weights in half precision and without the names of this machine's folders.

    NeMo reads such an archive as any other; a model exported from the copy has exactly its weights.

    Raises:
        ModelError: Where the archive is broken or holds no weights.
    """
    with tempfile.TemporaryDirectory() as folder, tarfile.open(out_path, "w") as made:
        kept = Path(folder)
        for path in sorted(_unpack(nemo_path, kept)):
            if path.name == "model_weights.ckpt":
                weights = torch.load(path, map_location="cpu", weights_only=True)
                torch.save({name: _halved(value) for name, value in weights.items()}, path)
            elif path.name == "model_config.yaml":
                text = path.read_text(encoding="utf-8")
                path.write_text(re.sub(r"(?m)^(  dir: ).*$", r"\1tokenizer", text, count=1), encoding="utf-8")
            elif path.name.endswith("tokenizer.model"):
                forget_paths(path)
            member = tarfile.TarInfo(path.name)
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                made.addfile(member, file)


def _unpack(nemo_path: Path, folder: Path) -> list[Path]:
    try:
        with tarfile.open(nemo_path) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise ModelError(f"{nemo_path}: no readable .nemo archive: {error}; train again or give another run") from error
    found = [path for path in folder.iterdir() if path.is_file()]
    if not any(path.name == "model_weights.ckpt" for path in found):
        raise ModelError(f"{nemo_path}: holds no model_weights.ckpt; it is not a .nemo archive")
    return found


def _halved(value: torch.Tensor) -> torch.Tensor:
    return value.half() if value.is_floating_point() else value


def _tokenizer_model(nemo_path: Path, out_path: Path) -> None:
    with tarfile.open(nemo_path) as archive:
        member = next((item for item in archive.getmembers() if item.name.endswith("tokenizer.model")), None)
        source = archive.extractfile(member) if member is not None else None
        if source is None:
            raise ModelError(f"{nemo_path} holds no tokenizer.model; it was not made by `asr train`")
        with source, out_path.open("wb") as target:
            shutil.copyfileobj(source, target)


def main(recipe_path: Path, run_dir: Path, model_dir: Path, keep_float: Path | None = None) -> dict[str, Any]:
    """Exports the run's `model.nemo` into a served model directory, whole or not at all.

    Args:
        recipe_path: the recipe the model was trained with.
        run_dir: holds `model.nemo` and `statistics.json`.
        model_dir: receives `encoder.onnx`, `tokenizer.model`, `model.json` and `model.nemo` in half precision.
        keep_float: also keeps the float32 graph here, for comparison.

    Returns:
        What was written to `model.json`.

    Raises:
        ModelError: where the run is incomplete or broken, or the recipe is wrong.
    """
    recipe = load_recipe(recipe_path)
    for name in ("model.nemo", "statistics.json"):
        if not (run_dir / name).is_file():
            raise ModelError(f"{run_dir / name} is missing; `asr train` writes it at its first checkpoint")
    torch.set_num_threads(1)
    model_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model_dir.parent) as folder:
        made = Path(folder) / model_dir.name
        made.mkdir()
        described = _export(recipe, run_dir, made, keep_float or Path(folder) / "float.onnx")
        model_dir.mkdir(exist_ok=True)
        for path in made.iterdir():
            path.replace(model_dir / path.name)
    _log.info("exported %s: %d bytes", model_dir, (model_dir / "encoder.onnx").stat().st_size)
    return described


def _export(recipe: dict[str, Any], run_dir: Path, model_dir: Path, float_path: Path) -> dict[str, Any]:
    nemo_path = model_dir / "model.nemo"
    halve_nemo(run_dir / "model.nemo", nemo_path)
    model, shapes = export_float_graph(nemo_path, float_path, recipe["encoder"]["serve_context"])
    quantise(float_path, model_dir / "encoder.onnx")
    _tokenizer_model(nemo_path, model_dir / "tokenizer.model")
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
    return described
