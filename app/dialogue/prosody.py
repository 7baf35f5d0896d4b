"""How a turn was spoken: values beside the words, and how far they are from the caller's own calm voice."""

from collections.abc import Mapping
from dataclasses import dataclass

_MOST_TURNS = 6
_RAISED = 1.3
_LONG, _LONG_SECONDS = 2.0, 4.0


@dataclass(frozen=True, slots=True)
class Prosody:
    """One turn's voice, measured from the caller's audio beside the hot path; None where it could not be.

    Attributes:
        turn_seconds: From the first word to the last.
        words_per_second: Speech rate.
        loudness_db: Mean level of the voiced frames, dB of full scale.
        pitch_hz: Median pitch of the voiced frames.
        pitch_spread: Standard deviation of pitch, in semitones.
    """

    turn_seconds: float
    words_per_second: float | None = None
    loudness_db: float | None = None
    pitch_hz: float | None = None
    pitch_spread: float | None = None


def strain(voice: Mapping[str, float], heard: Prosody) -> float:
    """Returns how far a turn is above the caller's own average so far, 0 (as ever) to 1.

    Each of five signs counts a quarter: 30 % faster, 6 dB louder, pitch three semitones higher, pitch half as varied
    again, twice as long (and over four seconds). A first turn has nothing to be compared with.

    Args:
        voice: The averages that `learnt` keeps.
        heard: The turn.
    """
    if voice.get("turns", 0) < 1:
        return 0.0
    signs = 0
    if heard.words_per_second and (usual := voice.get("words_per_second")):
        signs += heard.words_per_second >= _RAISED * usual
    if heard.loudness_db is not None and (usual := voice.get("loudness_db")) is not None:
        signs += heard.loudness_db >= usual + 6.0
    if heard.pitch_hz and (usual := voice.get("pitch_hz")):
        signs += heard.pitch_hz >= usual * 2 ** (3 / 12)
    if heard.pitch_spread and (usual := voice.get("pitch_spread")):
        signs += heard.pitch_spread >= 1.5 * usual
    if usual := voice.get("turn_seconds"):
        signs += heard.turn_seconds >= max(_LONG * usual, _LONG_SECONDS)
    return min(1.0, signs / 4)


def learnt(voice: Mapping[str, float], heard: Prosody) -> dict[str, float]:
    """Returns the caller's averages with one turn more; old turns fade after six."""
    turns = min(voice.get("turns", 0.0) + 1, _MOST_TURNS)
    after = {**voice, "turns": turns}
    for name in ("turn_seconds", "words_per_second", "loudness_db", "pitch_hz", "pitch_spread"):
        value = getattr(heard, name)
        if value is not None:
            before = voice.get(name, value)
            after[name] = round(before + (value - before) / turns, 3)
    return after
