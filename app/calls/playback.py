"""What the caller hears of the agent: paced to the carrier, stoppable, resumable, and accounted for to the moment.

The carrier plays what it is sent at real time and keeps playing it until it is told to clear, so at most
`LEAD_MS` is ever sent ahead. What was heard is reckoned from the send times and corrected by the carrier's checkpoints.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from app.calls.ports import Carrier
from app.dialogue.turn import Say
from app.errors import StageError
from app.speech.audio import BYTES_PER_MS, FRAME_BYTES

LEAD_MS: Final = 240
CHUNK_MS: Final = 100
REWIND_MS: Final = 240
_CHECKPOINT_GRACE_SECONDS: Final = 1.0
_SOCKET_AWAY_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of a sentence the caller heard."""

    say: Say
    text: str
    heard_ms: int
    complete: bool


class _Sentence:
    """One sentence on its way: its audio so far, how much was sent and when the carrier will have played that."""

    __slots__ = ("audio", "broken", "ends_at", "marked", "name", "say", "sent", "whole")

    def __init__(self, say: Say, name: str) -> None:
        self.say = say
        self.name = name
        self.audio = bytearray()
        self.whole = False
        self.broken = False
        self.marked = False
        self.sent = 0
        self.ends_at = 0.0

    @property
    def all_sent(self) -> bool:
        """Whether nothing is left to send, now or later."""
        return self.whole and self.sent == len(self.audio)

    def heard_bytes(self, now: float) -> int:
        """Returns how many bytes the caller has heard by `now`."""
        unplayed = int(max(0.0, self.ends_at - now) * 1_000) * BYTES_PER_MS
        return max(0, self.sent - unplayed)


class Playback:
    """The agent's voice in one call. All methods are called on the event loop."""

    def __init__(
        self,
        carrier: Callable[[], Carrier | None],
        monotonic: Callable[[], float],
        on_audio: Callable[[bytes], None],
        on_clear: Callable[[], None],
        on_heard: Callable[[Heard], None],
    ) -> None:
        """Creates a silent playback.

        Args:
            carrier: Returns the carrier, or None while the socket is away.
            monotonic: Seconds.
            on_audio: Takes every piece of mu-law as it is sent (the recorder).
            on_clear: Learns that what was sent but not heard yet never will be.
            on_heard: Takes each sentence once it is over, heard to its end or not.
        """
        self._carrier = carrier
        self._monotonic = monotonic
        self._on_audio = on_audio
        self._on_clear = on_clear
        self._on_heard = on_heard
        self._sentences: deque[_Sentence] = deque()
        self._queue_end = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._work = asyncio.Event()
        self._ended = asyncio.Event()
        self._counter = 0
        self.first_audio_at: float | None = None

    @property
    def speaking(self) -> bool:
        """Whether audio is at the carrier or on its way there."""
        return bool(self._sentences)

    @property
    def paused(self) -> bool:
        """Whether speech is held back after a possible interruption."""
        return not self._open.is_set()

    @property
    def current(self) -> Say | None:
        """The sentence the caller is hearing."""
        return self._sentences[0].say if self._sentences else None

    async def speak(self, say: Say, audio: AsyncIterator[bytes]) -> None:
        """Takes one sentence; returns when all its audio is known, usually before it is heard.

        Args:
            say: The sentence.
            audio: Its mu-law, 8 kHz, a phrase at a time.

        Raises:
            StageError: The synthesis failed; what there is of the sentence is played, and never counts as complete.
        """
        self._counter += 1
        sentence = _Sentence(say, f"s{self._counter}")
        self._sentences.append(sentence)
        try:
            async for piece in audio:
                sentence.audio += piece
                self._work.set()
        except StageError:
            sentence.broken = True
            raise
        finally:
            sentence.whole = True
            self._work.set()

    async def pump(self) -> None:
        """Sends what there is at the caller's pace, for as long as the call lives."""
        while True:
            await self._open.wait()
            sentence = next((item for item in self._sentences if not item.marked), None)
            carrier = self._carrier()
            if sentence is None or (sentence.sent == len(sentence.audio) and not sentence.whole):
                self._work.clear()
                await self._work.wait()
            elif carrier is None:
                await asyncio.sleep(_SOCKET_AWAY_SECONDS)
            elif sentence.all_sent:
                carrier.checkpoint(sentence.name)
                sentence.marked = True
            else:
                now = self._monotonic()
                ahead = self._queue_end - now
                if ahead > LEAD_MS / 1_000:
                    await asyncio.sleep(ahead - LEAD_MS / 1_000 + 0.005)
                else:
                    self._send(carrier, sentence, now)

    async def drained(self) -> None:
        """Waits until the caller has heard everything, by the carrier's word or, failing that, by the clock."""
        while self._sentences:
            await self._open.wait()
            self._ended.clear()
            remaining = max(0.0, self._queue_end - self._monotonic()) + _CHECKPOINT_GRACE_SECONDS
            try:
                async with asyncio.timeout(remaining):
                    await self._ended.wait()
            except TimeoutError:
                if not self.paused and self._monotonic() >= self._queue_end:
                    for sentence in [item for item in self._sentences if item.marked]:
                        self._report(sentence)

    def pause(self) -> None:
        """Stops the voice at the carrier at once and holds the rest back, what is not yet there included."""
        if self.paused:
            return
        now = self._monotonic()
        for sentence in self._sentences:
            sentence.sent = sentence.heard_bytes(now)
            sentence.ends_at = now
            sentence.marked = False
        self._open.clear()
        self._queue_end = now
        self._clear()

    def resume(self) -> None:
        """Goes on after a false alarm, a syllable before the place where it stopped."""
        if not self.paused:
            return
        if self._sentences:
            first = self._sentences[0]
            first.sent = max(0, first.sent - REWIND_MS * BYTES_PER_MS)
            first.sent -= first.sent % FRAME_BYTES
        self._open.set()
        self._work.set()

    def drop(self) -> None:
        """Forgets what was not heard."""
        now = self._monotonic()
        if not self.paused and self._queue_end > now:
            self._clear()
        sentences = list(self._sentences)
        self._sentences.clear()
        for sentence in sentences:
            self._on_heard(_account(sentence, sentence.heard_bytes(now)))
        self._queue_end = now
        self._open.set()
        self._ended.set()

    def on_played(self, name: str) -> None:
        """Takes a checkpoint of the carrier: the sentence of that name was heard to its end."""
        for sentence in self._sentences:
            if sentence.name == name and sentence.marked:
                self._report(sentence)
                return

    def _clear(self) -> None:
        self._on_clear()
        if carrier := self._carrier():
            carrier.clear()

    def _report(self, sentence: _Sentence) -> None:
        self._sentences.remove(sentence)
        self._on_heard(_account(sentence, len(sentence.audio)))
        self._ended.set()

    def _send(self, carrier: Carrier, sentence: _Sentence, now: float) -> None:
        piece = bytes(sentence.audio[sentence.sent : sentence.sent + CHUNK_MS * BYTES_PER_MS])
        carrier.play(piece)
        self._on_audio(piece)
        sentence.sent += len(piece)
        if self.first_audio_at is None:
            self.first_audio_at = now
        self._queue_end = max(now, self._queue_end) + len(piece) / BYTES_PER_MS / 1_000
        sentence.ends_at = self._queue_end


def _account(sentence: _Sentence, heard: int) -> Heard:
    complete = sentence.whole and not sentence.broken and heard >= len(sentence.audio)
    text = sentence.say.text
    if not complete:
        words = text.split()
        share = heard / len(sentence.audio) if sentence.audio else 0.0
        text = "" if sentence.broken else " ".join(words[: int(len(words) * share)])
    return Heard(sentence.say, text, heard // BYTES_PER_MS, complete)
