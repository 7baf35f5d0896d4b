"""What turns a NeMo encoder's frames into words, chunk by chunk: a CTC head with our decoders, or NeMo's own RNNT."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from nemo.collections.asr.parts.utils.rnnt_utils import Hypothesis
from omegaconf import OmegaConf, open_dict

from .decoder import Decoder, Token, join_words
from .engine import Alternative, Bias, Word

_MOST_SYMBOLS_PER_FRAME = 10


class Head(Protocol):
    """Decodes encoder frames of many streams together; `decoder` words what a stream's state holds."""

    decoder: Decoder[Any]

    def advance(self, states: Sequence[Any], encoded: torch.Tensor, counts: Sequence[int]) -> list[bool]:
        """Decodes float32[streams, width, frames], `counts` frames of each; tells which transcripts changed."""
        ...


class CtcHead:
    """The model's CTC layer, then greedy decoding or a beam search."""

    def __init__(self, model: Any, decoder: Decoder[Any]) -> None:
        self._layer = getattr(model, "ctc_decoder", None) or model.decoder
        self.decoder = decoder

    def advance(self, states: Sequence[Any], encoded: torch.Tensor, counts: Sequence[int]) -> list[bool]:
        """Decodes float32[streams, width, frames], `counts` frames of each; tells which transcripts changed."""
        log_probs = self._layer(encoder_output=encoded).float().cpu().numpy()
        return [
            self.decoder.advance(state, log_probs[row, :count])
            for row, (state, count) in enumerate(zip(states, counts, strict=True))
        ]


@dataclass(slots=True)
class RnntState:
    """What RNNT decoding remembers of one stream: tokens so far, and the prediction network's state."""

    tokens: list[Token] = field(default_factory=list)
    network: Any = None

    def copy(self) -> RnntState:
        """Returns an independent state; the network's is replaced, never changed."""
        return RnntState(list(self.tokens), self.network)


class RnntDecoder:
    """Words RNNT states; the audio alone decides, so a bias is not followed."""

    def __init__(self, pieces: Sequence[str], frame_ms: int) -> None:
        self._pieces = list(pieces)
        self._frame_ms = frame_ms

    def new_state(self, bias: Bias | None = None) -> RnntState:
        """Returns the state of a fresh stream."""
        return RnntState()

    def advance(self, state: RnntState, log_probs: Any) -> bool:
        """Is not asked: a transducer decodes encoder frames, see `RnntHead`."""
        raise NotImplementedError("a transducer decodes encoder frames, not log probabilities")

    def words(self, state: RnntState) -> tuple[Word, ...]:
        """Returns the words so far."""
        return join_words(state.tokens, self._pieces, self._frame_ms, 0)

    def alternatives(self, state: RnntState) -> tuple[Alternative, ...]:
        """Returns nothing: greedy decoding keeps one reading."""
        return ()


class RnntHead:
    """NeMo's batched greedy transducer decoding (label looping), its state carried from chunk to chunk."""

    def __init__(self, model: Any, pieces: Sequence[str], frame_ms: int) -> None:
        decoding = OmegaConf.create(OmegaConf.to_container(model.cfg.decoding, resolve=True))
        with open_dict(decoding):
            decoding.strategy = "greedy_batch"
            decoding.greedy = {"max_symbols": _MOST_SYMBOLS_PER_FRAME, "loop_labels": True}
            decoding.confidence_cfg = {
                "preserve_frame_confidence": True,
                "method_cfg": {"name": "max_prob", "alpha": 1.0},
            }
        if hasattr(model, "ctc_decoder"):
            model.change_decoding_strategy(decoding, decoder_type="rnnt", verbose=False)
        else:
            model.change_decoding_strategy(decoding, verbose=False)
        self._decoding = model.decoding.decoding
        self.decoder: Decoder[Any] = RnntDecoder(pieces, frame_ms)

    def advance(self, states: Sequence[RnntState], encoded: torch.Tensor, counts: Sequence[int]) -> list[bool]:
        """Decodes float32[streams, width, frames], `counts` frames of each; tells which transcripts changed."""
        earlier = [Hypothesis(score=0.0, y_sequence=[], dec_state=state.network) for state in states]
        lengths = torch.tensor(list(counts), dtype=torch.long, device=encoded.device)
        (found,) = self._decoding(encoder_output=encoded, encoded_lengths=lengths, partial_hypotheses=earlier)
        for state, hypothesis in zip(states, found, strict=True):
            state.network = hypothesis.dec_state
            state.tokens += _tokens(hypothesis)
        return [len(hypothesis.y_sequence) > 0 for hypothesis in found]


def _tokens(hypothesis: Any) -> list[Token]:
    pieces = [int(piece) for piece in hypothesis.y_sequence]
    frames = [int(frame) for frame in hypothesis.timestamp]
    sure = hypothesis.non_blank_frame_confidence or [1.0] * len(pieces)
    return [
        Token(piece, frame, frame, math.log(min(1.0, max(1e-6, float(confidence)))))
        for piece, frame, confidence in zip(pieces, frames, sure, strict=True)
    ]
