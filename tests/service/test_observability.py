"""Figures, traces, readiness and logs of the running service: true, joined, and without a word about a person."""

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from celery.contrib.testing.worker import start_worker
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.calls.events import CallEvent, CallEventKind
from app.calls.observing import CallMetrics, CallObserver
from app.integrations.http_calls import Endpoint, HttpCalls
from app.integrations.metrics import ToolMetrics
from app.integrations.tool_contracts import ToolContracts
from app.kit.clock import SystemClock
from app.kit.heartbeat import WORKER, Heartbeat
from app.kit.jobs import JobLoop, make_celery, register
from app.kit.queues import QUEUE, queue_names, queue_of
from app.kit.tracing import outgoing, span, within
from app.webhooks.service import DELIVER
from tests.service.whole import Whole, whole_service

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PHONE, WORDS = "+919812345678", "mera order kahan hai"
AT_A_TIME = 8
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="session")
def provider() -> TracerProvider:
    made = TracerProvider()
    trace.set_tracer_provider(made)
    return made


@pytest.fixture
def spans(provider: TracerProvider) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> AsyncIterator[Whole]:
    async with whole_service(tmp_path_factory.mktemp("observed"), models_dir, api_concurrency=AT_A_TIME) as running:
        yield running


async def figures(whole: Whole) -> dict[str, float]:
    text = (await whole.http.get("/metrics")).text
    rows = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in rows}


async def test_requests_are_counted_by_route_never_by_id(whole: Whole) -> None:
    tenant = await whole.tenant("Counted")
    agent = await tenant.agent()
    await tenant.ok("GET", f"/v1/agents/{agent['id']}")
    await tenant.ask("GET", "/v1/nothing/here")
    shown = await figures(whole)
    counted = 'vaanisetu_http_requests_total{method="GET",route="/v1/agents/{agent_id}",status="200"}'
    assert shown[counted] == 1.0
    assert shown['vaanisetu_http_requests_total{method="GET",route="unmatched",status="404"}'] >= 1.0
    assert not any(agent["id"] in name or tenant.id in name for name in shown)


async def test_everything_that_an_alert_needs_is_shown(whole: Whole) -> None:
    shown = {re.split(r"[{ ]", name)[0] for name in await figures(whole)}
    wanted = {
        "vaanisetu_calls_live",
        "vaanisetu_calls_spooled_total",
        "vaanisetu_jobs_waiting",
        "vaanisetu_reply_seconds_bucket",
        "vaanisetu_asr_batch_size_bucket",
        "vaanisetu_asr_queue_wait_seconds_bucket",
        "vaanisetu_asr_real_time_factor",
        "process_resident_memory_bytes",
    }
    assert wanted <= shown


async def test_the_depth_of_the_queues_is_read_from_redis(whole: Whole) -> None:
    redis = Redis.from_url(whole.stores.redis_url)
    name = queue_of({"tenant_id": "tenant_deep"})
    await redis.rpush(name, "a", "b", "c")
    shown = await figures(whole)
    assert shown['vaanisetu_jobs_waiting{kind="tenants"}'] == 3.0
    await redis.delete(name)
    await redis.aclose()


def test_tenants_are_spread_over_the_queues_and_stay_at_theirs() -> None:
    used = {queue_of({"tenant_id": f"tenant_{number}"}) for number in range(2_000)}
    assert used == set(queue_names()) - {QUEUE}
    assert queue_of({"tenant_id": "tenant_7"}) == queue_of({"tenant_id": "tenant_7", "call_id": "x"})
    assert queue_of({}) == QUEUE


async def test_a_request_joins_the_clients_trace_and_names_nobody(whole: Whole, spans: InMemorySpanExporter) -> None:
    tenant = await whole.tenant("Traced")
    spans.clear()
    await tenant.ok("GET", f"/v1/consents?phone={PHONE.replace('+', '%2B')}", headers={"traceparent": PARENT})
    (found,) = [item for item in spans.get_finished_spans() if item.name == "GET /v1/consents"]
    assert found.context is not None and f"{found.context.trace_id:032x}" == PARENT.split("-")[1]
    assert found.attributes is not None and found.attributes["vaanisetu.tenant_id"] == tenant.id
    assert PHONE.removeprefix("+") not in found.to_json()


async def test_a_call_is_one_trace_of_turns_and_stages_without_a_word(spans: InMemorySpanExporter) -> None:
    metrics = CallMetrics()
    observer = CallObserver(metrics, "tenant_a", "agent_a", "call_1")
    with within(observer.span):
        headers = await asyncio.create_task(_headers_of_a_tool())
    stages = {"endpoint": 300.0, "transcript": 20.0, "understanding": 5.0, "dialogue": 250.0, "synthesis": 40.0}
    said: dict[str, Any] = {"text": WORDS, "entities": [{"kind": "phone", "value": PHONE}], "stages_ms": stages}
    observer.take(CallEvent(CallEventKind.CALLER_TURN, 900, {**said, "intent": "order_status", "language": "hi-IN"}))
    observer.take(CallEvent(CallEventKind.AGENT_TURN, 950, {"text": WORDS, "reply_ms": 410.0}))
    observer.take(CallEvent(CallEventKind.TOOL, 950, {"tool": "order_status", "ok": True, "elapsed_ms": 120.0}))
    decided = {"trigger": "human_request", "heard": WORDS}
    observer.take(CallEvent(CallEventKind.ACTION, 960, {"action": "transfer", "escalation": decided}))
    observer.take(CallEvent(CallEventKind.ENDED, 990, {"reason": "caller_hung_up"}))
    made = {item.name: item for item in spans.get_finished_spans()}
    assert set(made) == {"call", "turn", "tool", "tool request", *stages}
    assert len({item.context.trace_id for item in made.values() if item.context}) == 1
    (call, turn) = (made["call"].context, made["turn"].context)
    assert call is not None and turn is not None and headers["traceparent"].split("-")[1] == f"{call.trace_id:032x}"
    assert all(made[stage].parent == turn for stage in stages)
    whole_trace = "".join(item.to_json() for item in made.values())
    assert WORDS not in whole_trace and PHONE not in whole_trace
    assert metrics.replies._sum.get() == pytest.approx(0.41)


async def _headers_of_a_tool() -> dict[str, str]:
    with span("tool request", {}):
        return outgoing()


class TenantsSystem:
    """A tenant's system that keeps the trace context of each request."""

    def __init__(self) -> None:
        self.carried: list[str | None] = []
        self.asked = threading.Event()

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.carried.append(request.headers.get("traceparent"))
        self.asked.set()
        return httpx.Response(404, json={})


async def test_a_request_its_job_and_the_tool_that_the_job_asks_are_one_trace(
    whole: Whole, spans: InMemorySpanExporter
) -> None:
    tenant, system = await whole.tenant("Chained"), TenantsSystem()
    hook = await tenant.ok(
        "POST", "/v1/webhook-endpoints", json={"url": "https://sundar.example/hook", "events": ["call.ended"]}
    )
    contract = ToolContracts.load().shipped("order_status")
    assert contract is not None
    endpoint = Endpoint(contract, "https://shop.example/orders/{order_id}", "https://shop.example", "GET")

    async def deliver(tenant_id: str, delivery_id: str) -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(system.answer)) as client:
            await HttpCalls(client, SystemClock(), ToolMetrics()).send(tenant_id, endpoint, {"order_id": "4512"})

    celery, loop = make_celery(whole.stores.celery_broker_url), JobLoop()
    loop.start()
    register(celery, loop, {DELIVER: deliver})
    spans.clear()
    try:
        with start_worker(celery, pool="solo", perform_ping_check=False, shutdown_timeout=30):
            await tenant.ok("POST", f"/v1/webhook-endpoints/{hook['id']}/test", headers={"traceparent": PARENT})
            assert await asyncio.to_thread(system.asked.wait, 60)
    finally:
        loop.stop()
    made = {item.name: item for item in spans.get_finished_spans()}
    asked, job, tool = (
        made["POST /v1/webhook-endpoints/{endpoint_id}/test"],
        made[f"job {DELIVER}"],
        made["tool request"],
    )
    assert asked.context is not None and job.context is not None and tool.context is not None
    assert f"{asked.context.trace_id:032x}" == PARENT.split("-")[1]
    assert job.parent is not None and job.parent.span_id == asked.context.span_id
    assert tool.parent is not None and tool.parent.span_id == job.context.span_id
    assert set(system.carried) == {f"00-{tool.context.trace_id:032x}-{tool.context.span_id:016x}-01"}


async def test_readiness_tells_of_workers_without_refusing_calls(whole: Whole) -> None:
    answer = await whole.http.get("/readyz")
    assert answer.status_code == 200 and answer.json()["workers"].startswith("degraded")
    redis = Redis.from_url(whole.stores.redis_url)
    beating = asyncio.create_task(Heartbeat(redis, WORKER).run())
    async with asyncio.timeout(30):
        while True:
            if (await whole.http.get("/readyz")).json()["workers"] == "ok":
                break
            await asyncio.sleep(0.05)
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    assert (await whole.http.get("/readyz")).json()["workers"].startswith("degraded"), "one that leaves says so"
    await redis.aclose()


async def test_a_tenant_is_served_no_more_requests_at_a_time_than_its_share(whole: Whole) -> None:
    noisy = await whole.tenant("Crowd")
    answers = await asyncio.gather(*(noisy.ask("GET", "/v1/agents") for _ in range(10 * AT_A_TIME)))
    seen = Counter(answer.status_code for answer in answers)
    assert set(seen) == {200, 429} and seen[200] >= AT_A_TIME
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "too_many_at_once" and refused.headers["retry-after"] == "1"
    assert (await noisy.ask("GET", "/v1/agents")).status_code == 200, "its places are free again"


async def test_logs_of_requests_hold_ids_and_nothing_of_what_was_sent(whole: Whole) -> None:
    tenant = await whole.tenant("Logged")
    agent = await tenant.agent()
    with capture_logs() as logs:
        bodies: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/v1/suppressions", {"phone": PHONE, "reason": WORDS}),
            ("POST", f"/v1/agents/{agent['id']}/understand", {"text": WORDS, "language": "hi-IN"}),
            ("POST", "/v1/suppressions", {"phone": PHONE, "wrong": WORDS}),
            ("POST", "/v1/members", {"email": "meena@sundar.example", "name": "Meena", "role": "agent"}),
        ]
        answers: list[httpx.Response] = [await tenant.ask(method, path, json=body) for method, path, body in bodies]
        await whole.http.get("/v1/tenant", headers={"Authorization": f"Bearer {tenant.key[:-1]}x"})
    assert [answer.status_code for answer in answers][:2] == [201, 200]
    kept = json.dumps([{key: value for key, value in entry.items() if not key.startswith("pii")} for entry in logs])
    for personal in (PHONE, WORDS, "meena@sundar.example", tenant.key, tenant.key[:-1]):
        assert personal not in kept
