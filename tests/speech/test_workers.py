"""The real speech workers behind the media process: hearing, speaking, dying and coming back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence

import pytest

from app.errors import SpeechWorkerLost, TtsError, Unavailable
from app.speech.asr.engine import Transcript
from app.speech.audio import FRAME_BYTES, duration_ms, silence
from app.speech.ear import Ears
from app.speech.mouth import Mouth
from app.speech.seat import HearingOptions
from app.speech.tts.engine import Voice

pytestmark = pytest.mark.integration

HINDI = Voice("hi+m5", 140)


class Listener:
    def __init__(self) -> None:
        self.probabilities: list[float] = []
        self.partials: list[Transcript] = []
        self.lost = asyncio.Event()
        self.restored = asyncio.Event()

    def on_voice(self, probabilities: Sequence[float]) -> None:
        self.probabilities += probabilities

    def on_partial(self, transcript: Transcript) -> None:
        self.partials.append(transcript)

    def on_hearing_lost(self) -> None:
        self.lost.set()

    def on_hearing_restored(self) -> None:
        self.restored.set()


@pytest.fixture
async def ears() -> AsyncIterator[Ears]:
    ears = Ears(HearingOptions(capacity=3))
    await ears.start()
    yield ears
    await ears.close()


@pytest.fixture
async def mouth() -> AsyncIterator[Mouth]:
    mouth = Mouth()
    await mouth.start()
    yield mouth
    await mouth.close()


async def say(mouth: Mouth, text: str, voice: Voice = HINDI) -> bytes:
    return b"".join([chunk async for chunk in mouth.speak(text, voice)])


async def test_speech_is_heard_where_it_is(ears: Ears, mouth: Mouth) -> None:
    listener = Listener()
    ear = ears.open(listener)
    speech = await say(mouth, "मेरा order कहाँ है")
    audio = silence(1_000) + speech + silence(600)
    for start in range(0, len(audio), FRAME_BYTES):
        ear.push(audio[start : start + FRAME_BYTES])
        if start == len(audio) // 2 // FRAME_BYTES * FRAME_BYTES:
            ear.begin(600)
    final = await ear.finish()
    assert final.is_final and final.text
    await asyncio.sleep(0.1)
    windows = [i for i, value in enumerate(listener.probabilities) if value > 0.5]
    assert abs(windows[0] * 32 - 1_000) < 160
    assert abs((windows[-1] + 1) * 32 - 1_000 - duration_ms(speech)) < 300
    ear.close()


async def test_a_phrase_is_synthesised_once(mouth: Mouth) -> None:
    first = await say(mouth, "నమస్కారం, మీకు ఎలా సహాయం చేయగలను?", Voice("te"))
    assert 500 < duration_ms(first) < 6_000
    assert mouth.cached("నమస్కారం, మీకు ఎలా సహాయం చేయగలను?", Voice("te")) == first


async def test_an_unknown_voice_is_an_error_and_the_worker_goes_on(mouth: Mouth) -> None:
    with pytest.raises(TtsError, match="no voice 'xx'"):
        await say(mouth, "hello", Voice("xx"))
    assert await say(mouth, "வணக்கம்", Voice("ta"))


async def test_slots_are_refused_and_come_back(ears: Ears) -> None:
    taken = [ears.open(Listener()) for _ in range(3)]
    with pytest.raises(Unavailable) as refusal:
        ears.open(Listener())
    assert refusal.value.code == "no_speech_slot"
    taken[0].close()
    taken[0].close()
    ears.open(Listener()).close()
    assert ears.open_count == 2


async def test_a_killed_worker_is_noticed_and_replaced(ears: Ears, mouth: Mouth) -> None:
    listener = Listener()
    ear = ears.open(listener)
    ear.push(silence(200))
    ear.begin(0)
    pid = ears.workers[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(SpeechWorkerLost):
        await ear.finish()
    async with asyncio.timeout(3):
        await listener.lost.wait()
    async with asyncio.timeout(10):
        await listener.restored.wait()
    ear.push(await say(mouth, "haan ji") + silence(300))
    ear.begin(0)
    assert (await ear.finish()).is_final
    assert ears.workers[0].pid != pid


async def test_finishing_without_an_utterance_is_refused(ears: Ears) -> None:
    from app.errors import AsrError

    ear = ears.open(Listener())
    with pytest.raises(AsrError, match="no utterance"):
        await ear.finish()


async def test_a_closed_ear_is_not_heard_by_the_call_that_comes_after_it(ears: Ears) -> None:
    stale = ears.open(Listener())
    stale.close()
    listener = Listener()
    ear = ears.open(listener)
    assert ear.slot != stale.slot
    stale.push(silence(640))
    stale.close()
    assert ears.open_count == 1
    ear.push(silence(320))
    await asyncio.sleep(0.3)
    assert len(listener.probabilities) == 10
    ear.close()
