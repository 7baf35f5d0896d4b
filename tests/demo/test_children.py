import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from app.demo.children import Child, free_port
from app.demo.gauge import cpu_seconds, memory_mb
from app.errors import ConfigError

pytestmark = pytest.mark.integration


def test_a_port_in_use_is_replaced() -> None:
    port = free_port()
    assert free_port(port) == port
    import socket

    with socket.create_server(("127.0.0.1", port)):
        assert free_port(port) != port


async def test_a_child_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = Child("worker", ["worker", "--concurrency", "none"], {}, tmp_path)
    with pytest.raises(ConfigError, match=r"(?s)the worker ended \(status 2\).*concurrency"):
        await child.answers("http://127.0.0.1:9/readyz", 20)
    await child.stop()


async def test_a_child_that_does_its_work_succeeds(tmp_path: Path) -> None:
    child = Child("list", ["call", "--list"], {}, tmp_path)
    await child.succeeds(30)
    assert "barge-in" in child.log.read_text() and not child.alive


@pytest.mark.skipif(sys.platform != "linux", reason="Linux ends children with their parent")
def test_a_killed_parent_takes_its_child_along(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from app.demo.children import Child\n"
        "child = Child('slow', ['asr', 'transcribe', sys.argv[2]], {}, Path(sys.argv[1]))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    fifo = tmp_path / "never.wav"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), str(fifo)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        time.sleep(0.5)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_cost_is_measured_of_living_processes(tmp_path: Path) -> None:
    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) <= before:
        sum(number * number for number in range(300_000))
    fifo = tmp_path / "never.wav"
    os.mkfifo(fifo)
    child = Child("server", ["asr", "transcribe", str(fifo)], {}, tmp_path)
    try:
        assert memory_mb(child)["server"] > 0
    finally:
        await child.stop()
