"""Reroutes a network's convolutions through matrix products for training: same weights, same results, half the time."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch.nn import functional

_PADDING = (2, 1)


def speed_up(model: Any) -> None:
    """Replaces the forward passes of the subsampling stack, the convolution modules and the CTC head.

    Depth-wise strided convolutions and point-wise convolutions are slow backwards on CPUs. A depth-wise convolution
    followed by a point-wise one is one full convolution, whose kernel is their product; a point-wise one is a linear
    layer. Parameters stay where they are, so checkpoints do not change. Results differ from NeMo's by rounding alone.

    Args:
        model: an `EncDecCTCModelBPE` with causal `dw_striding` subsampling by 8 and `layer_norm` convolution modules.

    Raises:
        ValueError: where the encoder's subsampling is of another kind.
    """
    stack = model.encoder.pre_encode
    kinds = [type(layer).__name__ for layer in stack.conv]
    separable = ["CausalConv2D", "Conv2d", "ReLU"]
    if kinds != ["CausalConv2D", "ReLU", *separable, *separable]:
        raise ValueError(f"only causal dw_striding by 8 can be sped up, not {kinds}")
    stack.forward = MethodType(_subsample, stack)
    for layer in model.encoder.layers:
        layer.conv.forward = MethodType(_convolve, layer.conv)
    model.decoder.forward = MethodType(_decode, model.decoder)


def _halved(lengths: torch.Tensor) -> torch.Tensor:
    return torch.div(lengths + sum(_PADDING) - 3, 2, rounding_mode="floor") + 1


def _within(hidden: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Zeroes [batch, time, frequency, channel] past each utterance's end."""
    inside = torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None]
    return hidden * inside[:, :, None, None].to(hidden.dtype)


def _subsample(stack: Any, x: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Subsamples float[batch, frames, mel] by 8; channels come last throughout."""
    first, _, *separable = stack.conv
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(torch.get_autocast_dtype(x.device.type))
    x = functional.pad(_within(x[..., None], lengths)[..., 0], (*_PADDING, *_PADDING))
    time, mel = (x.shape[1] - 3) // 2 + 1, (x.shape[2] - 3) // 2 + 1
    taps = [x[:, i : i + 2 * time - 1 : 2, j : j + 2 * mel - 1 : 2] for i in range(3) for j in range(3)]
    hidden = functional.linear(torch.stack(taps, -1), first.weight.flatten(1), first.bias)
    lengths = _halved(lengths)
    for depth, point in ((separable[0], separable[1]), (separable[3], separable[4])):
        hidden = functional.pad(_within(functional.relu(hidden), lengths), (0, 0, *_PADDING, *_PADDING))
        mixing = point.weight[:, :, 0, 0]
        kernel = (mixing[:, :, None, None] * depth.weight[:, 0]).contiguous(memory_format=torch.channels_last)
        bias = mixing @ depth.bias + point.bias
        hidden = functional.conv2d(hidden.permute(0, 3, 1, 2), kernel, bias, stride=2).permute(0, 2, 3, 1)
        lengths = _halved(lengths)
    hidden = _within(functional.relu(hidden), lengths)
    return stack.out(hidden.transpose(2, 3).flatten(2)), lengths


def _convolve(module: Any, x: torch.Tensor, pad_mask: torch.Tensor | None = None, cache: Any = None) -> torch.Tensor:
    """Runs one convolution module on [batch, time, width]; training streams nothing, so there is no cache."""
    if cache is not None:
        raise ValueError("a sped-up network cannot stream")
    x = functional.linear(x, module.pointwise_conv1.weight[:, :, 0], module.pointwise_conv1.bias)
    x = functional.glu(x, dim=-1)
    if pad_mask is not None:
        x = x.masked_fill(pad_mask.unsqueeze(-1), 0.0)
    x = module.depthwise_conv(x.transpose(1, 2)).transpose(1, 2)
    x = module.activation(module.batch_norm(x))
    return functional.linear(x, module.pointwise_conv2.weight[:, :, 0], module.pointwise_conv2.bias)


def _decode(decoder: Any, encoder_output: torch.Tensor) -> torch.Tensor:
    """Returns log probabilities, float32[batch, time, pieces + 1], of [batch, width, time]."""
    head = decoder.decoder_layers[0]
    logits = functional.linear(encoder_output.transpose(1, 2), head.weight[:, :, 0], head.bias)
    return functional.log_softmax(logits, dim=-1)
