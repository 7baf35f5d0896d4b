"""One key, one execution."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from app.errors import Conflict, Unavailable, Unprocessable
from app.kit import idempotency
from app.kit.crypto import MasterKey
from app.kit.idempotency import Idempotency, IdempotencyKey, Outcome
from app.kit.mongo import Database
from app.kit.vault import Vault

pytestmark = pytest.mark.integration

KEY = "5f0c2b1e-key"


class TurnedClock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + self.ahead

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Work:
    def __init__(self) -> None:
        self.times = 0

    async def __call__(self) -> Outcome:
        self.times += 1
        return Outcome(201, {"id": f"call_{self.times}", "key.with$dots": [1, None, "हाँ"]})


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def once(database: Database, clock: TurnedClock) -> Idempotency:
    database.clock = clock
    return Idempotency(database, Vault(database, MasterKey("m")))


async def test_a_repetition_gets_the_first_answer(database: Database, once: Idempotency) -> None:
    work, store = Work(), database.tenant("ten_a")
    first = await once.run(store, KEY, "mark", work)
    second = await once.run(store, KEY, "mark", work)
    assert (work.times, first.replayed, second.replayed) == (1, False, True)
    assert (second.status, second.body) == (first.status, first.body)


async def test_other_parameters_are_refused(database: Database, once: Idempotency) -> None:
    work, store = Work(), database.tenant("ten_a")
    await once.run(store, KEY, "mark", work)
    with pytest.raises(Unprocessable) as caught:
        await once.run(store, KEY, "another mark", work)
    assert caught.value.code == "idempotency_key_reused"
    assert work.times == 1


async def test_keys_are_the_tenants_own(database: Database, once: Idempotency) -> None:
    work = Work()
    await once.run(database.tenant("ten_a"), KEY, "mark", work)
    outcome = await once.run(database.tenant("ten_b"), KEY, "mark", work)
    assert (outcome.body["id"], outcome.replayed) == ("call_2", False)


async def test_concurrent_repetitions_are_carried_out_once(database: Database, once: Idempotency) -> None:
    work, store, gate = Work(), database.tenant("ten_a"), asyncio.Event()

    async def slow() -> Outcome:
        await gate.wait()
        return await work()

    async def release() -> None:
        await asyncio.sleep(0.1)
        gate.set()

    *outcomes, _ = await asyncio.gather(*(once.run(store, KEY, "mark", slow) for _ in range(5)), release())
    assert work.times == 1
    assert sorted(outcome.replayed for outcome in outcomes if outcome) == [False, True, True, True, True]


async def test_a_long_first_request_makes_the_second_a_conflict(
    database: Database, once: Idempotency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_WAIT_SECONDS", 0.1)
    store, gate = database.tenant("ten_a"), asyncio.Event()

    async def slow() -> Outcome:
        await gate.wait()
        return Outcome(200, {})

    first = asyncio.create_task(once.run(store, KEY, "mark", slow))
    await asyncio.sleep(0.05)
    with pytest.raises(Conflict) as caught:
        await once.run(store, KEY, "mark", Work())
    assert caught.value.code == "idempotency_in_progress"
    gate.set()
    assert (await first).status == 200


async def test_a_failed_request_frees_its_key(database: Database, once: Idempotency) -> None:
    store, work = database.tenant("ten_a"), Work()

    async def fail() -> Outcome:
        raise Unavailable("carrier away")

    with pytest.raises(Unavailable):
        await once.run(store, KEY, "mark", fail)
    assert (await once.run(store, KEY, "mark", work)).replayed is False


async def test_a_claim_whose_process_died_is_taken_over(
    database: Database, once: Idempotency, clock: TurnedClock
) -> None:
    store, gate = database.tenant("ten_a"), asyncio.Event()

    async def stuck() -> Outcome:
        await gate.wait()
        return Outcome(500, {})

    first = asyncio.create_task(once.run(store, KEY, "mark", stuck))
    await asyncio.sleep(0.05)
    clock.ahead = timedelta(seconds=61)
    assert (await once.run(store, KEY, "mark", Work())).status == 201
    gate.set()
    await first
    assert (await once.run(store, KEY, "mark", Work())).status == 201


async def test_after_a_day_the_key_is_fresh_and_swept(
    database: Database, once: Idempotency, clock: TurnedClock
) -> None:
    store, work = database.tenant("ten_a"), Work()
    await once.run(store, KEY, "mark", work)
    await once.run(store, "another-key", "mark", work)
    clock.ahead = timedelta(hours=24, seconds=1)
    assert (await once.run(store, KEY, "other mark", work)).replayed is False
    assert await once.sweep() == 1


async def test_what_is_kept_cannot_be_read_in_the_store(database: Database, once: Idempotency) -> None:
    store = database.tenant("ten_a")

    async def show_secret() -> Outcome:
        return Outcome(201, {"key": "vs_live_secret"})

    await once.run(store, KEY, "mark", show_secret)
    assert "vs_live_secret" not in repr(await store.collection("idempotency").find({}))


async def test_over_http_the_second_response_says_that_it_is_a_replay(database: Database, once: Idempotency) -> None:
    app, work = FastAPI(), Work()

    @app.post("/calls")
    async def place(request: Request, key: IdempotencyKey = None) -> JSONResponse:
        return await once.respond(request, database.tenant("ten_a"), key, work)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        headers = {"Idempotency-Key": KEY}
        answers = [await client.post("/calls", json={"to": "+91"}, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true"]
        assert answers[0].json() == answers[1].json()
        assert (await client.post("/calls", json={}, headers={"Idempotency-Key": "short"})).status_code == 422
        assert (await client.post("/calls", json={})).json()["id"] == "call_2"
