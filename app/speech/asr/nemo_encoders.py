"""How a NeMo encoder hears calls chunk by chunk: cache-aware models step by step, others over a sliding window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from .features import FloatArray, MelConfig, decode_mulaw
from .frontend import LINE_HZ, FrontEnd, interpolate_whole

CHUNK_MS = 480
AHEAD_MS = 480
BEHIND_MS = 6_000


class Heard(Protocol):
    """What an encoder remembers of one stream."""

    def copy(self) -> Any:
        """Returns an independent state."""
        ...

    def push(self, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio."""
        ...


Encoded = tuple[torch.Tensor, list[int]]
"""float32[streams, width, frames], and how many of each stream's frames count, from the first."""


class CacheAwareEncoder:
    """Steps a streaming Conformer with its caches; one chunk of frames after the look-back, as the ONNX export does."""

    def __init__(self, model: Any, config: MelConfig, context: list[int], mean: FloatArray, std: FloatArray) -> None:
        self._encoder = model.encoder
        self._encoder.set_default_att_context_size(context)
        self._encoder.setup_streaming_params()
        streaming = self._encoder.streaming_cfg
        self._shift = int(_later(streaming.shift_size))
        self._lookback = int(_later(streaming.pre_encode_cache_size))
        self._front_end = FrontEnd(config, mean, std)
        self._mel_bands = config.mel_bands
        self._chunk_bytes = self._front_end.bytes_for(self._shift)
        self._hop_ms = 1_000 * config.hop_samples // config.sample_rate_hz
        self._device = next(model.parameters()).device
        channel, time, length = self._encoder.get_initial_cache_state(batch_size=1, device=self._device)
        self._fresh = channel[:, 0], time[:, 0], length[0]
        self.chunk_ms = self._shift * self._hop_ms

    def open(self) -> CacheAwareStream:
        """Opens a stream with fresh caches."""
        lookback = np.zeros((self._lookback, self._mel_bands), np.float32)
        return CacheAwareStream(self._front_end.open(), lookback, self._fresh)

    def is_due(self, stream: CacheAwareStream) -> bool:
        """Tells whether the stream has a whole chunk."""
        return len(stream.audio.data) >= self._chunk_bytes

    def conclude(self, stream: CacheAwareStream, silence_ms: int) -> bool:
        """Adds silence for a last step; the frames go on from those before, so False: nothing is to be redone."""
        frames = self._front_end.heard_frames(stream.audio) + silence_ms // self._hop_ms
        self._front_end.add_silence(stream.audio, -(-frames // self._shift) * self._shift)
        return False

    def encode(self, streams: Sequence[CacheAwareStream]) -> Encoded:
        """Takes one chunk of every stream."""
        fresh = self._front_end.take([stream.audio for stream in streams], self._shift)
        frames = np.concatenate([np.stack([stream.lookback for stream in streams]), fresh], axis=1)
        signal = torch.from_numpy(frames).to(self._device).transpose(1, 2)
        encoded, counts, channel, time, length = self._encoder.cache_aware_stream_step(
            processed_signal=signal,
            processed_signal_length=torch.full((len(streams),), signal.shape[2], device=self._device),
            cache_last_channel=torch.stack([stream.caches[0] for stream in streams], dim=1),
            cache_last_time=torch.stack([stream.caches[1] for stream in streams], dim=1),
            cache_last_channel_len=torch.stack([stream.caches[2] for stream in streams]),
            keep_all_outputs=False,
        )
        for row, stream in enumerate(streams):
            stream.lookback = frames[row, -self._lookback :] if self._lookback else stream.lookback
            stream.caches = channel[:, row].clone(), time[:, row].clone(), length[row].clone()
        return encoded, counts.tolist()


class CacheAwareStream:
    """Audio that has not become frames, the frames to look back at, and the caches; all replaced, never changed."""

    __slots__ = ("audio", "caches", "lookback")

    def __init__(self, audio: Any, lookback: FloatArray, caches: tuple[torch.Tensor, torch.Tensor, torch.Tensor]):
        self.audio = audio
        self.lookback = lookback
        self.caches = caches

    def push(self, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio."""
        self.audio.data += mulaw

    def copy(self) -> CacheAwareStream:
        """Returns an independent stream in the same state."""
        return CacheAwareStream(self.audio.copy(), self.lookback, self.caches)


class BufferedEncoder:
    """Runs a full-context model over the last seconds and keeps the chunk in the middle, as NeMo's buffered pipelines.

    A chunk is decoded once what lies ahead of it has been heard. An utterance that fits the window is encoded once
    more, whole, when it ends: then it is what the model hears offline.
    """

    def __init__(self, model: Any, frame_ms: int) -> None:
        self._model = model
        self._frame_ms = frame_ms
        self._rate_hz = int(model.preprocessor._sample_rate)
        self._device = next(model.parameters()).device
        self.chunk_ms = CHUNK_MS

    def open(self) -> BufferedStream:
        """Opens a stream."""
        return BufferedStream()

    def is_due(self, stream: BufferedStream) -> bool:
        """Tells whether a chunk can be decoded: it and what lies ahead are heard, or the utterance is over."""
        if stream.is_over:
            return stream.decoded_ms < stream.heard_ms
        return stream.heard_ms - stream.decoded_ms >= CHUNK_MS + AHEAD_MS

    def conclude(self, stream: BufferedStream, silence_ms: int) -> bool:
        """Ends the utterance with silence; tells whether it is decoded anew from its beginning."""
        stream.push(b"\xff" * (silence_ms * LINE_HZ // 1_000))
        stream.is_over = True
        if stream.start_ms == 0:
            stream.decoded_ms = 0
            return True
        return False

    def encode(self, streams: Sequence[BufferedStream]) -> Encoded:
        """Takes the next chunk of every stream, or all that is left of one that is over."""
        signals = [self._signal(stream) for stream in streams]
        lengths = torch.tensor([len(signal) for signal in signals], device=self._device)
        padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(signal) for signal in signals], batch_first=True)
        frames, counts = self._model.preprocessor(input_signal=padded.to(self._device), length=lengths)
        encoded, counts = self._model.encoder(audio_signal=frames, length=counts)
        kept = []
        for row, stream in enumerate(streams):
            first = (stream.decoded_ms - stream.start_ms) // self._frame_ms
            last = int(counts[row])
            if not stream.is_over:
                last = min(last, first + CHUNK_MS // self._frame_ms)
            kept.append(encoded[row, :, first:last])
            stream.decoded_ms = stream.heard_ms if stream.is_over else stream.decoded_ms + CHUNK_MS
            stream.forget_before(stream.decoded_ms - BEHIND_MS)
        chunk = torch.nn.utils.rnn.pad_sequence([part.T for part in kept], batch_first=True).transpose(1, 2)
        return chunk, [part.shape[1] for part in kept]

    def _signal(self, stream: BufferedStream) -> FloatArray:
        heard = stream.data
        if not stream.is_over:
            until_ms = stream.decoded_ms + CHUNK_MS + AHEAD_MS - stream.start_ms
            heard = heard[: until_ms * LINE_HZ // 1_000]
        samples = decode_mulaw(bytes(heard))
        return samples if self._rate_hz == LINE_HZ else interpolate_whole(samples)


class BufferedStream:
    """The audio of the window, mu-law, and where in the utterance it starts and decoding stands."""

    __slots__ = ("data", "decoded_ms", "is_over", "start_ms")

    def __init__(self) -> None:
        self.data = bytearray()
        self.start_ms = 0
        self.decoded_ms = 0
        self.is_over = False

    @property
    def heard_ms(self) -> int:
        """How much of the utterance has been heard."""
        return self.start_ms + len(self.data) * 1_000 // LINE_HZ

    def push(self, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio."""
        self.data += mulaw

    def forget_before(self, position_ms: int) -> None:
        """Drops what no later chunk looks back at; a whole number of chunks, so that frames keep their places."""
        chunks = (position_ms - self.start_ms) // CHUNK_MS
        if chunks > 0:
            del self.data[: chunks * CHUNK_MS * LINE_HZ // 1_000]
            self.start_ms += chunks * CHUNK_MS

    def copy(self) -> BufferedStream:
        """Returns an independent stream in the same state."""
        twin = BufferedStream()
        twin.data = bytearray(self.data)
        twin.start_ms, twin.decoded_ms, twin.is_over = self.start_ms, self.decoded_ms, self.is_over
        return twin


def _later(sizes: Any) -> Any:
    """Returns the size for all chunks but the first, where NeMo tells them apart."""
    return sizes[1] if isinstance(sizes, list | tuple) else sizes
