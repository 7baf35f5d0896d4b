"""Ten thousand updates, shuffled, repeated, while the worker is killed and the stores restart: nothing goes astray."""

import asyncio
import contextlib
import os
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.demo.children import Child, free_port
from app.kit.clock import SystemClock
from app.kit.embedded import EmbeddedServices, celery_url
from app.kit.jobs import CeleryJobs, make_celery
from app.kit.mongo import Collection, Database
from app.simulate.graph import GraphConfig, Weather
from app.simulate.whatsapp_rooms import ANSWER
from tests.house import ACCESS_TOKEN, APP_SECRET, OPERATOR_KEY, PHONE_NUMBER_ID, VERIFY_TOKEN
from tests.standins.graph import StrictGraph, served
from whatsapp.tasks import SWEEP

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(3_600)]
UPDATES = int(os.environ.get("VAANISETU_CHAOS_UPDATES", "10000"))
EACH = 4  # one message, and three statuses of its answer
CUSTOMERS = 50
KILLS = 5
ROOMS = "app.simulate.whatsapp_rooms"
PATIENCE_SECONDS = 3_600
WEATHER = Weather(lost=0.02, unavailable=0.01, duplicates=0.3, reordered=0.4, batch=20)


@dataclass
class Trial:
    """The service in processes, Meta beside it, and what may befall them."""

    stores: EmbeddedServices
    graph: StrictGraph
    database: Database
    environment: dict[str, str]
    folder: Path
    tenant_id: str
    worker: Child
    kills: int = 0

    def rows(self, name: str) -> Collection:
        return self.database.tenant(self.tenant_id).collection(name)

    async def kill_worker(self) -> None:
        self.worker._process.kill()
        await asyncio.to_thread(self.worker._process.wait)
        self.kills += 1
        self.worker = worker_of(self.environment, self.folder, self.kills)

    async def restart_store(self, name: str) -> None:
        """Kills a store; its keeper starts it again with what was on disk."""
        self.stores._children[name].kill()
        async with asyncio.timeout(120):
            while self.stores.dead():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def unfinished(self) -> str | None:
        """Returns what is still to be done, None if nothing is."""
        raw = self.database.system("the trial looks at webhooks").collection("whatsapp_webhooks")
        waiting = await raw.count({"state": "received"})
        told = self.graph._updates.qsize()
        rows = Counter([row["state"] for row in await all_of(self.rows("whatsapp_outbox"), {})])
        arrived = rows["read"] + await self.unreached()
        if waiting or told or arrived < UPDATES // EACH:
            return f"{waiting} webhooks, {told} updates, {dict(rows)}"
        return None

    async def unreached(self) -> int:
        """Returns how many died in a worker's hands as it called Meta, who never saw them: nobody can know that."""
        seen = {request["biz_opaque_callback_data"] for request in self.graph.state.requests}
        unknown = await all_of(self.rows("whatsapp_outbox"), {"state": "unknown"})
        return sum(row["_id"] not in seen for row in unknown)


def worker_of(environment: dict[str, str], folder: Path, number: int) -> Child:
    return Child(f"worker-{number}", ["worker"], environment, folder, module=ROOMS)


async def all_of(collection: Collection, query: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    last: str | None = None
    while True:
        page = await collection.page(query, 100, last)
        found += page.data
        if not page.has_more:
            return found
        last = page.data[-1]["_id"]


@contextlib.asynccontextmanager
async def trial(folder: Path) -> AsyncIterator[Trial]:
    async with contextlib.AsyncExitStack() as exits:
        stores = await exits.enter_async_context(EmbeddedServices(folder / "stores"))
        port = free_port()
        base = f"http://127.0.0.1:{port}"
        graph = StrictGraph(GraphConfig({PHONE_NUMBER_ID: ACCESS_TOKEN}, APP_SECRET, f"{base}/v1/whatsapp/webhook"))
        url = await exits.enter_async_context(served(graph.app))
        given = {
            "environment": "test",
            "mongodb_url": stores.mongodb_url,
            "redis_url": stores.redis_url,
            "data_dir": str(folder),
            "port": str(port),
            "operator_key": OPERATOR_KEY,
            "master_key": "master-key-of-the-trial",
            "graph_api_url": url,
            "log_level": "WARNING",
        }
        environment = {f"VAANISETU_{name.upper()}": value for name, value in given.items()}
        server = Child("server", ["serve"], environment, folder, module=ROOMS)
        exits.push_async_callback(server.stop)
        await server.answers(f"{base}/readyz", 300)
        database = await Database.connect(stores.mongodb_url, "vaanisetu", SystemClock(), timeout_seconds=120)
        exits.callback(database.close)
        tenant_id = await tenant(base)
        found = Trial(stores, graph, database, environment, folder, tenant_id, worker_of(environment, folder, 0))
        exits.push_async_callback(lambda: found.worker.stop())
        yield found


async def tenant(base: str) -> str:
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:

        async def ok(method: str, path: str, key: str, body: dict[str, Any]) -> Any:
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": secrets.token_hex(12)}
            answer = await client.request(method, path, json=body, headers=headers)
            assert answer.is_success, answer.text
            return answer.json()

        names = {"name": "Sundar", "legal_entity": "Sundar Stores", "languages": ["hi-IN", "en-IN"]}
        made = await ok("POST", "/v1/tenants", OPERATOR_KEY, names)
        account = {
            "phone_number_id": PHONE_NUMBER_ID,
            "access_token": ACCESS_TOKEN,
            "app_secret": APP_SECRET,
            "verify_token": VERIFY_TOKEN,
        }
        await ok("PUT", "/v1/credentials/whatsapp", made["api_key"]["key"], account)
        return str(made["id"])


async def write(graph: StrictGraph, dice: random.Random, messages: int) -> list[str]:
    """People write, and read what comes back; returns what they wrote."""
    written = []
    for number in range(messages):
        wa_id = f"9198{dice.randrange(CUSTOMERS):08d}"
        graph.customer_writes(PHONE_NUMBER_ID, wa_id, f"message {number}")
        written.append(f"message {number}")
        if number % 20 == 0:
            graph.customer_reads(wa_id)
            await asyncio.sleep(0.2)
    return written


async def befall(found: Trial, dice: random.Random) -> None:
    """Kills the worker five times, and each store once, while messages are answered."""
    answers = len(found.graph.state.requests)
    for blow in ("worker", "redis", "worker", "mongo", "worker", "worker", "worker"):
        answers += UPDATES // EACH // (KILLS + 4)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found.graph.state.requests) < answers:
                found.worker.require_alive()
                await asyncio.sleep(0.1)
        await asyncio.sleep(dice.uniform(0, 0.5))
        await (found.kill_worker() if blow == "worker" else found.restart_store(blow))


async def finished(found: Trial) -> None:
    """Waits until everything is done, while people read and the sweep comes round."""
    jobs = CeleryJobs(make_celery(celery_url(found.stores.redis_url)))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await found.unfinished() is not None:
            for wa_id in list(found.graph.state.phones):
                found.graph.customer_reads(wa_id)
            await jobs.enqueue(SWEEP, {})
            found.worker.require_alive()
            await asyncio.sleep(5)


async def test_nothing_is_lost_doubled_or_split(tmp_path: Path) -> None:
    dice = random.Random(7)
    async with trial(tmp_path) as found:
        found.graph.sky.weather = WEATHER
        writing = asyncio.create_task(write(found.graph, dice, UPDATES // EACH))
        await befall(found, dice)
        written = await writing
        await finished(found)
        await judge(found, written)
    assert found.kills == KILLS


async def judge(found: Trial, written: list[str]) -> None:
    graph = found.graph
    assert graph.violations == [], "no message left a second time after it was taken"
    messages = await all_of(found.rows("messages"), {})
    inbound = Counter(message["provider_id"] for message in messages if message["direction"] == "inbound")
    on_phones = [bubble for phone in graph.state.phones.values() for bubble in phone]
    assert inbound == Counter(bubble.wamid for bubble in on_phones if not bubble.from_business), "each once, none lost"
    assert all(message["handled"] for message in messages if message["direction"] == "inbound")
    answers = Counter(bubble.text for bubble in on_phones if bubble.from_business)
    assert answers <= Counter(f"{ANSWER}{text}" for text in written), "no message is answered twice"
    unreached = await found.unreached()
    assert answers.total() + unreached == len(written) and unreached <= KILLS, "every message is answered"
    rows = await all_of(found.rows("whatsapp_outbox"), {})
    told = {row["wamid"]: row["state"] for row in rows if row["wamid"] is not None}
    assert told == dict(graph.state.progress), "states are as Meta told last"
    assert len(rows) == len(told) + unreached == len(written)
    outbound = Counter(message["outbox_id"] for message in messages if message["direction"] == "outbound")
    assert outbound == Counter(row["_id"] for row in rows), "each answer is shown once"
    conversations = await all_of(found.rows("conversations"), {})
    contacts = Counter(one["contact_id"] for one in conversations if one["status"] != "closed")
    assert set(contacts.values()) == {1} and len(contacts) == len(graph.state.phones)
    assert await found.rows("whatsapp_parked_items").count({}) == 0
