"""Who spoke into the telephone: leaves out quiet words of somebody else that stand before the caller's own.

A television or a person in the room is heard before the caller begins, more quietly than the caller. The recogniser
cannot tell them from a quiet caller while they last; at the end of the turn the difference is plain, and drawn there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..audio import BYTES_PER_MS, Float32, decode_mulaw
from .engine import Transcript, Word
from .evidence import script_shares

_WINDOW_MS = 40
_QUIET_DB = 12.0
_QUIET_BEFORE_PAUSE_DB = ((120, 9.0), (400, 6.0))
"""By how much words are quieter than what follows a pause of so many ms: found on simulated calls."""
_FLOOR = 1e-9


def without_background(transcript: Transcript, mulaw: bytes | bytearray) -> Transcript:
    """Returns a final transcript without leading words that are far quieter than the turn's loudest.

    Words go while each is 12 dB below the loudest word of the turn, and all before a pause that are 9 dB below what
    follows it, or 6 dB where it lasts 400 ms; speech itself varies less at its beginning. Words after the loudest are
    never touched: sentences end quietly.

    Args:
        transcript: with word times that count from the first byte of `mulaw`.
        mulaw: all audio of the stream, 8 kHz.
    """
    if len(transcript.words) < 2 and not transcript.alternatives:
        return transcript
    levels = _levels_db(bytes(mulaw))
    words = _foreground(transcript.words, levels)
    alternatives = tuple(
        replace(other, text=_text(kept), words=kept) if len(kept) < len(other.words) else other
        for other in transcript.alternatives
        for kept in (_foreground(other.words, levels),)
    )
    if len(words) == len(transcript.words):
        return replace(transcript, alternatives=alternatives)
    confidence = sum(word.confidence for word in words) / len(words)
    return Transcript(_text(words), confidence, words, transcript.is_final, script_shares(words), alternatives)


def later(transcript: Transcript, by_ms: int) -> Transcript:
    """Returns a transcript whose words come so many ms later, as of audio that went before."""

    def moved(words: Sequence[Word]) -> tuple[Word, ...]:
        return tuple(replace(word, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms) for word in words)

    alternatives = tuple(replace(other, words=moved(other.words)) for other in transcript.alternatives)
    return replace(transcript, words=moved(transcript.words), alternatives=alternatives)


def _levels_db(mulaw: bytes) -> Float32:
    """Returns the level of every 40 ms, float32[windows]."""
    size = _WINDOW_MS * BYTES_PER_MS
    whole = len(mulaw) // size * size
    power = np.square(decode_mulaw(mulaw[:whole])).reshape(-1, size).mean(axis=1)
    levels: Float32 = 10 * np.log10(power + _FLOOR)
    return levels


def _foreground(words: Sequence[Word], levels: Float32) -> tuple[Word, ...]:
    """Returns the words from the caller's first on; all of them where nothing is known of their loudness."""
    if len(words) < 2 or not len(levels):
        return tuple(words)
    loudness = [_level(word, levels) for word in words]
    loudest = max(loudness)
    first = 0
    while loudness[first] < loudest - _QUIET_DB:
        first += 1
    for at in range(first + 1, len(words)):
        pause_ms = words[at].start_ms - words[at - 1].end_ms
        louder_db = max(loudness[at:]) - max(loudness[first:at])
        if any(pause_ms >= long_ms and louder_db >= db for long_ms, db in _QUIET_BEFORE_PAUSE_DB):
            first = at
    return tuple(words[first:])


def _level(word: Word, levels: Float32) -> float:
    """Returns the loudest 40 ms of a word; its times may be off by a window."""
    last = len(levels) - 1
    start = min(max(0, word.start_ms // _WINDOW_MS - 1), last)
    return float(levels[start : max(start + 1, word.end_ms // _WINDOW_MS + 1)].max())


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
