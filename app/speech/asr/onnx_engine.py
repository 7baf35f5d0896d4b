"""The shipped recogniser: a cache-aware streaming FastConformer-CTC run by onnxruntime, batched over calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import sentencepiece

from .beam import BeamDecoder, BeamSettings
from .decoder import Decoder, DecoderState, GreedyDecoder
from .engine import Transcript
from .features import FloatArray, MelConfig, MelStream, decode_mulaw
from .ngrams import NgramModel

STARTER_MODEL_DIR = Path(__file__).parent / "models" / "starter-4m"


class OnnxAsrStream:
    """One call's state: front end, mel frames waiting, encoder caches, decoder state."""

    __slots__ = ("cache_channel", "cache_length", "cache_time", "decoder", "frames", "lookback", "mel", "waiting")

    def __init__(
        self,
        mel: MelStream,
        lookback: FloatArray,
        cache_channel: FloatArray,
        cache_time: FloatArray,
        decoder: DecoderState,
    ) -> None:
        self.mel = mel
        self.lookback = lookback
        self.cache_channel = cache_channel
        self.cache_time = cache_time
        self.cache_length = 0
        self.decoder = decoder
        self.waiting: list[FloatArray] = []
        self.frames = 0

    def copy(self) -> OnnxAsrStream:
        """Returns an independent stream in the same state; steps replace caches, so sharing them is safe."""
        twin = OnnxAsrStream(self.mel.copy(), self.lookback, self.cache_channel, self.cache_time, self.decoder.copy())
        twin.cache_length = self.cache_length
        twin.waiting = list(self.waiting)
        twin.frames = self.frames
        return twin

    def add_frames(self, frames: FloatArray) -> None:
        """Queues normalised mel frames, float32[n, mel]."""
        if len(frames):
            self.waiting.append(frames)
            self.frames += len(frames)

    def take_frames(self, count: int) -> FloatArray:
        """Takes the oldest `count` waiting frames, float32[count, mel]."""
        joined = self.waiting[0] if len(self.waiting) == 1 else np.concatenate(self.waiting)
        rest = joined[count:]
        self.waiting = [rest] if len(rest) else []
        self.frames = len(rest)
        return joined[:count]


class OnnxAsrEngine:
    """Implements `AsrEngine` over a model directory written by the export; one instance serves one thread."""

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
            FileNotFoundError: where the directory lacks a file.
        """
        model: dict[str, Any] = json.loads((model_dir / "model.json").read_text(encoding="utf-8"))
        self.model = model
        self.languages: tuple[str, ...] = tuple(model["languages"])
        self._mel_config = MelConfig(**model["features"])
        self._mean = np.asarray(model["mean"], np.float32)
        self._scale = np.float32(1.0) / np.asarray(model["std"], np.float32)
        shapes = model["streaming"]
        self._shift: int = shapes["shift_frames"]
        self._lookback: int = shapes["lookback_frames"]
        self._left_context: int = shapes["left_context"]
        self._channel_shape = (shapes["layers"], shapes["left_context"], shapes["width"])
        self._time_shape = (shapes["layers"], shapes["width"], shapes["time_context"])
        hop_ms = 1000 * self._mel_config.hop_samples // self._mel_config.sample_rate_hz
        self.chunk_ms: int = self._shift * hop_ms
        self._finish_frames = -(-finish_silence_ms // hop_ms)
        tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(model_dir / "tokenizer.model"))
        pieces = [tokenizer.id_to_piece(index) for index in range(tokenizer.get_piece_size())]
        self._decoder = _decoder(ngrams or model_dir / "ngrams.model", model, pieces, beam, greedy)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(model_dir / "encoder.onnx"), options, providers=["CPUExecutionProvider"]
        )
        silence = np.zeros((1, self._mel_config.window_samples), np.float32)[0]
        quiet = MelStream(self._mel_config)
        quiet.push(silence)
        self._silent_frame = self._normalise(quiet.take()[:1])

    def _normalise(self, frames: FloatArray) -> FloatArray:
        return (frames - self._mean) * self._scale

    def open_stream(self) -> OnnxAsrStream:
        """Opens a stream with fresh caches."""
        return OnnxAsrStream(
            MelStream(self._mel_config),
            np.zeros((self._lookback, self._mel_config.mel_bands), np.float32),
            np.zeros(self._channel_shape, np.float32),
            np.zeros(self._time_shape, np.float32),
            self._decoder.new_state(),
        )

    def push(self, stream: OnnxAsrStream, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio of any length, even none, to a stream."""
        if mulaw:
            stream.mel.push(decode_mulaw(mulaw))
            stream.add_frames(self._normalise(stream.mel.take()))

    def step(self, streams: Sequence[OnnxAsrStream]) -> list[Transcript | None]:
        """Advances every stream that has a whole chunk, together, until none has; each stream once in `streams`."""
        added = [False] * len(streams)
        while ready := [index for index, stream in enumerate(streams) if stream.frames >= self._shift]:
            for index, grew in zip(ready, self._run([streams[index] for index in ready]), strict=True):
                added[index] |= grew
        return [
            self._transcript(stream, is_final=False) if grew else None
            for stream, grew in zip(streams, added, strict=True)
        ]

    def finish(self, streams: Sequence[OnnxAsrStream]) -> list[Transcript]:
        """Returns final transcripts as if silence followed; the streams themselves stay as they were."""
        twins = [stream.copy() for stream in streams]
        for twin in twins:
            twin.add_frames(self._normalise(twin.mel.take(flush=True)))
            count = -(-(twin.frames + self._finish_frames) // self._shift) * self._shift - twin.frames
            twin.add_frames(np.repeat(self._silent_frame, count, axis=0))
        self.step(twins)
        return [self._transcript(twin, is_final=True) for twin in twins]

    def _run(self, streams: Sequence[OnnxAsrStream]) -> list[bool]:
        """Runs one chunk of every given stream through the model; tells which transcripts grew."""
        inputs = [np.concatenate([stream.lookback, stream.take_frames(self._shift)]) for stream in streams]
        signal = np.ascontiguousarray(np.stack(inputs).transpose(0, 2, 1))
        log_probs, counts, channel, time, lengths = self._session.run(
            None,
            {
                "audio_signal": signal,
                "length": np.full(len(streams), signal.shape[2], np.int64),
                "cache_last_channel": np.stack([stream.cache_channel for stream in streams]),
                "cache_last_time": np.stack([stream.cache_time for stream in streams]),
                "cache_last_channel_len": np.array([stream.cache_length for stream in streams], np.int64),
            },
        )
        grew: list[bool] = []
        for row, stream in enumerate(streams):
            stream.lookback = inputs[row][-self._lookback :]
            stream.cache_channel = channel[row]
            stream.cache_time = time[row]
            stream.cache_length = int(lengths[row])
            grew.append(self._decoder.advance(stream.decoder, log_probs[row, : int(counts[row])]))
        return grew

    def _transcript(self, stream: OnnxAsrStream, is_final: bool) -> Transcript:
        words = self._decoder.words(stream.decoder)
        confidence = float(np.mean([word.confidence for word in words])) if words else 0.0
        return Transcript(" ".join(word.text for word in words), confidence, words, is_final)


def _decoder(
    ngrams: Path, model: dict[str, Any], pieces: list[str], beam: BeamSettings | None, greedy: bool
) -> Decoder[Any]:
    """Returns a beam search where the model ships n-grams, else the greedy decoder."""
    frame_ms, delay_frames = model["frame_ms"], model["emission_delay_frames"]
    if greedy or not ngrams.exists():
        return GreedyDecoder(pieces, frame_ms, delay_frames)
    settings = beam or BeamSettings(**model.get("beam", {}))
    return BeamDecoder(pieces, frame_ms, delay_frames, NgramModel.load(ngrams), settings)
