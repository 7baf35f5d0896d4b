"""How a call felt to the caller: reply and barge-in times from what the simulated carrier sent and played."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from app.simulate.carrier import CallEvent
from app.simulate.media import Utterance
from app.simulate.playout import FRAME_SECONDS, HeardFrame
from app.simulate.voices import Spoken

_OVERLAP_SECONDS: Final = 0.12
_STOP_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Act:
    """Something the caller did: words that were sent, or a last key at `at` (`time.monotonic()`)."""

    label: str
    by: str
    words: str
    answered: bool
    interrupts: bool = False
    spoken: Spoken | None = None
    utterance: Utterance | None = None
    at: float = 0.0

    @property
    def onset(self) -> float | None:
        """When the frame with the first loud sample was sent; None: never sent."""
        return self._sent_at(self.spoken.loud_from_ms if self.spoken else 0.0)

    @property
    def end(self) -> float | None:
        """When the frame with the last loud sample, or the last key, was sent; None: never sent."""
        if self.utterance is not None and self.utterance.ended_at is None:
            return None
        return self._sent_at(self.spoken.loud_to_ms if self.spoken else 0.0)

    def _sent_at(self, position_ms: float) -> float | None:
        if self.utterance is None:
            return self.at
        if self.utterance.started_at is None:
            return None
        frame = math.floor(position_ms / 1_000 / FRAME_SECONDS)
        return self.utterance.started_at + frame * FRAME_SECONDS


@dataclass(frozen=True, slots=True)
class TurnTiming:
    """One act of the caller as it went; times in milliseconds, positions from the answer of the call.

    Attributes:
        label: Which step or reply of the scenario.
        by: `voice` or `keypad`.
        words: What was said or pressed.
        at_ms: When it began.
        reply_ms: From the last loud sample sent to the agent's first loud frame played.
        barge_in_ms: From the first loud sample sent to the end of the agent's audio at the carrier.
        talked_over: The agent began to speak before the caller had finished.
    """

    label: str
    by: str
    words: str
    at_ms: int
    reply_ms: float | None = None
    barge_in_ms: float | None = None
    talked_over: bool = False


def timings(
    acts: Sequence[Act], heard: Sequence[HeardFrame], events: Sequence[CallEvent], answered_at: float
) -> list[TurnTiming]:
    """Returns the timing of every act that was begun.

    Args:
        acts: In order.
        heard: What the caller heard.
        events: What happened at the carrier.
        answered_at: `time.monotonic()` at the start of the audio.
    """
    loud = [frame.at for frame in heard if frame.loud]
    starts = [act.onset for act in acts] + [None]
    turns = []
    for act, following in zip(acts, starts[1:], strict=True):
        if act.onset is None:
            continue
        turns.append(
            TurnTiming(
                act.label,
                act.by,
                act.words,
                at_ms=round((act.onset - answered_at) * 1_000),
                reply_ms=_reply_ms(act, loud, following),
                barge_in_ms=_barge_in_ms(act, heard, events) if act.interrupts else None,
                talked_over=not act.interrupts and _talked_over(act, loud),
            )
        )
    return turns


def _reply_ms(act: Act, loud: Sequence[float], following: float | None) -> float | None:
    end = act.end
    if end is None or not act.answered:
        return None
    if any(end - _OVERLAP_SECONDS <= at <= end for at in loud):
        return None
    first = next((at for at in loud if at > end), None)
    if first is None or (following is not None and first > following):
        return None
    return round((first - end) * 1_000, 1)


def _barge_in_ms(act: Act, heard: Sequence[HeardFrame], events: Sequence[CallEvent]) -> float | None:
    onset = act.onset
    if onset is None or not any(onset - _OVERLAP_SECONDS <= frame.at <= onset for frame in heard):
        return None
    cleared = next(
        (event.at for event in events if event.kind == "clearAudio" and onset <= event.at <= onset + _STOP_SECONDS),
        None,
    )
    if cleared is None:
        return None
    last = max(frame.at for frame in heard if frame.at <= cleared)
    return round((last + FRAME_SECONDS - onset) * 1_000, 1)


def _talked_over(act: Act, loud: Sequence[float]) -> bool:
    onset, end = act.onset, act.end
    if act.utterance is None or onset is None or end is None:
        return False
    silent_at_onset = not any(onset - _OVERLAP_SECONDS <= at <= onset for at in loud)
    return silent_at_onset and any(onset < at < end for at in loud)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Returns the nearest-rank percentile (`share` in 0 to 1), or None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def longest_gap_ms(heard: Sequence[HeardFrame]) -> float:
    """Returns the longest pause between two loud frames, in milliseconds."""
    loud = [frame.at for frame in heard if frame.loud]
    return round(max((later - earlier for earlier, later in pairwise(loud)), default=0.0) * 1_000, 1)
