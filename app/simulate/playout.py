"""The simulated carrier's loudspeaker: plays what the server sent at real time, one 20 ms frame at each tick."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FRAME_BYTES: Final = 160
FRAME_SECONDS: Final = 0.02
SILENCE: Final = b"\xff" * FRAME_BYTES
MAX_QUEUED_BYTES: Final = 480_000
"""Source: Plivo queues about 60 s of playback."""


def _decode(code: int) -> int:
    """Returns the linear value of a mu-law byte. Source: ITU-T G.711."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


_LOUD: Final = bytes(1 if abs(_decode(code)) > 400 else 0 for code in range(256))


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """20 ms of the agent's audio, as the caller heard it.

    Attributes:
        at: `time.monotonic()` when it began to play.
        mulaw: 160 bytes, mu-law, mono, 8 kHz.
        loud: Whether it carries more than line noise.
    """

    at: float
    mulaw: bytes
    loud: bool


class Playout:
    """The queue that Plivo keeps per stream: audio and checkpoints in order."""

    def __init__(self, on_checkpoint: Callable[[str], None]) -> None:
        self._on_checkpoint = on_checkpoint
        self._queue: deque[bytearray | str] = deque()
        self._reached: list[str] = []
        self._queued_bytes = 0

    @property
    def queued_seconds(self) -> float:
        """How much audio waits to be played."""
        return self._queued_bytes / 8000

    def play(self, mulaw: bytes) -> bool:
        """Queues audio; returns False, and drops it, if the queue is full."""
        if self._queued_bytes + len(mulaw) > MAX_QUEUED_BYTES:
            return False
        if self._queue and isinstance(self._queue[-1], bytearray):
            self._queue[-1] += mulaw
        elif mulaw:
            self._queue.append(bytearray(mulaw))
        self._queued_bytes += len(mulaw)
        return True

    def checkpoint(self, name: str) -> None:
        """Queues a checkpoint; it is reported at the tick after the audio before it was played."""
        self._queue.append(name)

    def clear(self) -> float:
        """Drops everything, checkpoints unreported; returns the seconds of audio dropped."""
        dropped = self.queued_seconds
        self._queue.clear()
        self._reached.clear()
        self._queued_bytes = 0
        return dropped

    def tick(self, now: float) -> HeardFrame | None:
        """Plays the next 20 ms.

        Args:
            now: `time.monotonic()`.

        Returns:
            What is heard, padded with silence at the end of the audio; None if nothing waits.
        """
        for name in self._reached:
            self._on_checkpoint(name)
        self._reached.clear()
        frame = bytearray()
        while self._queue:
            head = self._queue[0]
            if isinstance(head, str):
                self._reached.append(head)
                self._queue.popleft()
                continue
            taken = head[: FRAME_BYTES - len(frame)]
            if not taken:
                break
            frame += taken
            del head[: len(taken)]
            self._queued_bytes -= len(taken)
            if not head:
                self._queue.popleft()
        if not frame:
            return None
        loud = sum(frame.translate(_LOUD)) >= len(frame) // 10
        return HeardFrame(now, bytes(frame) + SILENCE[len(frame) :], loud)
