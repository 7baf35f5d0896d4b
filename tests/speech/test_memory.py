"""A thousand calls come and go through a real listening worker: no slot stays taken and no memory goes with them."""

import asyncio
import itertools

import numpy as np
import psutil
import pytest

from app.speech.audio import encode_mulaw
from app.speech.ear import Ears
from app.speech.seat import HearingOptions

from .test_workers import Listener

pytestmark = pytest.mark.integration

CALLS = 1_000
WARM_CALLS = 200
AT_ONCE = 8
GROWTH_MB = 12.0


def mumble() -> bytes:
    """Returns half a second that the recogniser has to work on: two chunks of a noisy, wavering tone."""
    rng = np.random.default_rng(7)
    time = np.arange(4_000) / 8_000
    tone = np.sin(2 * np.pi * (180 + 40 * np.sin(2 * np.pi * 4 * time)) * time)
    return encode_mulaw((0.2 * tone + 0.02 * rng.normal(size=len(time))).astype(np.float32))


async def test_memory_stays_flat_over_a_thousand_calls() -> None:
    """A stream that were kept would cost its caches, 0.3 MB each: 240 MB over the calls that are compared."""
    said = mumble()
    ears = Ears(HearingOptions(capacity=AT_ONCE))
    await ears.start()
    try:
        worker, own = psutil.Process(ears.workers[0].pid), psutil.Process()
        held: dict[int, tuple[float, float]] = {}
        numbers = itertools.count(1)

        async def ring() -> None:
            while (number := next(numbers)) <= CALLS:
                ear = ears.open(Listener())
                ear.push(said)
                ear.begin(0)
                if number % 3:  # every third caller hangs up in the middle of an utterance
                    assert (await ear.finish()).is_final
                ear.close()
                if number in (WARM_CALLS, CALLS):
                    held[number] = worker.memory_info().rss / 1e6, own.memory_info().rss / 1e6

        await asyncio.gather(*(ring() for _ in range(AT_ONCE)))
        assert ears.open_count == 0
        assert ears.workers[0].restarts == 0
        for before, after in zip(held[WARM_CALLS], held[CALLS], strict=True):
            assert after - before < GROWTH_MB
    finally:
        await ears.close()
