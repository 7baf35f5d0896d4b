"""What the service's processes cost while calls go on: CPU to the nanosecond, memory, the cost of one silent frame."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from app.demo.children import Child
from app.errors import Unavailable
from app.simulate.carrier import Parties, SimulatedCall
from app.simulate.exchange import SimulatedPlivo
from app.simulate.playout import FRAME_SECONDS
from app.simulate.ringing import ANSWER_PATH, HANGUP_PATH, Target

_QUIET_SECONDS: Final = 0.5
_OPENING_SECONDS: Final = 60.0


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process's threads so far. Source: Linux, proc(5), schedstat; else psutil's ticks."""
    total = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except OSError:
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return total / 1e9


def memory_mb(child: Child) -> dict[str, float]:
    """Returns the resident memory of a child and of its own children, by the role on their command line."""
    root = psutil.Process(child.pid)
    found = {child.name: root.memory_info().rss / 2**20}
    for process in root.children(recursive=True):
        words = process.cmdline()
        role = next((word for word in ("listen", "speak") if word in words), f"process {process.pid}")
        found[role] = found.get(role, 0.0) + process.memory_info().rss / 2**20
    return {name: round(size, 1) for name, size in found.items()}


async def frame_cpu_ms(
    child: Child, plivo: SimulatedPlivo, target: Target, *, calls: int, window_seconds: float = 5.0
) -> float:
    """Returns the media process's CPU per 20 ms frame of a call in which nobody speaks, its idle cost left out.

    The window lies between the end of the opening and the agent's first silence prompt, seven seconds later.

    Args:
        child: The media process.
        plivo: The carrier.
        target: Whom to ring.
        calls: How many at once.
        window_seconds: How long to measure, less than seven seconds.

    Raises:
        Unavailable: The calls did not come up.
    """
    idle = await _cpu_over(child.pid, window_seconds)
    live = [_silent_call(plivo, target, number) for number in range(calls)]
    await asyncio.gather(*(call.dial() for call in live))
    try:
        await _until_quiet(live)
        busy = await _cpu_over(child.pid, window_seconds)
    finally:
        await asyncio.gather(*(call.hang_up() for call in live))
    return round((busy - idle) * 1_000 / (calls * window_seconds / FRAME_SECONDS), 4)


def _silent_call(plivo: SimulatedPlivo, target: Target, number: int) -> SimulatedCall:
    url = target.url.rstrip("/")
    parties = Parties(str(919876599000 + number), target.to_number.lstrip("+"), url + ANSWER_PATH, url + HANGUP_PATH)
    return plivo.call(parties, auth_id=target.auth_id)


async def _cpu_over(pid: int, seconds: float) -> float:
    before = await asyncio.to_thread(cpu_seconds, pid)
    await asyncio.sleep(seconds)
    return await asyncio.to_thread(cpu_seconds, pid) - before


async def _until_quiet(live: Sequence[SimulatedCall]) -> None:
    deadline = time.monotonic() + _OPENING_SECONDS
    while time.monotonic() < deadline:
        now = time.monotonic()
        if all(call.live for call in live) and all(
            call.heard and now - call.heard[-1].at > _QUIET_SECONDS and call.queued_seconds == 0 for call in live
        ):
            return
        await asyncio.sleep(0.05)
    raise Unavailable("the silent calls did not come to rest after their opening")
