"""How sure a figure is: 95 % intervals by drawing utterances again, seeded so that they repeat.

Source: Bisani & Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004; the
utterance is the unit, since errors within one hang together, and two systems are compared on the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .measures import Counts

DRAWS = 1000
SEED = 20_261_121
_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A rate with its interval and what it is a rate of: the sum of references, over `utterances`."""

    value: float
    low: float
    high: float
    of: float
    utterances: int


def _draws(count: int) -> NDArray[np.float64]:
    """Returns how often each draw holds each utterance, float64[DRAWS, count]."""
    rng = np.random.default_rng(SEED)
    return rng.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)


def _rates(counted: Sequence[tuple[float, float]], draws: NDArray[np.float64]) -> NDArray[np.float64]:
    errors, totals = np.array(counted, np.float64).T
    drawn = draws @ totals
    return np.where(drawn > 0, (draws @ errors) / np.maximum(drawn, 1e-9), np.nan)


def estimate(counted: Sequence[tuple[float, float]]) -> Estimate:
    """Returns the rate over utterances with its 95 % interval.

    Args:
        counted: (errors, of how many) of each utterance, at least one.
    """
    errors, totals = (sum(values) for values in zip(*counted, strict=True))
    low, high = np.nanpercentile(_rates(counted, _draws(len(counted))), _TAILS)
    return Estimate(errors / totals, float(low), float(high), totals, len(counted))


def estimates(utterances: Sequence[Counts], names: Sequence[str]) -> dict[str, Estimate]:
    """Returns the estimate of every measure that at least one utterance has."""
    found: dict[str, Estimate] = {}
    for name in names:
        counted = [counts[name] for counts in utterances if name in counts]
        if counted:
            found[name] = estimate(counted)
    return found


@dataclass(frozen=True, slots=True)
class Difference:
    """How much one system's rate lies above another's on the same utterances; `is_clear` where 0 is outside."""

    value: float
    low: float
    high: float
    utterances: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def difference(ours: Sequence[tuple[float, float]], theirs: Sequence[tuple[float, float]]) -> Difference:
    """Returns ours minus theirs by a paired bootstrap.

    Args:
        ours: (errors, of how many) by utterance.
        theirs: The other system's, of the same utterances in the same order.
    """
    draws = _draws(len(ours))
    spread = _rates(ours, draws) - _rates(theirs, draws)
    low, high = np.nanpercentile(spread, _TAILS)
    one, other = (sum(e for e, _ in side) / sum(t for _, t in side) for side in (ours, theirs))
    return Difference(one - other, float(low), float(high), len(ours))
