"""Builds the NeMo model of the recipe: a cache-aware streaming FastConformer with a CTC head."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nemo.collections.asr as nemo_asr
import torch
from omegaconf import OmegaConf


def build_model(recipe: dict[str, Any], tokenizer_dir: Path) -> Any:
    """Builds an untrained `EncDecCTCModelBPE` with the recipe's features, encoder and tokenizer."""
    features, encoder = recipe["features"], recipe["encoder"]
    rate_hz = features["sample_rate_hz"]
    config = {
        "sample_rate": rate_hz,
        "log_prediction": False,
        "ctc_reduction": "mean_batch",
        "tokenizer": {"dir": str(tokenizer_dir), "type": "bpe"},
        "preprocessor": {
            "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
            "sample_rate": rate_hz,
            "normalize": "NA",
            "window_size": features["window_samples"] / rate_hz,
            "window_stride": features["hop_samples"] / rate_hz,
            "window": "hann",
            "features": features["mel_bands"],
            "n_fft": features["fft_size"],
            "frame_splicing": 1,
            "dither": 0.0,
            "pad_to": 0,
        },
        "encoder": {
            "_target_": "nemo.collections.asr.modules.ConformerEncoder",
            "feat_in": features["mel_bands"],
            "feat_out": -1,
            "n_layers": encoder["layers"],
            "d_model": encoder["width"],
            "use_bias": True,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": encoder["subsampling_channels"],
            "causal_downsampling": True,
            "ff_expansion_factor": 4,
            "self_attention_model": "rel_pos",
            "n_heads": encoder["heads"],
            "att_context_size": encoder["attention_contexts"],
            "att_context_style": "chunked_limited",
            "xscaling": True,
            "pos_emb_max_len": 5000,
            "conv_kernel_size": encoder["convolution_kernel"],
            "conv_norm_type": "layer_norm",
            "conv_context_size": "causal",
            "dropout": 0.0,
            "dropout_pre_encoder": 0.0,
            "dropout_emb": 0.0,
            "dropout_att": 0.0,
        },
        "decoder": {
            "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
            "feat_in": None,
            "num_classes": -1,
            "vocabulary": [],
        },
        "optim": {"name": "adamw", "lr": recipe["training"]["learning_rate"]},
    }
    torch.manual_seed(0)
    return nemo_asr.models.EncDecCTCModelBPE(cfg=OmegaConf.create(config))


def restore_model(nemo_path: Path) -> Any:
    """Loads a .nemo archive on the CPU."""
    return nemo_asr.models.EncDecCTCModelBPE.restore_from(str(nemo_path), map_location="cpu")


def rescale_subsampling(model: Any, features: torch.Tensor, lengths: torch.Tensor) -> None:
    """Rescales the subsampling stack's fresh weights so that every layer gives unit variance on real features.

    The depth-wise stack otherwise starts with a signal too weak to leave the blank plateau soon.

    Args:
        model: the untrained model.
        features: float32[batch, mel, frames], normalised.
        lengths: int64[batch].

    Source: Mishkin & Matas, "All you need is a good init" (2016).
    """
    stack = model.encoder.pre_encode
    layers = [layer for layer in stack.conv if hasattr(layer, "weight")] + [stack.out]
    for layer in layers:
        target = 1 / math.sqrt(model.encoder.d_model) if layer is stack.out else 1.0
        for _ in range(2):
            heard: dict[str, torch.Tensor] = {}

            def keep(_module: Any, _inputs: Any, output: torch.Tensor, heard: dict[str, torch.Tensor] = heard) -> None:
                heard["output"] = output

            hook = layer.register_forward_hook(keep)
            with torch.no_grad():
                stack(x=features.transpose(1, 2), lengths=lengths)
                layer.weight.mul_(target / (heard["output"].float().std() + 1e-6))
            hook.remove()


class AveragedWeights:
    """An exponential moving average of a model's weights, for validation and export."""

    def __init__(self, model: Any, decay: float) -> None:
        self._decay = decay
        self._model = model
        self.values = {name: value.detach().clone() for name, value in model.named_parameters()}

    def update(self, step: int) -> None:
        """Moves the average towards the current weights; early steps move it faster."""
        decay = min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            current = dict(self._model.named_parameters())
            torch._foreach_lerp_(list(self.values.values()), [current[name] for name in self.values], 1 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Puts the averaged weights into the model for the duration of a block."""
        kept = {name: value.detach().clone() for name, value in self._model.named_parameters()}
        self._load(self.values)
        try:
            yield
        finally:
            self._load(kept)

    def _load(self, values: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, value in self._model.named_parameters():
                value.copy_(values[name])


def save_atomically(write: Any, path: Path) -> None:
    """Calls `write(temporary path)` and moves the result to `path`."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        temporary = Path(folder) / path.name
        write(str(temporary))
        os.replace(temporary, path)
