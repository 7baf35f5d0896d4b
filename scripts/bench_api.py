"""What the API costs: a keyed GET at a steady rate beside a bare route, and onboarding among a thousand tenants.

Writes build/bench-api.json and exits with 1 where a bound is missed: `make bench-api`.
"""

import argparse
import asyncio
import copy
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from app.demo.children import Child, free_port
from app.kit.clock import SystemClock
from app.kit.embedded import EmbeddedServices
from app.kit.ids import new_id
from app.kit.mongo import Database

OPERATOR_KEY = "operator-key-of-the-bench"
RATE, SECONDS, CONNECTIONS = 200, 15, 40
BOUND_MS, BOUND_RATIO = 10.0, 2.0
TENANTS, AGENTS, REPEATS = 1_000, 100, 60
LANGUAGES = ["hi-IN", "en-IN"]


class Line:
    """One kept-alive connection that sends GETs and reads answers; cheaper than a client of many talents."""

    def __init__(self, port: int, path: str, key: str | None) -> None:
        self._port = port
        lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *([f"Authorization: Bearer {key}"] if key else []), "", ""]
        self._request = "\r\n".join(lines).encode()

    async def open(self) -> None:
        """Connects."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def get(self) -> None:
        """Sends the request and reads its answer."""
        self._writer.write(self._request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the server answered {head[:80]!r}")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await self._reader.readexactly(int(length.split(b":")[1]))


async def steady(port: int, path: str, key: str | None, seconds: float) -> list[float]:
    """Returns latencies in ms at RATE a second, each from the moment when its request was due."""
    free: asyncio.Queue[Line] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        line = Line(port, path, key)
        await line.open()
        free.put_nowait(line)
    found: list[float] = []

    async def one(due: float) -> None:
        line = await free.get()
        await line.get()
        found.append((time.perf_counter() - due) * 1_000)
        free.put_nowait(line)

    begin = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as group:
        for number in range(round(RATE * seconds)):
            due = begin + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(due))
    return found


def quantiles(found: list[float]) -> dict[str, float]:
    """Returns three quantiles, in ms."""
    cuts = statistics.quantiles(found, n=100)
    return {"p50_ms": round(cuts[49], 2), "p95_ms": round(cuts[94], 2), "p99_ms": round(cuts[98], 2)}


def serve_bare(port: int) -> None:
    """The least that a FastAPI route costs here, served as ours is."""
    app = FastAPI()

    @app.get("/bare")
    async def bare() -> dict[str, str]:
        return {"status": "ok"}

    uvicorn.run(app, host="127.0.0.1", port=port, log_config=None, access_log=False)


async def median_ms(work: Callable[[int], Awaitable[Any]]) -> float:
    """Returns the median of some repetitions, one after the other."""
    found = []
    for number in range(REPEATS):
        began = time.perf_counter()
        await work(number)
        found.append((time.perf_counter() - began) * 1_000)
    return round(statistics.median(found), 2)


class Office:
    """Onboards and looks up over REST."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ok(self, method: str, path: str, key: str, **options: Any) -> Any:
        """Returns the answer of a request that must succeed."""
        answer = await self._http.request(method, path, headers={"Authorization": f"Bearer {key}"}, **options)
        answer.raise_for_status()
        return answer.json()

    async def onboard(self, number: int) -> tuple[str, str, str]:
        """Creates a tenant with an agent; returns the tenant's id, its key, and the agent's id."""
        body = {"name": f"Tenant {number}", "legal_entity": "Sundar Stores", "languages": LANGUAGES}
        tenant = await self.ok("POST", "/v1/tenants", OPERATOR_KEY, json=body)
        key = tenant["api_key"]["key"]
        agent = {"name": "Support", "entity_name": "Sundar", "languages": LANGUAGES, "default_language": "hi-IN"}
        made = await self.ok("POST", "/v1/agents", key, json=agent)
        return tenant["id"], key, made["id"]

    async def figures(self) -> dict[str, float]:
        """Returns what onboarding and look-ups take now."""
        _, key, agent_id = await self.onboard(0)
        return {
            "onboarding_ms": await median_ms(self.onboard),
            "agent_ms": await median_ms(lambda _: self.ok("GET", f"/v1/agents/{agent_id}", key)),
            "agents_list_ms": await median_ms(lambda _: self.ok("GET", "/v1/agents", key)),
            "calls_list_ms": await median_ms(lambda _: self.ok("GET", "/v1/calls", key)),
            "audit_list_ms": await median_ms(lambda _: self.ok("GET", "/v1/audit-entries", key)),
        }


async def crowd(mongodb_url: str, tenants: int, agents: int) -> None:
    """Fills the store with copies of a real tenant: its record, key, agents and audit entries."""
    database = await Database.connect(mongodb_url, "vaanisetu", SystemClock(), timeout_seconds=30)
    store = database.system("the bench fills the store with many tenants")
    patterns = {name: (await store.collection(name).find({}, limit=1))[0] for name in ("tenants", "api_keys", "agents")}
    for _ in range(tenants):
        tenant_id = new_id("tenant")
        tenant = {**copy.deepcopy(patterns["tenants"]), "_id": tenant_id}
        if "tenant_id" in tenant:
            tenant["tenant_id"] = tenant_id
        key_id = new_id("key")
        key = {**copy.deepcopy(patterns["api_keys"]), "_id": key_id, "tenant_id": tenant_id, "hmac": key_id}
        await store.collection("tenants").insert_one(tenant)
        await store.collection("api_keys").insert_one(key)
        made = [
            {**copy.deepcopy(patterns["agents"]), "_id": new_id("agent"), "tenant_id": tenant_id} for _ in range(agents)
        ]
        await store.collection("agents").insert_many(made)
    database.close()


async def measure(tenants: int, agents: int) -> dict[str, Any]:
    """Returns all figures; the server and the bare route have one core, the stores and this process the rest."""
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        stores = await exits.enter_async_context(EmbeddedServices(folder))
        port, bare_port = free_port(), free_port()
        given = {
            "MONGODB_URL": stores.mongodb_url,
            "REDIS_URL": stores.redis_url,
            "DATA_DIR": str(folder),
            "PORT": str(port),
            "OPERATOR_KEY": OPERATOR_KEY,
            "API_REQUESTS_PER_SECOND": "100000",
            "API_BURST": "1000000",
            "LOG_LEVEL": "WARNING",
        }
        server = Child("server", ["serve"], {f"VAANISETU_{key}": value for key, value in given.items()}, folder)
        exits.push_async_callback(server.stop)
        await server.answers(f"http://127.0.0.1:{port}/readyz", 600)
        os.sched_setaffinity(server.pid, {0})
        bare = await asyncio.create_subprocess_exec(sys.executable, __file__, "--bare", str(bare_port))
        exits.callback(bare.terminate)
        os.sched_setaffinity(bare.pid, {0})
        http = await exits.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60))
        office = Office(http)
        alone = await office.figures()
        _, key, agent_id = await office.onboard(1)
        await steady(port, "/v1/tenant", key, 2)
        keyed = quantiles(await steady(port, "/v1/tenant", key, SECONDS))
        agent = quantiles(await steady(port, f"/v1/agents/{agent_id}", key, SECONDS))
        await steady(bare_port, "/bare", None, 2)
        plain = quantiles(await steady(bare_port, "/bare", None, SECONDS))
        await crowd(stores.mongodb_url, tenants, agents)
        among = await office.figures()
        crowded = quantiles(await steady(port, "/v1/tenant", key, SECONDS))
    ratios = {name: round(among[name] / alone[name], 2) for name in alone}
    return {
        "rate_per_second": RATE,
        "keyed_get": keyed,
        "agent_get": agent,
        "bare_get": plain,
        "ratio_p95_to_bare": round(keyed["p95_ms"] / plain["p95_ms"], 2),
        "overhead_p95_ms": round(keyed["p95_ms"] - plain["p95_ms"], 2),
        "tenants": tenants,
        "agents_each": agents,
        "single_tenant": alone,
        "among_many": among,
        "among_many_keyed_get": crowded,
        "ratios": ratios,
        "holds": keyed["p95_ms"] - plain["p95_ms"] <= BOUND_MS and max(ratios.values()) <= BOUND_RATIO,
    }


def main() -> None:
    """Measures, writes and judges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--tenants", type=int, default=TENANTS)
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--out", type=Path, default=Path("build/bench-api.json"))
    options = parser.parse_args()
    if options.bare:
        serve_bare(options.bare)
        return
    found = asyncio.run(measure(options.tenants, options.agents))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))
    if not found["holds"]:
        raise SystemExit("a bound is missed")


if __name__ == "__main__":
    main()
