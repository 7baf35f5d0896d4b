"""The doors of languages: what any key holder sees, and what only the operator may do."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from redis.asyncio import Redis

from app.audit.log import AuditLog
from app.auth.service import KeyService
from app.dialogue.engine import DialogueEngine
from app.kit import problem
from app.kit.clock import SystemClock
from app.kit.crypto import MasterKey
from app.kit.mongo import Database
from app.kit.signals import Signals
from app.language.loader import PackRegistry
from app.language.packs import Pack
from app.languages import endpoints
from app.languages.mind import LiveMind, Mind
from app.languages.reload import PackReloads
from app.languages.speech import SpeechCoverage
from app.nlu.understander import Understander
from app.speech.asr.onnx_engine import STARTER_MODEL_DIR
from tests.languages.kannada import add_kannada

pytestmark = pytest.mark.integration

OPERATOR = "operator-key-of-the-tests"


def packs_only(registry: PackRegistry, models_dir: Path) -> Mind:
    return Mind(registry, cast(Understander, None), cast(DialogueEngine, None))


def trains_nothing(packs: tuple[Pack, ...], models_dir: Path) -> None:
    """Stands for the training process: these tests understand nothing."""


@pytest_asyncio.fixture
async def door(
    packs: Path, models_dir: Path, database: Database, redis_client: Redis
) -> AsyncIterator[tuple[httpx.AsyncClient, str, PackReloads]]:
    """A client, a tenant's key without any scope for languages, and the reloads behind the doors."""
    live = LiveMind(packs_only(PackRegistry.open(packs), models_dir))
    clock = SystemClock()
    keys = KeyService(database, MasterKey("master-key-of-the-tests"), AuditLog(database, clock), OPERATOR, clock)
    _, secret = await keys.create("tenant_1", "operator", "calls only", scopes=frozenset({"calls:read"}))
    app = FastAPI()
    problem.install(app)
    app.include_router(endpoints.router, prefix="/v1")
    app.state.services, app.state.mind = SimpleNamespace(keys=keys, limits=None), live
    app.state.reloads = PackReloads(live, models_dir, Signals(redis_client), train=trains_nothing, make=packs_only)
    app.state.speech_coverage = SpeechCoverage(STARTER_MODEL_DIR)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client, secret, app.state.reloads
        await app.state.reloads.settled()


Door = tuple[httpx.AsyncClient, str, PackReloads]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def test_any_key_sees_the_languages_and_nobody_else(door: Door) -> None:
    client, secret, _ = door
    assert (await client.get("/v1/languages")).status_code == 401
    assert (await client.get("/v1/languages", headers=bearer("vs_live_nonsense"))).status_code == 401
    for key in (secret, OPERATOR):
        answer = await client.get("/v1/languages", headers=bearer(key))
        assert answer.status_code == 200
        english, hindi = answer.json()["data"]
    assert (english["tag"], hindi["tag"]) == ("en-IN", "hi-IN")
    assert hindi["scripts"] == ["Deva", "Latn"] and hindi["grade"] in "ABC" and len(hindi["version"]) == 12
    assert {d["key"] for d in hindi["disclosures"]} >= {"entity", "ai", "recording", "opt_out_confirmation"}
    assert all(d["approved_by"] and d["approved_on"] for d in hindi["disclosures"])
    assert hindi["speech"]["voice_available"] and hindi["speech"]["recognised"] is True
    assert hindi["tests"] >= 38 * 6 and hindi["examples"] >= 38 * 12


async def test_only_the_operator_reloads(door: Door) -> None:
    client, secret, _ = door
    for headers in ({}, bearer(secret)):
        assert (await client.post("/v1/languages/reload", headers=headers)).status_code == 401
    answer = await client.post("/v1/languages/reload", headers=bearer(OPERATOR))
    assert answer.status_code == 202
    assert answer.json() == {"taken": {}, "unchanged": ["en-IN", "hi-IN"], "rejected": []}


async def test_a_change_shows_and_a_fault_is_told_with_its_line(door: Door, packs: Path) -> None:
    client, secret, reloads = door
    path = packs / "en-IN" / "errors.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("Please try again.", "Please try once more."), encoding="utf-8")
    (packs / "hi-IN" / "errors.yaml").write_text("internal_error: TODO\n", encoding="utf-8")
    answer = (await client.post("/v1/languages/reload", headers=bearer(OPERATOR))).json()
    assert list(answer["taken"]) == ["en-IN"]
    (rejected,) = answer["rejected"]
    assert rejected["tag"] == "hi-IN"
    assert rejected["problems"][0]["file"] == "errors.yaml" and rejected["problems"][0]["line"] == 1
    await reloads.settled()
    shown = (await client.get("/v1/languages", headers=bearer(secret))).json()["data"]
    assert shown[0]["version"] == answer["taken"]["en-IN"] and shown[1]["tag"] == "hi-IN"


async def test_a_new_folder_shows_among_the_languages(door: Door, packs: Path) -> None:
    client, secret, reloads = door
    add_kannada(packs)
    answer = await client.post("/v1/languages/reload", headers=bearer(OPERATOR))
    assert answer.status_code == 202 and list(answer.json()["taken"]) == ["kn-IN"], answer.text
    await reloads.settled()
    shown = (await client.get("/v1/languages", headers=bearer(secret))).json()["data"]
    assert [language["tag"] for language in shown] == ["en-IN", "hi-IN", "kn-IN"]
    assert shown[2]["scripts"][0] == "Knda" and shown[2]["version"] == answer.json()["taken"]["kn-IN"]
    assert all(d["approved_by"] for d in shown[2]["disclosures"])


async def test_another_contract_is_a_conflict(door: Door, packs: Path) -> None:
    client, _, _ = door
    (packs / "contract.yaml").write_text("version: 2\n", encoding="utf-8")
    answer = await client.post("/v1/languages/reload", headers=bearer(OPERATOR))
    assert answer.status_code == 409 and answer.json()["code"] == "packs_not_read"


def test_a_recogniser_that_cannot_be_read_covers_nothing_known(packs: Path, tmp_path: Path) -> None:
    view = SpeechCoverage(tmp_path).of(PackRegistry.open(packs).get("hi-IN"))
    assert view.recogniser is None and view.recognised is None and view.voice_available
