"""The tools of a conversation, against a tenant's system over HTTP: verified, once, shared, kept, and never twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
import pytest_asyncio
import structlog

from app.audit.log import AuditLog
from app.dialogue.agents import Caller, ChannelKind
from app.dialogue.speculation import CommitNeeded, ReadOnly
from app.dialogue.verification import Factor, FactorCheck
from app.errors import Unavailable
from app.integrations.caller_tools import CallerTools
from app.integrations.callers import same_value
from app.integrations.ledger import COLLECTION as WRITES
from app.integrations.ledger import WriteLedger
from app.integrations.tool_contracts import ToolContracts
from app.simulate.orders import demo_orders
from app.simulate.orders_system import Fault, FaultKind, TenantSystem, demo_system
from tests.house import House, TenantDoor
from tests.standins.graph import served

pytestmark = pytest.mark.integration

TODAY = date(2026, 11, 21)
KNOWN = "+919876500001"
TOKEN = "bearer-token-of-the-shop"
ALL = {name: {} for name in ToolContracts.load().names}
CALL = Caller(KNOWN, "call_1")


@dataclass
class Line:
    """A tenant with an agent whose tools reach a stand-in."""

    house: House
    tenant: TenantDoor
    system: TenantSystem
    agent_id: str

    async def tools(self, caller: Caller = CALL) -> CallerTools:
        agent = await self.house.services.agents.get(self.tenant.tenant_id, self.agent_id)
        return await self.house.services.tools.tools_of(agent, caller)

    async def writes(self) -> list[dict[str, Any]]:
        rows = self.house.services.database.tenant(self.tenant.tenant_id).collection(WRITES)
        return await rows.find({})

    async def was_asked(self) -> bool:
        return bool(self.system.seen)

    async def is_done(self) -> bool:
        return [row["state"] for row in await self.writes()] == ["done"]

    async def make_due(self) -> None:
        rows = self.house.services.database.tenant(self.tenant.tenant_id).collection(WRITES)
        past = datetime.now(UTC) - timedelta(seconds=1)
        await rows.update_many({"state": {"$in": ["started", "unknown"]}}, {"$set": {"next_at": past}})

    async def audited(self) -> list[dict[str, Any]]:
        entries = await self.house.services.audit.entries(self.tenant.tenant_id)
        return [{"actor": entry.actor, **entry.data} for entry in entries if entry.action == "tool.written"]


async def new_line(house: House, system: TenantSystem, base: str, **agent: Any) -> Line:
    tenant = await house.tenant()
    await tenant.ok("PUT", "/v1/credentials/tools", json={"base_url": base, "bearer_token": TOKEN})
    created = await tenant.agent(**{"tools": ALL, **agent})
    return Line(house, tenant, system, created["id"])


@pytest_asyncio.fixture
async def system() -> AsyncIterator[tuple[TenantSystem, str]]:
    stand_in = demo_system(demo_orders(TODAY), bearer_token=TOKEN, today=TODAY)
    async with served(stand_in.app) as base:
        yield stand_in, base
    assert not stand_in.refused, stand_in.refused


@pytest_asyncio.fixture
async def line(house: House, system: tuple[TenantSystem, str]) -> Line:
    return await new_line(house, *system)


@pytest_asyncio.fixture
async def guarded(house: House, system: tuple[TenantSystem, str]) -> Line:
    return await new_line(house, *system, verification={"factors": ["pin", "postcode"], "tries": 2})


async def test_every_tool_answers_within_its_contract(line: Line) -> None:
    tools = await line.tools()
    given: dict[str, dict[str, str]] = {
        "change_address": {"order_id": "5906", "address": "12, MG Road"},
        "reschedule_delivery": {"order_id": "5906", "date": "2026-11-30"},
        "product_question": {"item": "phone charger"},
        "price_question": {"item": "charger"},
        "store_hours": {"city": "Pune"},
        "book_appointment": {"date": "2026-11-25", "time": "10:30"},
        "reschedule_appointment": {"date": "2026-11-26", "time": "11:30"},
        "confirm_appointment": {},
        "cancel_appointment": {},
        "identify_caller": {},
        "request_quote": {"item": "chairs", "quantity": "20", "budget": "50000"},
        "callback": {"date": "2026-11-25", "time": "10:30", "reason": "a quote"},
        "ticket": {"subject": "Broken chair", "priority": "high"},
    }
    contracts = ToolContracts.load()
    order = ["book_appointment", "reschedule_appointment", "confirm_appointment", "cancel_appointment"]
    for name in sorted(contracts.names, key=lambda name: order.index(name) if name in order else 9):
        contract = contracts.shipped(name)
        assert contract is not None and tools.offers(name)
        key = f"{name}:1" if contract.write else None
        result = await tools.call(name, given.get(name, {"order_id": "3365"}), key=key)
        assert result.ok and result.found, (name, result.error)
    leads = [row for row in line.system.shop.kept if row["kind"] == "lead"]
    assert leads == [{"kind": "lead", "item": "chairs", "quantity": 20, "budget": 50000, "caller_phone": KNOWN}]


async def test_arguments_outside_the_contract_never_leave(line: Line) -> None:
    tools = await line.tools()
    for name, arguments, why in (
        ("order_status", {}, "'order_id' is a required"),
        ("order_status", {"order_id": "4512", "admin": "1"}, "'admin' was unexpected"),
        ("reschedule_delivery", {"order_id": "4512", "date": "tomorrow"}, "date: pattern"),
        ("request_quote", {"item": "x", "quantity": "many"}, "quantity: no integer"),
        ("cancel_order", {"order_id": "x" * 65}, "order_id: maxLength"),
        ("nothing", {}, "no 'nothing'"),
    ):
        result = await tools.call(name, arguments, key="k1" if name != "order_status" else None)
        assert not result.ok and why in (result.error or ""), result.error
    assert not line.system.seen and not await line.writes()
    assert (await tools.call("cancel_order", {"order_id": "5906"})).error == "a write needs a key"


async def test_account_data_waits_for_both_factors_whatever_the_dialogue_asks(guarded: Line) -> None:
    tools = await guarded.tools()
    kept_back = await tools.call("order_status", {"order_id": "4512"})
    assert kept_back.needs_verification and not kept_back.ok and not guarded.system.seen
    assert (await tools.call("cancel_order", {"order_id": "5906"}, key="k")).needs_verification
    assert (await tools.call("store_hours", {})).ok, "what anybody may ask is answered"
    stranger = await tools.call("identify_caller", {})
    assert stranger.ok and stranger.found and stranger.data == {}, "nothing personal before verification"
    assert await tools.verify(Factor.PIN, "4321") is FactorCheck.MATCHED
    assert (await tools.call("order_status", {"order_id": "4512"})).needs_verification, "one factor is not two"
    assert await tools.verify(Factor.POSTCODE, "411001") is FactorCheck.MATCHED
    assert (await tools.call("order_status", {"order_id": "4512"})).data["status"] == "shipped"
    assert guarded.system.seen[-1].arguments == {"order_id": "4512", "customer_id": "cust-00001"}
    known = await tools.call("identify_caller", {})
    assert known.data == {"customer_id": "cust-00001", "name": "Asha"}, "what proves it never comes along"
    again = await guarded.tools(CALL)
    assert (await again.call("order_status", {"order_id": "4512"})).ok, "the same call, in another process"
    other_call = await guarded.tools(Caller(KNOWN, "call_2"))
    assert (await other_call.call("order_status", {"order_id": "4512"})).needs_verification, "numbers can be forged"
    chat = await guarded.tools(Caller(KNOWN, "conv_1", ChannelKind.CHAT))
    assert (await chat.call("order_status", {"order_id": "4512"})).ok, "WhatsApp vouches for its numbers"
    other_chat = await guarded.tools(Caller("+919876500002", "conv_2", ChannelKind.CHAT))
    assert (await other_chat.call("order_status", {"order_id": "4512"})).needs_verification
    assert await other_chat.verify(Factor.PIN, "4321") is FactorCheck.UNKNOWN_CALLER, "no secrets in a chat"


async def test_wrong_answers_lock_the_number_over_all_its_calls(guarded: Line) -> None:
    first = await guarded.tools(Caller(KNOWN, "call_1"))
    second = await guarded.tools(Caller(KNOWN, "call_2"))
    assert await first.verify(Factor.PIN, "0000") is FactorCheck.MISMATCHED
    assert await second.verify(Factor.PIN, "1111") is FactorCheck.MISMATCHED
    assert await second.verify(Factor.PIN, "4321") is FactorCheck.LOCKED, "even the right one"
    assert await (await guarded.tools(Caller(KNOWN, "call_3"))).verify(Factor.PIN, "4321") is FactorCheck.LOCKED
    neighbour = await guarded.tools(Caller("+919876500002", "call_4"))
    assert await neighbour.verify(Factor.PIN, "4321") is FactorCheck.MATCHED
    rows = guarded.house.services.database.tenant(guarded.tenant.tenant_id).collection("caller_checks")
    await rows.update_many({"tries": {"$gte": 2}}, {"$set": {"until": datetime.now(UTC) - timedelta(seconds=1)}})
    assert await first.verify(Factor.PIN, "4321") is FactorCheck.MATCHED, "until the lock is over"


async def test_parallel_guesses_get_no_more_tries(guarded: Line) -> None:
    calls = [await guarded.tools(Caller(KNOWN, f"call_{index}")) for index in range(8)]
    found = await asyncio.gather(*(tools.verify(Factor.PIN, f"000{index}") for index, tools in enumerate(calls)))
    assert found.count(FactorCheck.MISMATCHED) == 2 and found.count(FactorCheck.LOCKED) == 6


async def test_who_is_not_known_or_withholds_the_number_is_not_verified(guarded: Line) -> None:
    assert await (await guarded.tools(Caller("+14155550100", "c1"))).verify(Factor.PIN, "4321") is (
        FactorCheck.UNKNOWN_CALLER
    )
    assert await (await guarded.tools(Caller("", "c2"))).verify(Factor.PIN, "4321") is FactorCheck.UNKNOWN_CALLER
    guarded.system.faults["identify_caller"] = Fault(FaultKind.DOWN)
    assert await (await guarded.tools(Caller("+919876500009", "c3"))).verify(Factor.PIN, "4321") is (
        FactorCheck.UNAVAILABLE
    )


async def test_what_proves_a_caller_is_nowhere_to_be_read(guarded: Line) -> None:
    with structlog.testing.capture_logs() as logs:
        tools = await guarded.tools()
        await tools.verify(Factor.PIN, "9753")
        await tools.verify(Factor.PIN, "4321")
        await tools.call("identify_caller", {})
    database = guarded.house.services.database.tenant(guarded.tenant.tenant_id)
    stored = [
        document
        for name in ("caller_checks", "audit", "agents", WRITES, "approvals")
        for document in await database.collection(name).find({})
    ]
    everything = orjson.dumps([logs, stored], default=str).decode()
    assert "9753" not in everything and "4321" not in everything and "411001" not in everything
    assert KNOWN not in everything, "numbers only as digests"


def test_values_are_compared_in_their_one_form() -> None:
    assert same_value(Factor.DATE_OF_BIRTH, "15081990", "1990-08-15") and same_value(Factor.PIN, "43 21", "4321")
    for given, expected in (("", ""), ("x", None), ("", None), ("4321", ""), ("12", "12")):
        assert not same_value(Factor.PIN, given, expected), "what has no form matches nothing"


async def test_a_write_is_done_once_and_the_same_key_gives_the_same_result(line: Line) -> None:
    tools = await line.tools()
    first = await tools.call("cancel_order", {"order_id": "5906", "reason": "late"}, key="cancel:1")
    assert first.ok and first.data["status"] == "cancelled" and not first.unsettled
    again = await (await line.tools()).call("cancel_order", {"order_id": "5906", "reason": "late"}, key="cancel:1")
    assert again.data == first.data and line.system.done["cancel_order"] == 1 and len(line.system.seen) == 1
    other = await tools.call("cancel_order", {"order_id": "3365"}, key="cancel:1")
    assert not other.ok and "another write" in (other.error or "") and len(line.system.seen) == 1
    theirs = await (await line.tools(Caller(KNOWN, "call_2"))).call(
        "cancel_order", {"order_id": "5906", "reason": "late"}, key="cancel:1"
    )
    assert theirs.data["status"] == "already_cancelled", "another conversation is another key"
    row, *_ = await line.audited()
    assert row["actor"] == "caller" and row["tool"] == "cancel_order" and row["outcome"] == "done"
    assert row["key"].startswith("vs-") and "late" not in orjson.dumps(await line.audited()).decode()
    assert "late" not in orjson.dumps(await line.writes(), default=str).decode(), "arguments are sealed"


async def test_a_lost_answer_is_asked_for_again_with_the_same_key_only(line: Line) -> None:
    line.system.faults["cancel_order"] = Fault(FaultKind.LOST, times=3, seconds=0)
    tools = await line.tools()
    first = await tools.call("cancel_order", {"order_id": "5906"}, key="cancel:1")
    assert not first.ok and first.unsettled and "504" in (first.error or "")
    assert line.system.done["cancel_order"] == 1, "it was done, and nobody knows"
    await line.make_due()
    line.system.faults.clear()
    functions = line.house.services.tools.job_functions()
    await functions["tools.sweep"]()
    (row,) = await line.writes()
    assert row["state"] == "done" and line.system.done["cancel_order"] == 1
    assert len({seen.key for seen in line.system.seen}) == 1
    assert [entry["outcome"] for entry in await line.audited()] == ["unknown", "done"]
    await functions["tools.sweep"]()
    assert len(line.system.seen) == 4, "what is settled is left alone"


async def test_a_process_that_dies_in_the_middle_of_a_write_leaves_it_to_the_sweep(line: Line) -> None:
    line.system.faults["cancel_order"] = Fault(FaultKind.LOST, times=1, seconds=30)
    tools = await line.tools()
    writing = asyncio.create_task(tools.call("cancel_order", {"order_id": "5906"}, key="cancel:1"))
    await line.house.until(line.was_asked)
    await line.house.services.tools._reads.aclose()
    with pytest.raises(asyncio.CancelledError):
        await writing
    (row,) = await line.writes()
    assert row["state"] == "started" and row["owed"], "the row was there before the write left"
    await line.house.services.tools.job_functions()["tools.sweep"]()
    assert len(line.system.seen) == 1, "not before its lease is over"
    await line.make_due()
    await line.house.services.tools.job_functions()["tools.sweep"]()
    (row,) = await line.writes()
    assert row["state"] == "done" and not row["owed"]
    assert line.system.done["cancel_order"] == 1 and len({seen.key for seen in line.system.seen}) == 1


async def test_an_outcome_that_cannot_be_kept_is_unknown_not_failed_and_found_out_later(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object, **__: object) -> None:
        raise Unavailable("the database does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(WriteLedger, "settle", down)
        result = await (await line.tools()).call("cancel_order", {"order_id": "5906"}, key="cancel:1")
    assert result.unsettled and not result.ok, "it may have been done: it is not said to have failed"
    await line.make_due()
    await line.house.services.tools.job_functions()["tools.sweep"]()
    assert await line.is_done() and line.system.done["cancel_order"] == 1
    with monkeypatch.context() as broken:
        broken.setattr(AuditLog, "record", down)
        other = await (await line.tools()).call("cancel_order", {"order_id": "3365"}, key="cancel:2")
    assert other.ok and other.data["status"] == "cancelled", "what was done is not said to have failed"


async def test_a_caller_who_hangs_up_does_not_stop_a_write(line: Line) -> None:
    line.system.faults["cancel_order"] = Fault(FaultKind.SLOW, times=1, seconds=0.3)
    tools = await line.tools()
    writing = asyncio.create_task(tools.call("cancel_order", {"order_id": "5906"}, key="cancel:1"))
    await line.house.until(line.was_asked)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await line.house.until(line.is_done)
    assert line.system.done["cancel_order"] == 1 and len(line.system.seen) == 1


async def test_a_write_that_is_refused_is_refused_for_good(line: Line) -> None:
    line.system.bearer_token = "changed"
    result = await (await line.tools()).call("cancel_order", {"order_id": "5906"}, key="cancel:1")
    line.system.bearer_token = TOKEN
    line.system.refused.clear()
    assert not result.ok and not result.unsettled and result.error == "answered 401"
    again = await (await line.tools()).call("cancel_order", {"order_id": "5906"}, key="cancel:1")
    assert not again.ok and not line.system.seen, "the same key, the same result"


async def test_a_thought_reads_and_never_writes(line: Line) -> None:
    thinking = ReadOnly(await line.tools())
    assert (await thinking.call("order_status", {"order_id": "4512"})).ok
    with pytest.raises(CommitNeeded):
        await thinking.call("cancel_order", {"order_id": "5906"}, key="cancel:1")
    assert not (await thinking.call("cancel_order", {"order_id": "5906"})).ok, "nor without saying that it writes"
    with pytest.raises(CommitNeeded):
        await thinking.verify(Factor.PIN, "4321")
    assert [seen.tool for seen in line.system.seen] == ["order_status"] and not await line.writes()


async def test_a_read_is_shared_kept_for_its_seconds_and_dropped_by_a_write(line: Line) -> None:
    line.system.faults["order_status"] = Fault(FaultKind.SLOW, times=1, seconds=0.2)
    tools = await line.tools()
    dropped = asyncio.create_task(tools.call("order_status", {"order_id": "5906"}))
    await asyncio.sleep(0.05)
    dropped.cancel()
    results = await asyncio.gather(*(tools.call("order_status", {"order_id": "5906"}) for _ in range(4)))
    assert all(result.data["status"] == "placed" for result in results) and len(line.system.seen) == 1
    assert (await tools.call("order_status", {"order_id": "5906"})).cached
    assert not (await tools.call("order_status", {"order_id": "4512"})).cached
    assert (await tools.call("cancel_order", {"order_id": "5906"}, key="c")).ok
    fresh = await tools.call("order_status", {"order_id": "5906"})
    assert fresh.data["status"] == "cancelled" and not fresh.cached
    other = await line.house.tenant("B")
    await other.ok("PUT", "/v1/credentials/tools", json={"base_url": "http://127.0.0.1:9", "bearer_token": TOKEN})
    theirs = await other.agent(tools={"order_status": {"retries": 0}})
    agent = await line.house.services.agents.get(other.tenant_id, theirs["id"])
    their_tools = await line.house.services.tools.tools_of(agent, CALL)
    assert not (await their_tools.call("order_status", {"order_id": "4512"})).ok, "tenants share nothing"


async def test_who_rings_is_known_by_the_first_turn(guarded: Line) -> None:
    guarded.system.faults["identify_caller"] = Fault(FaultKind.SLOW, times=1, seconds=0.2)
    tools = await guarded.tools()
    guarded.house.services.tools.expect(tools)
    await guarded.house.until(guarded.was_asked)
    assert [seen.tool for seen in guarded.system.seen] == ["identify_caller"]
    assert (await (await guarded.tools()).call("identify_caller", {})).found
    assert await tools.verify(Factor.PIN, "4321") is FactorCheck.MATCHED
    assert len(guarded.system.seen) == 1, "asked once, when it rang"


async def test_without_an_address_a_tool_says_that_the_system_failed(house: House) -> None:
    tenant = await house.tenant()
    created = await tenant.agent(tools={"order_status": {}})
    agent = await house.services.agents.get(tenant.tenant_id, created["id"])
    tools = await house.services.tools.tools_of(agent, CALL)
    assert tools.offers("order_status") and not tools.offers("cancel_order")
    result = await tools.call("order_status", {"order_id": "4512"})
    assert not result.ok and "where its systems are" in (result.error or "")
