"""The synthesis protocol: text in, telephone audio out, a phrase at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Voice:
    """Which voice speaks and how.

    Attributes:
        name: The engine's own voice id, `hi` or `hi+f4`.
        rate_wpm: Words per minute.
        pitch: 0 to 100, 50 is the voice's own.
    """

    name: str
    rate_wpm: int = 150
    pitch: int = 50


class TtsEngine(Protocol):
    """A synthesiser; one instance per process, called from one thread."""

    def synthesise(self, text: str, voice: Voice) -> Iterator[bytes]:
        """Yields 8 kHz mono mu-law, a phrase at a time, so that the first can play while the next is made.

        Raises:
            TtsError: The voice is unknown or the engine failed.
        """
        ...
