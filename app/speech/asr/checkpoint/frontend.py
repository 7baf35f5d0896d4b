"""A checkpoint's front end in our terms: features, their statistics, and the context to serve with."""

from __future__ import annotations

import json
from pathlib import Path

from app.errors import ModelError

from ..features import MelConfig
from .archive import NemoArchive

_RATES_HZ = (8000, 16000)
_PLAIN_FRONT_END = {
    "window": ("hann",), "log": (True,), "mag_power": (2.0,), "mel_norm": ("slaney",), "lowfreq": (0,),
    "highfreq": (None,), "exact_pad": (False,), "frame_splicing": (1,), "normalize": ("NA", None, ""),
    "log_zero_guard_type": ("add",), "log_zero_guard_value": (2**-24,),
}  # fmt: skip


def normalises_by_utterance(archive: NemoArchive) -> bool:
    """Tells whether features are normalised by the utterance's own statistics, which only whole utterances have."""
    return bool(archive.config["preprocessor"].get("normalize") == "per_feature")


def front_end(archive: NemoArchive, by_utterance: bool = False) -> MelConfig:
    """Returns our front end's parameters for a checkpoint.

    Args:
        archive: the checkpoint.
        by_utterance: also takes checkpoints of which `normalises_by_utterance` is true.

    Raises:
        ModelError: The checkpoint's front end is another one, or works at a rate that calls cannot be brought to.
    """
    given = archive.config["preprocessor"]
    rate_hz = archive.sample_rate_hz
    if rate_hz not in _RATES_HZ:
        raise ModelError(f"{archive.path} hears {rate_hz} Hz; only models of 8000 or 16000 Hz can serve calls")
    for name, allowed in _PLAIN_FRONT_END.items():
        if name == "normalize" and by_utterance and normalises_by_utterance(archive):
            continue
        if given.get(name, allowed[0]) not in allowed:
            raise ModelError(
                f"{archive.path}: preprocessor.{name} is {given[name]!r}; our front end knows {allowed[0]!r}"
            )
    window = round(given.get("window_size", 0.02) * rate_hz)
    return MelConfig(
        sample_rate_hz=rate_hz,
        hop_samples=round(given.get("window_stride", 0.01) * rate_hz),
        window_samples=window,
        fft_size=given.get("n_fft") or 1 << (window - 1).bit_length(),
        mel_bands=int(given.get("features", 64)),
        preemphasis=float(given.get("preemph", 0.97) or 0.0),
    )


def choose_context(archive: NemoArchive, look_ahead_ms: int | None) -> list[int]:
    """Returns the attention context, [left, right] in encoder frames, to serve a streaming model with.

    Args:
        archive: a streaming checkpoint.
        look_ahead_ms: how far it may hear ahead; None: the one nearest to 80 ms.

    Raises:
        ModelError: It was not trained with that look-ahead; the detail lists those it was.
    """
    contexts = {round(right * archive.frame_ms): [left, right] for left, right in archive.attention_contexts}
    if look_ahead_ms is None:
        return contexts[min(contexts, key=lambda value: abs(value - 80))]
    if look_ahead_ms not in contexts:
        known = ", ".join(str(value) for value in sorted(contexts))
        raise ModelError(f"{archive.path} was trained to hear ahead by {known} ms, not by {look_ahead_ms} ms")
    return contexts[look_ahead_ms]


def statistics_beside(folder: Path, mel_bands: int) -> tuple[list[float], list[float]]:
    """Returns the mean and deviation per mel band that a checkpoint's features are normalised with outside NeMo.

    A checkpoint made here stands beside a `statistics.json` or the `model.json` of its export; any other is fed plain
    log-mel frames, that is, mean 0 and deviation 1.

    Raises:
        ModelError: The file beside it is of another front end.
    """
    for name in ("statistics.json", "model.json"):
        path = folder / name
        if path.is_file():
            try:
                given = json.loads(path.read_text(encoding="utf-8"))
                mean, std = list(given.get("mean", ())), list(given.get("std", ()))
            except (ValueError, AttributeError) as error:
                raise ModelError(
                    f"{path} is damaged ({error}); copy it again from where the checkpoint was made"
                ) from error
            if mean or std:
                if not len(mean) == len(std) == mel_bands:
                    raise ModelError(f"{path} has statistics of {len(mean)} mel bands, the checkpoint {mel_bands}")
                return mean, std
    return [0.0] * mel_bands, [1.0] * mel_bands
