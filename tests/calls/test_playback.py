import asyncio
from collections.abc import AsyncIterator

import pytest

from app.calls.playback import LEAD_MS, REWIND_MS, Heard, Playback
from app.dialogue.turn import Say
from tests.calls.virtual_time import run

pytestmark = pytest.mark.unit

SAY = Say("one two three four five six seven eight nine ten", "en-IN")


class FakeCarrier:
    """Plays what it is sent at real time, as a carrier does, and reports checkpoints."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.queue_end = 0.0
        self.sent = b""
        self.cleared = 0
        self.most_ahead = 0.0
        self.playback: Playback | None = None
        self.timers: list[asyncio.TimerHandle] = []
        self.heard: list[Heard] = []

    def play(self, mulaw: bytes) -> None:
        now = self.loop.time()
        self.queue_end = max(now, self.queue_end) + len(mulaw) / 8_000
        self.most_ahead = max(self.most_ahead, self.queue_end - now)
        self.sent += mulaw

    def checkpoint(self, name: str) -> None:
        assert self.playback is not None
        self.timers.append(self.loop.call_at(self.queue_end, self.playback.on_played, name))

    def clear(self) -> None:
        self.cleared += 1
        self.queue_end = self.loop.time()
        for timer in self.timers:
            timer.cancel()


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def start() -> tuple[FakeCarrier, Playback, asyncio.Task[None]]:
    carrier = FakeCarrier()
    playback = Playback(
        lambda: carrier, asyncio.get_running_loop().time, lambda _: None, lambda: None, carrier.heard.append
    )  # type: ignore[arg-type,return-value]
    carrier.playback = playback
    return carrier, playback, asyncio.create_task(playback.pump())


def test_audio_is_paced_and_accounted_for() -> None:
    async def call() -> None:
        carrier, playback, pump = await start()
        began = asyncio.get_running_loop().time()
        await playback.speak(SAY, pieces(b"a" * 8_000, b"b" * 8_000))
        await playback.drained()
        assert asyncio.get_running_loop().time() - began == pytest.approx(2.0, abs=0.15)
        assert carrier.sent == b"a" * 8_000 + b"b" * 8_000
        assert carrier.most_ahead <= (LEAD_MS + 110) / 1_000
        (heard,) = carrier.heard
        assert heard.complete and heard.heard_ms == 2_000 and heard.text == SAY.text
        pump.cancel()

    run(call())


def test_a_pause_is_heard_at_once_and_a_resume_repeats_only_a_syllable() -> None:
    async def call() -> None:
        carrier, playback, pump = await start()
        audio = bytes(range(256)) * 125
        await playback.speak(SAY, pieces(audio))
        await asyncio.sleep(1.0)
        playback.pause()
        assert carrier.cleared == 1 and playback.paused
        sent = len(carrier.sent)
        await asyncio.sleep(3.0)
        assert len(carrier.sent) == sent
        carrier.sent = b""
        playback.resume()
        await playback.drained()
        heard_before = len(audio) - len(carrier.sent)
        assert audio.endswith(carrier.sent)
        assert heard_before / 8 == pytest.approx(1_000 - REWIND_MS, abs=60)
        pump.cancel()

    run(call())


def test_dropping_keeps_the_words_that_were_heard() -> None:
    async def call() -> None:
        carrier, playback, pump = await start()
        await playback.speak(SAY, pieces(b"x" * 16_000))
        await asyncio.sleep(1.0)
        playback.drop()
        (heard,) = carrier.heard
        assert carrier.cleared == 1
        assert not heard.complete
        assert heard.text == "one two three four five"
        assert not playback.speaking
        await asyncio.sleep(2.0)
        assert len(carrier.sent) < 12_000
        pump.cancel()

    run(call())


def test_nothing_is_heard_of_a_reply_dropped_before_its_first_byte() -> None:
    async def call() -> None:
        carrier, playback, pump = await start()

        async def slow() -> AsyncIterator[bytes]:
            await asyncio.sleep(1.0)
            yield b"x" * 800

        speaking = asyncio.create_task(playback.speak(SAY, slow()))
        await asyncio.sleep(0.5)
        speaking.cancel()
        playback.drop()
        (heard,) = carrier.heard
        await asyncio.sleep(2.0)
        assert carrier.sent == b"" and heard.heard_ms == 0 and heard.text == ""
        pump.cancel()

    run(call())


def test_a_carrier_that_never_reports_is_not_waited_for() -> None:
    async def call() -> None:
        carrier, playback, pump = await start()
        carrier.checkpoint = lambda name: None  # type: ignore[method-assign]
        await playback.speak(SAY, pieces(b"x" * 8_000))
        async with asyncio.timeout(4.0):
            await playback.drained()
        assert carrier.heard[0].complete
        pump.cancel()

    run(call())
