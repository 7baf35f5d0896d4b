"""What WhatsApp costs: webhooks at a steady rate on one core, a batch of a thousand, and how soon the worker is done.

Server, worker, store and Redis share one core; this process, which plays Meta, has the others. Half of the updates are
messages to conversations that people own, half statuses of what was sent. Writes build/bench-whatsapp.json and exits
with 1 where a bound is missed: `make bench-whatsapp`.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.demo.children import Child, free_port
from app.kit.clock import SystemClock
from app.kit.embedded import EmbeddedServices
from app.kit.mongo import Database
from app.simulate.graph import GraphConfig, GraphStandIn
from app.simulate.hosting import Hosted

OPERATOR_KEY = "operator-key-of-the-bench"
NUMBER, TOKEN, SECRET, VERIFY = "106540352242922", "EAAG-token-of-the-bench", "secret-of-the-bench", "verify-the-bench"
RATE, SECONDS, CUSTOMERS, SENT, BATCH = 50, 30, 50, 100, 1_000
ACK_P95_MS, BATCH_ACK_MS = 50.0, 1_000.0
ROOMS = "app.simulate.whatsapp_rooms"
STATES = ("sent", "delivered", "read")


class Bench:
    """Meta and the people who write, against a service that runs on one core."""

    def __init__(self, base: str, database: Database, graph: GraphStandIn) -> None:
        self._http = httpx.AsyncClient(base_url=base, timeout=60)
        self._raw = database.system("the bench counts webhooks").collection("whatsapp_webhooks")
        self._graph = graph
        self._count = 0

    async def ok(self, method: str, path: str, key: str, **options: Any) -> Any:
        """Returns the answer of a request that must succeed."""
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": secrets.token_hex(12)}
        answer = await self._http.request(method, path, headers=headers, **options)
        answer.raise_for_status()
        return answer.json()

    def message(self) -> dict[str, Any]:
        """Returns the next inbound text."""
        self._count += 1
        now = datetime.now(UTC)
        sender = f"9198{self._count % CUSTOMERS:08d}"
        self._graph.state.last_inbound[NUMBER, sender] = now
        body = {"body": f"where is my order number {self._count}?"}
        return {
            "from": sender,
            "id": f"wamid.IN{self._count}",
            "timestamp": str(int(now.timestamp())),
            "type": "text",
            "text": body,
        }

    async def post(self, **value: Any) -> float:
        """Posts one webhook and returns how long the answer took, in ms."""
        raw = self._graph.webhook(NUMBER, **value)
        headers = {"X-Hub-Signature-256": self._graph.signature(raw), "Content-Type": "application/json"}
        began = time.perf_counter()
        answer = await self._http.post("/v1/whatsapp/webhook", content=raw, headers=headers)
        answer.raise_for_status()
        return (time.perf_counter() - began) * 1_000

    async def finished(self) -> float:
        """Waits until the worker has worked off every webhook; returns the seconds that took."""
        began = time.perf_counter()
        while await self._raw.count({"state": "received"}):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return round(time.perf_counter() - began, 2)

    async def sent(self, key: str) -> list[str]:
        """Has people answer customers; returns the ids that Meta gave the answers."""
        for _ in range(CUSTOMERS):
            await self.post(messages=[self.message()])
        await self.finished()
        page = await self.ok("GET", "/v1/conversations?limit=100", key)
        for number in range(SENT):
            place = f"/v1/conversations/{page['data'][number % CUSTOMERS]['id']}/messages"
            await self.ok("POST", place, key, json={"text": f"We look into it, reference {number}."})
        while len(self._graph.state.requests) < CUSTOMERS + SENT:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        shown = [bubble for phone in self._graph.state.phones.values() for bubble in phone if bubble.from_business]
        return [bubble.wamid for bubble in shown]

    async def steady(self, rate: int, seconds: int, wamids: list[str]) -> tuple[list[float], float]:
        """Posts at a steady rate; returns latencies in ms, from when each was due, and the backlog's seconds."""
        statuses = [
            {"id": wamid, "status": state, "timestamp": str(int(time.time())), "recipient_id": "919800000000"}
            for state in STATES
            for wamid in wamids
        ]
        found: list[float] = []

        async def one(number: int, due: float) -> None:
            if number % 2:
                await self.post(statuses=[statuses[number // 2 % len(statuses)]])
            else:
                await self.post(messages=[self.message()])
            found.append((time.perf_counter() - due) * 1_000)

        begin = time.perf_counter() + 0.05
        async with asyncio.TaskGroup() as group:
            for number in range(rate * seconds):
                due = begin + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(number, due))
        return found, await self.finished()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()


def pinned(pids: list[int], core: int) -> None:
    """Puts processes, their children and all their threads on one core."""
    for pid in pids:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for member in family:
            for thread in member.threads():
                os.sched_setaffinity(thread.id, {core})
            os.sched_setaffinity(member.pid, {core})


async def started(exits: AsyncExitStack) -> tuple[Bench, str, list[int]]:
    """Starts everything and seeds a tenant; returns the bench, the tenant's key, and the processes of the service."""
    folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
    before = {child.pid for child in psutil.Process().children()}
    stores = await exits.enter_async_context(EmbeddedServices(folder))
    graph = GraphStandIn(GraphConfig({NUMBER: TOKEN}, SECRET, None))
    graph_at = await exits.enter_async_context(Hosted(graph.app))
    port = free_port()
    given = {
        "MONGODB_URL": stores.mongodb_url,
        "REDIS_URL": stores.redis_url,
        "DATA_DIR": str(folder),
        "PORT": str(port),
        "OPERATOR_KEY": OPERATOR_KEY,
        "GRAPH_API_URL": graph_at.url,
        "LOG_LEVEL": "WARNING",
    }
    environment = {f"VAANISETU_{key}": value for key, value in given.items()}
    server = Child("server", ["serve"], environment, folder, module=ROOMS)
    exits.push_async_callback(server.stop)
    await server.answers(f"http://127.0.0.1:{port}/readyz", 180)
    worker = Child("worker", ["worker"], environment, folder, module=ROOMS)
    exits.push_async_callback(worker.stop)
    database = await Database.connect(stores.mongodb_url, "vaanisetu", SystemClock(), timeout_seconds=30)
    exits.callback(database.close)
    bench = Bench(f"http://127.0.0.1:{port}", database, graph)
    exits.push_async_callback(bench.aclose)
    body = {"name": "Bench", "legal_entity": "Sundar Stores", "languages": ["hi-IN", "en-IN"]}
    key = (await bench.ok("POST", "/v1/tenants", OPERATOR_KEY, json=body))["api_key"]["key"]
    account = {"phone_number_id": NUMBER, "access_token": TOKEN, "app_secret": SECRET, "verify_token": VERIFY}
    await bench.ok("PUT", "/v1/credentials/whatsapp", key, json=account)
    ours = [child.pid for child in psutil.Process().children() if child.pid not in before]
    return bench, key, ours


async def measure(rate: int, seconds: int) -> dict[str, Any]:
    """Returns all figures."""
    async with AsyncExitStack() as exits:
        bench, key, ours = await started(exits)
        wamids = await bench.sent(key)
        pinned(ours, 0)
        os.sched_setaffinity(0, set(range(1, os.cpu_count() or 1)) or {0})
        await bench.steady(rate, 2, wamids)
        before = _busy_seconds(ours)
        found, backlog = await bench.steady(rate, seconds, wamids)
        after = _busy_seconds(ours)
        batch_ack = await bench.post(messages=[bench.message() for _ in range(BATCH)])
        batch_done = await bench.finished()
    cuts = statistics.quantiles(found, n=100)
    return {
        "rate_per_second": rate,
        "seconds": seconds,
        "acknowledged_p50_ms": round(cuts[49], 1),
        "acknowledged_p95_ms": round(cuts[94], 1),
        "acknowledged_p99_ms": round(cuts[98], 1),
        "worker_done_after_seconds": backlog,
        "cpu_ms_per_update": {
            name: round((after[name] - before[name]) * 1_000 / (rate * seconds), 1) for name in after
        },
        "batch": BATCH,
        "batch_acknowledged_ms": round(batch_ack, 1),
        "batch_done_after_seconds": batch_done,
        "load_average": os.getloadavg()[0],
        "holds": cuts[94] <= ACK_P95_MS and batch_ack <= BATCH_ACK_MS and backlog <= seconds,
    }


def _busy_seconds(pids: list[int]) -> dict[str, float]:
    """Returns what each part of the service has used of its core, in seconds, and their sum."""
    found = dict.fromkeys(("server", "worker", "store", "redis"), 0.0)
    for pid in pids:
        for member in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            line = " ".join(member.cmdline())
            name = next((part for part in ("worker", "redis", "mongo") if part in line), "server")
            found[{"mongo": "store"}.get(name, name)] += sum(member.cpu_times()[:2])
    return {**found, "whole": sum(found.values())}


def main() -> None:
    """Measures, writes and judges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--out", type=Path, default=Path("build/bench-whatsapp.json"))
    options = parser.parse_args()
    found = asyncio.run(measure(options.rate, options.seconds))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))
    if not found["holds"]:
        raise SystemExit("a bound is missed")


if __name__ == "__main__":
    main()
