"""The recogniser for checkpoints as NeMo saves them: CTC or RNNT, streaming or full-context, on the CPU or a GPU.

It is imported only where it is chosen (`choice`), since NeMo and torch take seconds and half a gigabyte.
"""

from __future__ import annotations

import json
import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nemo.collections.asr.models import ASRModel
from omegaconf.errors import OmegaConfBaseException

from app.errors import ConfigError

from .beam import BeamSettings
from .checkpoint.archive import NemoArchive, read_archive
from .checkpoint.frontend import choose_context, front_end, statistics_beside
from .engine import Bias, Transcript
from .evidence import transcript_of
from .foreground import without_background
from .nemo_encoders import BufferedEncoder, CacheAwareEncoder
from .nemo_heads import CtcHead, Head, RnntHead
from .nemo_log import quieten
from .served import guarded, make_decoder


class NemoAsrStream:
    """One call's state: what the encoder and the decoder remember, the bias it began with, and all audio `heard`."""

    __slots__ = ("bias", "decoder", "encoder", "heard")

    def __init__(self, encoder: Any, decoder: Any, bias: Bias | None) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.bias = bias
        self.heard = bytearray()


class NemoAsrEngine:
    """Implements `AsrEngine` over a `.nemo` checkpoint; one instance serves one thread."""

    def __init__(
        self,
        checkpoint: Path,
        *,
        device: str = "cpu",
        threads: int = 1,
        decoder: str | None = None,
        greedy: bool = False,
        look_ahead_ms: int | None = None,
        finish_silence_ms: int = 320,
    ) -> None:
        """Loads the checkpoint.

        Args:
            checkpoint: a `.nemo` file, or a directory with `model.nemo`.
            device: `cpu`, `cuda` or `cuda:N`.
            threads: torch's threads on the CPU; processes scale better than threads.
            decoder: `ctc` or `rnnt` for a checkpoint of both; None takes CTC, which follows biases and n-grams.
            greedy: decodes CTC greedily even where n-grams lie beside the checkpoint.
            look_ahead_ms: which look-ahead to serve a streaming model with; None takes the one nearest to 80 ms.
            finish_silence_ms: how much silence `finish` appends so that the last word is heard to its end.

        Raises:
            ModelError: The checkpoint is missing, damaged or of no known layout; the detail names the cure.
            ConfigError: The device is not to be had.
        """
        path = checkpoint / "model.nemo" if checkpoint.is_dir() else checkpoint
        archive = read_archive(path, with_shapes=False)
        self.device = _device(device)
        torch.set_num_threads(threads)
        model = _restore(path, self.device)
        pieces = list(model.tokenizer.ids_to_tokens(list(range(model.tokenizer.vocab_size))))
        frame_ms = round(archive.frame_ms)
        self.languages = _languages(path.parent)
        self.is_cache_aware = archive.is_streaming
        self._encoder = _encoder(model, archive, frame_ms, look_ahead_ms)
        self._head = _head(model, archive, pieces, frame_ms, decoder, greedy)
        self._finish_silence_ms = finish_silence_ms
        self.chunk_ms: int = self._encoder.chunk_ms

    def open_stream(self, bias: Bias | None = None) -> NemoAsrStream:
        """Opens a stream with fresh caches."""
        return NemoAsrStream(self._encoder.open(), self._head.decoder.new_state(bias), bias)

    def push(self, stream: NemoAsrStream, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio of any length, even none, to a stream."""
        stream.encoder.push(mulaw)
        stream.heard += mulaw

    def is_due(self, stream: NemoAsrStream) -> bool:
        """Tells whether the stream has a whole chunk."""
        return self._encoder.is_due(stream.encoder)

    def step(self, streams: Sequence[NemoAsrStream]) -> list[Transcript | None]:
        """Advances every stream that has a whole chunk, together, until none has; each stream once in `streams`."""
        added = self._advance(streams)
        return [
            transcript_of(self._head.decoder, stream.decoder, False) if grew else None
            for stream, grew in zip(streams, added, strict=True)
        ]

    def finish(self, streams: Sequence[NemoAsrStream]) -> list[Transcript]:
        """Returns final transcripts as if silence followed; the streams themselves stay as they were."""
        twins = [NemoAsrStream(stream.encoder.copy(), stream.decoder.copy(), stream.bias) for stream in streams]
        for twin in twins:
            if self._encoder.conclude(twin.encoder, self._finish_silence_ms):
                twin.decoder = self._head.decoder.new_state(twin.bias)
        self._advance(twins)
        return [
            without_background(transcript_of(self._head.decoder, twin.decoder, True), stream.heard)
            for twin, stream in zip(twins, streams, strict=True)
        ]

    def close_stream(self, stream: NemoAsrStream) -> None:
        """Does nothing: a stream's memory goes with the stream."""

    def _advance(self, streams: Sequence[NemoAsrStream]) -> list[bool]:
        added = [False] * len(streams)
        while ready := [index for index, stream in enumerate(streams) if self.is_due(stream)]:
            with torch.inference_mode():
                encoded, counts = self._encoder.encode([streams[index].encoder for index in ready])
                grown = self._head.advance([streams[index].decoder for index in ready], encoded, counts)
            for index, grew in zip(ready, grown, strict=True):
                added[index] |= grew
        return added


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"VAANISETU_ASR_DEVICE is `{name}`, which torch cannot use ({reason}): set cpu") from error
    return device


def _restore(path: Path, device: torch.device) -> Any:
    quieten()
    known = (tarfile.TarError, pickle.UnpicklingError, OmegaConfBaseException, AssertionError, ImportError, EOFError)
    model = guarded(path, lambda: ASRModel.restore_from(str(path), map_location=device), *known)
    model.freeze()
    return model.eval()


def _encoder(
    model: Any, archive: NemoArchive, frame_ms: int, look_ahead_ms: int | None
) -> CacheAwareEncoder | BufferedEncoder:
    if not archive.is_streaming:
        model.preprocessor.featurizer.dither = 0.0
        return BufferedEncoder(model, frame_ms)
    config = front_end(archive)
    mean, std = statistics_beside(archive.path.parent, config.mel_bands)
    context = choose_context(archive, look_ahead_ms)
    return CacheAwareEncoder(model, config, context, np.asarray(mean, np.float32), np.asarray(std, np.float32))


def _head(
    model: Any, archive: NemoArchive, pieces: list[str], frame_ms: int, decoder: str | None, greedy: bool
) -> Head:
    chosen = decoder or ("ctc" if "ctc" in archive.decoders else "rnnt")
    if chosen not in archive.decoders:
        raise ConfigError(f"{archive.path} decodes with {' or '.join(archive.decoders)}, not with {chosen}")
    if chosen == "rnnt":
        return RnntHead(model, pieces, frame_ms)
    beside = _described(archive.path.parent)
    ngrams = archive.path.parent / "ngrams.model"
    beam = guarded(archive.path.parent / "model.json", lambda: BeamSettings(**beside.get("beam", {})))
    return CtcHead(model, make_decoder(pieces, frame_ms, 0, ngrams, beam, greedy))


def _described(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if not path.is_file():
        return {}
    described: dict[str, Any] = guarded(path, lambda: dict(json.loads(path.read_text(encoding="utf-8"))))
    return described


def _languages(folder: Path) -> tuple[str, ...]:
    return tuple(str(language) for language in _described(folder).get("languages", ()))
