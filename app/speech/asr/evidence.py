"""A decoder's words as a transcript, with evidence of language: the scripts of its words, by time and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.language.scripts import script_of_word

from .decoder import Decoder
from .engine import ScriptShare, Transcript, Word


def transcript_of(decoder: Decoder[Any], state: Any, is_final: bool) -> Transcript:
    """Returns what a decoder has heard; a partial transcript carries neither evidence nor other readings."""
    words = decoder.words(state)
    return Transcript(
        " ".join(word.text for word in words),
        sum(word.confidence for word in words) / len(words) if words else 0.0,
        words,
        is_final,
        script_shares(words) if is_final else (),
        decoder.alternatives(state) if is_final else (),
    )


def script_shares(words: Sequence[Word]) -> tuple[ScriptShare, ...]:
    """Returns the share of each script in the words, largest first; words without letters speak for none."""
    weights: dict[str, float] = {}
    confidences: dict[str, list[float]] = {}
    for word in words:
        script = script_of_word(word.text)
        if script is not None:
            weight = (word.end_ms - word.start_ms) * max(word.confidence, 1e-3)
            weights[script] = weights.get(script, 0.0) + weight
            confidences.setdefault(script, []).append(word.confidence)
    total = sum(weights.values())
    if total <= 0.0:
        return ()
    shares = [
        ScriptShare(script, weight / total, sum(confidences[script]) / len(confidences[script]))
        for script, weight in weights.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.share, share.script)))
