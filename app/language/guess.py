"""The value that language identification yields."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """Which language carries an utterance, and the evidence.

    `matrix` is a BCP-47 tag, or None when nothing speaks for any ("4512", ""). `token_tags` holds one tag per
    token ("und" where unknown); `switch_points` are token indices at which the tag changes. `requested` is the language
    that the caller asks for. `evidence` names what spoke for the matrix: `script`, `respelt`, `words`, `letters`,
    `grammar`, and the call's `state` or `asr` tag where that decided; `stranger:xx` is a doubt.
    """

    matrix: str | None
    confidence: float
    token_tags: tuple[str, ...] = ()
    switch_points: tuple[int, ...] = ()
    requested: str | None = None
    evidence: tuple[str, ...] = ()
