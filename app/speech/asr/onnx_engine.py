"""The shipped recogniser: a cache-aware streaming FastConformer-CTC run by onnxruntime, batched over calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from app.errors import ModelError

from ..audio import BYTES_PER_MS
from .beam import BeamSettings
from .decoder import Decoder, DecoderState
from .engine import Bias, Transcript
from .evidence import transcript_of
from .features import FloatArray
from .foreground import later, without_background
from .frontend import FrontEnd, LineAudio
from .served import ServedModel, StreamingShapes, guarded

STARTER_MODEL_DIR = Path(__file__).parent / "models" / "starter-4m"
_LARGEST_RUN = 64
_LINE_BEFORE_MS = 400
_LONGEST_AGAIN_MS = 8_000


class OnnxAsrStream:
    """One call's state: audio that has not become frames, frames to look back at, encoder caches, decoder state.

    `heard` is all of its audio: how loud each word was decides at the end whose it is. `alone` hears the caller without
    what somebody else said before; it is there once that has happened, and begins at `alone_ms` of this stream.
    """

    __slots__ = (
        "alone", "alone_ms", "audio", "bias", "cache_channel", "cache_length", "cache_time", "decoder", "heard",
        "lookback",
    )  # fmt: skip

    def __init__(
        self,
        audio: LineAudio,
        lookback: FloatArray,
        cache_channel: FloatArray,
        cache_time: FloatArray,
        decoder: DecoderState,
        bias: Bias | None = None,
    ) -> None:
        self.heard = bytearray()
        self.alone: OnnxAsrStream | None = None
        self.alone_ms = 0
        self.bias = bias
        self.audio = audio
        self.lookback = lookback
        self.cache_channel = cache_channel
        self.cache_time = cache_time
        self.cache_length = 0
        self.decoder = decoder

    def copy(self) -> OnnxAsrStream:
        """Returns an independent stream in the same state."""
        twin = OnnxAsrStream(
            self.audio.copy(),
            self.lookback.copy(),
            self.cache_channel.copy(),
            self.cache_time.copy(),
            self.decoder.copy(),
        )
        twin.cache_length = self.cache_length
        return twin


class OnnxAsrEngine:
    """Implements `AsrEngine` over a model directory written by the export; one instance serves one thread.

    `graph` is its onnxruntime session; to compare, anything that runs the same inputs may stand there.
    """

    def __init__(
        self,
        model_dir: Path = STARTER_MODEL_DIR,
        threads: int = 1,
        finish_silence_ms: int = 320,
        beam: BeamSettings | None = None,
        greedy: bool = False,
        ngrams: Path | None = None,
    ) -> None:
        """Loads the model.

        Args:
            model_dir: holds `encoder.onnx`, `tokenizer.model` and `model.json`.
            threads: onnxruntime's threads within one model run; processes scale better than threads.
            beam: settings of the beam search, for tuning.
            ngrams: n-grams to use instead of the model's own, for measuring with held-out sentences left out.
            greedy: decodes greedily even where the model ships n-grams.
            finish_silence_ms: how much silence `finish` appends so that the last word is heard to its end.

        Raises:
            ModelError: A file is missing, damaged or at odds with the others; the detail names it and the cure.
        """
        model = ServedModel.read(model_dir)
        pieces = model.pieces()
        self.languages = model.languages
        self._shapes = model.shapes
        self._mel_bands = model.features.mel_bands
        try:
            self._front_end = FrontEnd(model.features, model.mean, model.std)
        except ValueError as error:
            raise ModelError(f"{model_dir / 'model.json'}: {error}") from error
        hop_ms = 1_000 * model.features.hop_samples // model.features.sample_rate_hz
        self.chunk_ms: int = self._shapes.shift_frames * hop_ms
        self._finish_frames = -(-finish_silence_ms // hop_ms)
        self._chunk_bytes = self._front_end.bytes_for(self._shapes.shift_frames)
        self._decoder: Decoder[Any] = model.decoder(pieces, beam=beam, greedy=greedy, ngrams=ngrams)
        self.graph: Any = _session(model_dir / "encoder.onnx", threads)
        self._inputs = _Inputs(self._shapes, self._mel_bands)
        self._check(model_dir, len(pieces))

    def _check(self, model_dir: Path, pieces: int) -> None:
        """Runs the graph once on silence, so that a description of another graph is found before a call is.

        Raises:
            ModelError: The graph, the description and the tokenizer do not belong together.
        """
        stream = self.open_stream()
        self._front_end.add_silence(stream.audio, self._shapes.shift_frames)
        known = (failures.InvalidArgument, failures.Fail, failures.RuntimeException)
        log_probs = guarded(model_dir / "model.json", lambda: self._infer([stream])[0], *known)
        if log_probs.shape[-1] != pieces + 1:
            found = log_probs.shape[-1] - 1
            raise ModelError(
                f"{model_dir}: encoder.onnx writes {found} pieces, tokenizer.model has {pieces}; "
                "they are of different models: export or convert the model again"
            )

    def open_stream(self, bias: Bias | None = None) -> OnnxAsrStream:
        """Opens a stream with fresh caches."""
        shapes = self._shapes
        return OnnxAsrStream(
            self._front_end.open(),
            np.zeros((self._mel_bands, shapes.lookback_frames), np.float32),
            np.zeros((shapes.layers, shapes.left_context, shapes.width), np.float32),
            np.zeros((shapes.layers, shapes.width, shapes.time_context), np.float32),
            self._decoder.new_state(bias),
            bias,
        )

    def push(self, stream: OnnxAsrStream, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio of any length, even none, to a stream."""
        stream.audio.data += mulaw
        stream.heard += mulaw

    def is_due(self, stream: OnnxAsrStream) -> bool:
        """Tells whether the stream has a whole chunk."""
        return len(stream.audio.data) >= self._chunk_bytes

    def step(self, streams: Sequence[OnnxAsrStream]) -> list[Transcript | None]:
        """Advances every stream that has a whole chunk, together, until none has; each stream once in `streams`."""
        added = self._advance(streams)
        return [
            self._transcript(stream, is_final=False) if grew else None
            for stream, grew in zip(streams, added, strict=True)
        ]

    def finish(self, streams: Sequence[OnnxAsrStream]) -> list[Transcript]:
        """Returns final transcripts as if silence followed; the streams themselves stay as they were."""
        own: list[Transcript] = []
        for stream, everything in zip(streams, self._finals(streams), strict=True):
            kept = without_background(everything, stream.heard)
            own.append(self._alone(stream, kept) if len(kept.words) < len(everything.words) else kept)
        return own

    def _finals(self, streams: Sequence[OnnxAsrStream]) -> list[Transcript]:
        """Returns all that was heard on each stream, whoever said it."""
        twins = [stream.copy() for stream in streams]
        chunk = self._shapes.shift_frames
        for twin in twins:
            frames = self._front_end.heard_frames(twin.audio) + self._finish_frames
            self._front_end.add_silence(twin.audio, -(-frames // chunk) * chunk)
        self._advance(twins)
        return [self._transcript(twin, is_final=True) for twin in twins]

    def _alone(self, stream: OnnxAsrStream, kept: Transcript) -> Transcript:
        """Hears the caller's own words once more from fresh caches, which know nothing of who spoke before.

        What was heard so far is kept for the next time: only the first one costs a run through the whole turn, and a
        turn so long that others would wait for it is left as it is.
        """
        start_ms = max(0, kept.words[0].start_ms - _LINE_BEFORE_MS)
        alone = stream.alone
        if alone is None or abs(start_ms - stream.alone_ms) > self.chunk_ms:
            if len(stream.heard) > (start_ms + _LONGEST_AGAIN_MS) * BYTES_PER_MS:
                return kept
            alone = stream.alone = self.open_stream(stream.bias)
            stream.alone_ms = start_ms
        self.push(alone, bytes(stream.heard[stream.alone_ms * BYTES_PER_MS + len(alone.heard) :]))
        self._advance([alone])
        found = without_background(self._finals([alone])[0], alone.heard)
        return later(found, stream.alone_ms) if found.words else kept

    def close_stream(self, stream: OnnxAsrStream) -> None:
        """Does nothing: a stream's memory goes with the stream."""

    def _advance(self, streams: Sequence[OnnxAsrStream]) -> list[bool]:
        """Runs every whole chunk of the streams; tells which transcripts changed."""
        added = [False] * len(streams)
        while ready := [index for index, stream in enumerate(streams) if self.is_due(stream)][:_LARGEST_RUN]:
            for index, grew in zip(ready, self._run([streams[index] for index in ready]), strict=True):
                added[index] |= grew
        return added

    def _run(self, streams: Sequence[OnnxAsrStream]) -> list[bool]:
        """Runs one chunk of every given stream through model and decoder; tells which transcripts changed."""
        log_probs, counts, channel, time, lengths = self._infer(streams)
        grew: list[bool] = []
        for row, stream in enumerate(streams):
            np.copyto(stream.cache_channel, channel[row])
            np.copyto(stream.cache_time, time[row])
            stream.cache_length = int(lengths[row])
            grew.append(self._decoder.advance(stream.decoder, log_probs[row, : int(counts[row])]))
        return grew

    def _infer(self, streams: Sequence[OnnxAsrStream]) -> list[Any]:
        """Takes one chunk of every stream; returns log probabilities, their frame counts and the new caches."""
        frames = self._front_end.take([stream.audio for stream in streams], self._shapes.shift_frames)
        found: list[Any] = self.graph.run(None, self._inputs.fill(streams, frames))
        return found

    def _transcript(self, stream: OnnxAsrStream, is_final: bool) -> Transcript:
        return transcript_of(self._decoder, stream.decoder, is_final)


class _Inputs:
    """The graph's inputs, allocated once for the largest run: fresh pages would cost as much as the copying."""

    def __init__(self, shapes: StreamingShapes, mel_bands: int) -> None:
        self._lookback = shapes.lookback_frames
        length = shapes.lookback_frames + shapes.shift_frames
        self._signal = np.zeros((_LARGEST_RUN, mel_bands, length), np.float32)
        self._channel = np.zeros((_LARGEST_RUN, shapes.layers, shapes.left_context, shapes.width), np.float32)
        self._time = np.zeros((_LARGEST_RUN, shapes.layers, shapes.width, shapes.time_context), np.float32)
        self._lengths = np.full(_LARGEST_RUN, length, np.int64)

    def fill(self, streams: Sequence[OnnxAsrStream], frames: FloatArray) -> dict[str, Any]:
        """Returns one run's inputs: new frames, float32[streams, shift, mel_bands], after those looked back at."""
        count = len(streams)
        signal = self._signal[:count]
        signal[:, :, self._lookback :] = frames.transpose(0, 2, 1)
        for row, stream in enumerate(streams):
            signal[row, :, : self._lookback] = stream.lookback
            stream.lookback[:] = signal[row, :, signal.shape[2] - self._lookback :]
            self._channel[row] = stream.cache_channel
            self._time[row] = stream.cache_time
        return {
            "audio_signal": signal,
            "length": self._lengths[:count],
            "cache_last_channel": self._channel[:count],
            "cache_last_time": self._time[:count],
            "cache_last_channel_len": np.array([stream.cache_length for stream in streams], np.int64),
        }


def _session(path: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    known = (failures.InvalidProtobuf, failures.InvalidGraph, failures.Fail, failures.NoSuchFile)
    return guarded(
        path,
        lambda: onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"]),
        *known,
    )
