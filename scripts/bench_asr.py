"""The benchmark behind `make bench-asr`: what recognition costs, into build/bench-asr.json.

Streams per core: all streams speak without a pause, and every 160 ms each has a new chunk; front end, model and decoder
of all of them must be done within the chunk in 95 of 100 chunks. Final latency: ten calls in real time through the
worker process on one core. Memory: a thousand calls opened and closed. Nothing is stubbed.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy import signal

from app.errors import StageError
from app.speech.asr.engine import AsrEngine, Transcript
from app.speech.asr.features import FloatArray, encode_mulaw
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR, OnnxAsrEngine
from app.speech.asr.training.espeak import Espeak
from app.speech.audio import FRAME_BYTES, FRAME_MS, silence
from app.speech.ear import Ears
from app.speech.scheduler import Scheduler
from app.speech.seat import HearingOptions

SAID = (
    ("hi+m5", "मेरा order कहाँ है मुझे agent से बात करनी है"),
    ("ta+m5", "என் order எங்க இருக்கு"),
    ("te+m5", "నా order ఎక్కడ ఉంది"),
    ("en-us+m5", "nine eight four zero two please cancel my order"),
)
SHARE = 0.95


def voices() -> list[bytes]:
    """Returns telephone speech, 8 kHz mu-law, one utterance of each language."""
    espeak = Espeak()
    spoken = []
    for name, text in SAID:
        speech = espeak.speak(text.split(), name, rate=150)
        narrow: FloatArray = signal.resample_poly(speech.samples, 160, 441).astype(np.float32)
        narrow *= 0.1 / (np.sqrt(np.mean(narrow**2)) + 1e-9)
        narrow += np.random.default_rng(0).normal(0, 0.001, len(narrow)).astype(np.float32)
        spoken.append(encode_mulaw(narrow))
    return spoken


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Returns p50, p95 and the worst, rounded."""
    p50, p95, worst = np.percentile(values, [50, 95, 100])
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2), "max": round(float(worst), 2)}


def chunk_times(engine: AsrEngine, speech: Sequence[bytes], streams: int, chunks: int, batch: int) -> list[float]:
    """Returns how long each chunk of all streams took, ms; every stream talks on from another place."""
    scheduler = Scheduler(engine, max_batch=batch, max_wait_ms=0.0)
    chunk = engine.chunk_ms * 8
    talk = [itertools.cycle(_pieces(speech[i % len(speech)], chunk, 997 * i)) for i in range(streams)]
    for key in range(streams):
        scheduler.open(key, None)
    spent = []
    for number in range(chunks + 3):
        if number % 40 == 39:  # an utterance lasts some seconds; decoders start afresh
            for key in range(streams):
                scheduler.open(key, None)
        started = time.perf_counter()
        for key in range(streams):
            scheduler.push(key, next(talk[key]))
        while scheduler.seconds_to_wait() is not None:
            scheduler.step()
        spent.append((time.perf_counter() - started) * 1_000)
    return spent[3:]


def _pieces(mulaw: bytes, size: int, shift: int) -> list[bytes]:
    doubled = mulaw[shift % len(mulaw) :] + mulaw[: shift % len(mulaw)]
    return [doubled[at : at + size] for at in range(0, len(doubled) - size + 1, size)]


def streams_per_core(model: Path, speech: Sequence[bytes], chunks: int, batch: int, greedy: bool) -> dict[str, Any]:
    """Finds the most streams whose chunks are done in time on one core."""
    engine = OnnxAsrEngine(model, greedy=greedy)
    chunk_times(engine, speech, 4, 5, batch)
    base = float(np.median(chunk_times(engine, speech, 32, 12, batch))) / 32
    low, high, found = 8, int(1.6 * engine.chunk_ms / base), {}
    while high - low > 3:
        middle = (low + high) // 2
        times = chunk_times(engine, speech, middle, chunks, batch)
        found[middle] = quantiles(times)
        if np.percentile(times, 100 * SHARE) < engine.chunk_ms:
            low = middle
        else:
            high = middle
    return {"streams": low, "ms_per_stream_and_chunk": round(base, 3), "chunk_ms": engine.chunk_ms, "tried": found}


class Caller:
    """Listens to nothing but says how it went."""

    def __init__(self) -> None:
        self.lost = 0

    def on_voice(self, probabilities: Sequence[float]) -> None:
        """Takes probabilities."""

    def on_partial(self, transcript: Transcript) -> None:
        """Takes words."""

    def on_hearing_lost(self) -> None:
        """Counts."""
        self.lost += 1

    def on_hearing_restored(self) -> None:
        """Takes it."""


async def final_latency(model: Path, speech: Sequence[bytes], calls: int, seconds: float) -> dict[str, Any]:
    """Returns the time from the endpoint decision to the final transcript, calls talking in real time, one thread."""
    ears = Ears(HearingOptions(capacity=calls, model=model))
    await ears.start()
    waits: list[float] = []
    texts: list[str] = []
    failed: list[str] = []
    try:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds

        async def talk(number: int) -> None:
            rng, caller = random.Random(number), Caller()
            ear, heard_ms, due = ears.open(caller), 0, loop.time() + rng.uniform(0, 3)
            while loop.time() < end:
                said = speech[rng.randrange(len(speech))]
                begin_ms = heard_ms
                audio = silence(300) + said + silence(200)
                for at in range(0, len(audio), FRAME_BYTES):
                    due += FRAME_MS / 1_000
                    await asyncio.sleep(max(0.0, due - loop.time()))
                    ear.push(audio[at : at + FRAME_BYTES])
                    heard_ms += FRAME_MS
                    if at == 400 * 8:
                        ear.begin(begin_ms)
                decided = loop.time()
                try:
                    texts.append((await ear.finish()).text)
                    waits.append((loop.time() - decided) * 1_000)
                except StageError as error:
                    failed.append(error.code)
                ear.end()
            ear.close()

        async with asyncio.TaskGroup() as group:
            for number in range(calls):
                group.create_task(talk(number))
    finally:
        await ears.close()
    heard = sum(1 for text in texts if text)
    return {"calls": calls, "finals": len(waits), "failed": len(failed), "heard_words": heard, "ms": quantiles(waits)}


async def memory(model: Path, speech: Sequence[bytes], calls: int, at_once: int = 10) -> dict[str, Any]:
    """Returns the worker's and this process's resident memory while calls come and go, each with an utterance."""
    ears = Ears(HearingOptions(capacity=at_once, model=model))
    await ears.start()
    try:
        worker, own = psutil.Process(ears.workers[0].pid), psutil.Process()
        numbers, curve = iter(range(calls)), {}

        async def ring() -> None:
            for number in numbers:
                ear = ears.open(Caller())
                audio = silence(300) + speech[number % len(speech)][:12_000] + silence(200)
                for at in range(0, len(audio), 800):
                    ear.push(audio[at : at + 800])
                ear.begin(0)
                await ear.finish()
                ear.close()
                if (number + 1) in (calls // 10, calls // 2, calls):
                    curve[number + 1] = {
                        "worker_mb": round(worker.memory_info().rss / 1e6, 1),
                        "media_mb": round(own.memory_info().rss / 1e6, 1),
                    }

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(ring())
        open_after = ears.open_count
    finally:
        await ears.close()
    first, last = curve[calls // 10], curve[calls]
    growth = round(last["worker_mb"] - first["worker_mb"], 1)
    return {"calls": calls, "slots_left_open": open_after, "rss_after_calls": curve, "worker_growth_mb": growth}


def say(text: str) -> None:
    """Shows progress."""
    print(text, file=sys.stderr, flush=True)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs the parts that are asked for."""
    model, speech = arguments.model, voices()
    graph = model / "encoder.onnx"
    found: dict[str, Any] = {"model_bytes": graph.stat().st_size, "load_average": os.getloadavg()[0]}
    described = json.loads((model / "model.json").read_text(encoding="utf-8"))
    found["parameters"] = described.get("parameters")
    if "streams" in arguments.parts:
        for name, greedy in (("beam", False), ("greedy", True)):
            if greedy or (model / "ngrams.model").exists():
                say(f"streams per core, {name}")
                found[f"streams_per_core_{name}"] = streams_per_core(
                    model, speech, arguments.chunks, arguments.batch, greedy
                )
    if "latency" in arguments.parts:
        say(f"final latency, {arguments.calls} calls")
        found["final_latency"] = asyncio.run(final_latency(model, speech, arguments.calls, arguments.seconds))
    if "memory" in arguments.parts:
        say("memory over 1,000 calls")
        found["memory"] = asyncio.run(memory(model, speech, 1_000))
    return found


def one_thread() -> None:
    """Starts this program again where its libraries would use more threads than one."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(names, "1")})


def main() -> int:
    """Adds this model's figures to build/bench-asr.json and prints them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=STARTER_MODEL_DIR, help="a model directory")
    parser.add_argument("--parts", nargs="+", default=["streams", "latency", "memory"])
    parser.add_argument("--chunks", type=int, default=40, help="chunks per measurement of streams per core")
    parser.add_argument("--batch", type=int, default=16, help="streams in one model run at most")
    parser.add_argument("--calls", type=int, default=10, help="calls at the same time, for latency")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long they talk")
    parser.add_argument("--out", type=Path, default=Path("build/bench-asr.json"))
    arguments = parser.parse_args()
    one_thread()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    found = measure(arguments)
    every = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else {}
    every[arguments.model.name] = every.get(arguments.model.name, {}) | found
    every["machine"] = {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    arguments.out.write_text(json.dumps(every, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    return 0


def _processor() -> str:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    name = next((line.split(":")[1].strip() for line in flags.splitlines() if line.startswith("model name")), "")
    extras = [flag for flag in ("avx512_vnni", "amx_int8") if flag in flags]
    return " ".join([name or platform.machine(), *extras])


if __name__ == "__main__":
    sys.exit(main())
