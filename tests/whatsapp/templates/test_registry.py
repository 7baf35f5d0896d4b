"""The registry against Meta's list and updates: pages, deletions, order, doubt, record of every change."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.simulate.graph import ACCOUNT_ID
from tests.house import House, TenantDoor
from whatsapp.payload import Item, ItemKind
from whatsapp.templates.models import Category, Facts, Quality, TemplateStatus
from whatsapp.templates.registry import CHANGED
from whatsapp.templates.sync import EVERY, SYNC

pytestmark = pytest.mark.integration
STATUS = "message_template_status_update"


async def connected(house: House) -> TenantDoor:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    return tenant


async def status(house: House, tenant: TenantDoor, name: str = "call_handoff", language: str = "hi") -> TemplateStatus:
    found = await house.services.templates.registry.find(tenant.tenant_id, ACCOUNT_ID, name, language)
    assert found is not None
    return found.facts.status


async def take(house: House, tenant: TenantDoor, change: dict[str, Any], at: int | None) -> None:
    item = Item(ItemKind.OTHER, "/", "", change["value"], account_id=ACCOUNT_ID, field=change["field"], at=at)
    await house.services.templates.updates.take(tenant.tenant_id, item)


def seconds(house: House, **ahead: int) -> int:
    return int((house.clock.now() + timedelta(**ahead)).timestamp())


async def test_behaviour_17_the_list_is_read_by_pages_and_shown(house: House) -> None:
    house.graph.shelf.stock({(f"offer_{number:03}", "en"): "hello" for number in range(230)})
    tenant = await connected(house)
    stored = await house.services.templates.registry.of_account(tenant.tenant_id, ACCOUNT_ID)
    assert {(t.facts.name, t.facts.language) for t in stored} == house.graph.shelf.entries.keys()
    shown = await tenant.ok("GET", "/v1/whatsapp/templates", params={"name": "call_handoff", "language": "ta"})
    [view] = shown["data"]
    assert (view["status"], view["category"], view["quality"], view["sendable"]) == (
        "APPROVED",
        "UTILITY",
        "GREEN",
        True,
    )
    assert view["values"] == ["body {{1}}", "body {{2}}"]
    assert await tenant.ok("GET", f"/v1/whatsapp/templates/{view['id']}") == view
    paused = await tenant.ok("GET", "/v1/whatsapp/templates", params={"status": "PAUSED"})
    assert paused["data"] == []


async def test_behaviour_17_what_left_metas_list_is_never_sendable_again(house: House) -> None:
    tenant = await connected(house)
    del house.graph.shelf.entries["follow_up", "te"]
    [synced] = (await tenant.ok("POST", "/v1/whatsapp/templates/sync"))["data"]
    assert synced["changed"] == 1 and synced["templates"] == len(house.graph.shelf.entries)
    assert await status(house, tenant, "follow_up", "te") is TemplateStatus.DELETED
    assert (await tenant.ok("POST", "/v1/whatsapp/templates/sync"))["data"][0]["changed"] == 0


async def test_behaviour_17_each_update_is_taken_over_audited_and_signalled(house: House) -> None:
    tenant, shelf = await connected(house), house.graph.shelf
    told: list[dict[str, Any]] = []

    async def publish(tenant_id: str, message: dict[str, Any]) -> None:
        told.append(message)

    registry = house.services.templates.registry
    registry._publish = publish  # type: ignore[assignment]
    at = seconds(house, hours=1)
    await take(house, tenant, shelf.decide("call_handoff", "hi", "PAUSED", "LOW_QUALITY"), at)
    await take(house, tenant, shelf.rate("call_handoff", "hi", "RED"), at)
    await take(house, tenant, shelf.recategorise("call_handoff", "hi", "MARKETING"), at)
    found = await registry.find(tenant.tenant_id, ACCOUNT_ID, "call_handoff", "hi")
    assert found is not None
    assert (found.facts.status, found.facts.reason) == (TemplateStatus.PAUSED, "LOW_QUALITY")
    assert (found.facts.quality, found.facts.category) == (Quality.RED, Category.MARKETING)
    assert [message["what"] for message in told] == [["status"], ["quality"], ["category"]]
    assert {message["template_id"] for message in told} == {found.template_id}
    entries = (await tenant.ok("GET", "/v1/audit-entries", params={"limit": 50}))["data"]
    changes = [
        entry["data"] for entry in entries if entry["action"] == CHANGED and entry["target"] == found.template_id
    ]
    assert changes[0]["category"] == {"from": "UTILITY", "to": "MARKETING"}
    assert changes[2]["status"] == {"from": "APPROVED", "to": "PAUSED"} and changes[2]["reason"] == "LOW_QUALITY"


async def test_behaviour_17_changed_wording_is_fetched(house: House) -> None:
    tenant = await connected(house)
    house.jobs.jobs.clear()
    for _ in range(3):
        await take(house, tenant, house.graph.shelf.edit("follow_up", "en", "Was it settled?"), seconds(house))
    assert [job.name for job in house.jobs.jobs] == [SYNC], "many wishes are one fetch"
    await house.work()
    found = await house.services.templates.registry.find(tenant.tenant_id, ACCOUNT_ID, "follow_up", "en")
    assert found is not None and found.facts.components == ({"type": "BODY", "text": "Was it settled?"},)


async def test_an_event_that_nobody_documented_permits_nothing_and_is_looked_up(house: House) -> None:
    tenant, change = await connected(house), house.graph.shelf.decide("missed_call", "ta", "APPROVED")
    house.jobs.jobs.clear()
    event = {**change, "value": {**change["value"], "event": "UNARCHIVED"}}
    await take(house, tenant, event, seconds(house, hours=1))
    assert await status(house, tenant, "missed_call", "ta") is TemplateStatus.UNKNOWN
    await house.work()
    assert await status(house, tenant, "missed_call", "ta") is TemplateStatus.APPROVED


async def test_an_update_of_an_unknown_template_makes_the_list_be_fetched(house: House) -> None:
    tenant = await connected(house)
    house.jobs.jobs.clear()
    house.graph.shelf.stock({("fresh", "en"): "hello"})
    await take(house, tenant, house.graph.shelf.decide("fresh", "en", "APPROVED"), seconds(house))
    found = await house.services.templates.registry.find(tenant.tenant_id, ACCOUNT_ID, "fresh", "en")
    assert found is not None and found.facts.components == ()
    await house.work()
    found = await house.services.templates.registry.find(tenant.tenant_id, ACCOUNT_ID, "fresh", "en")
    assert found is not None and found.facts.components != ()


async def test_updates_in_any_order_twice_and_with_a_wrong_clock_end_as_meta_says(house: House) -> None:
    tenant, shelf = await connected(house), house.graph.shelf
    dice, base, longest, updates = random.Random(7), datetime.now(UTC), 0, []
    for key in shelf.entries:
        moment = 0
        for _ in range(8):
            moment += dice.choice([0, 1, 40, 4_000])
            change = shelf.decide(*key, dice.choice(["APPROVED", "PAUSED", "DISABLED", "FLAGGED"]))
            updates.append((change, int((base + timedelta(seconds=moment)).timestamp())))
        longest = max(longest, moment)
    waiting = updates + dice.sample(updates, 40)
    dice.shuffle(waiting)
    for change, at in waiting:
        house.clock.ahead = timedelta(seconds=longest + dice.randint(-300, 300))
        await take(house, tenant, change, at)
        if dice.random() < 0.03:
            await house.work()
    await house.work()
    stored = await house.services.templates.registry.of_account(tenant.tenant_id, ACCOUNT_ID)
    known = {(template.facts.name, template.facts.language): template.facts.status.value for template in stored}
    assert known == {key: entry.status for key, entry in shelf.entries.items()}


async def test_an_update_that_came_while_the_list_was_fetched_wins(house: House) -> None:
    tenant, registry = await connected(house), house.services.templates.registry
    stored = await registry.of_account(tenant.tenant_id, ACCOUNT_ID)
    before = {f"{t.facts.name}/{t.facts.language}": t for t in stored}
    stale = [t.facts for t in stored if t.facts.name != "order_update"] + [
        Facts("order_update", "en", Category.UTILITY, TemplateStatus.APPROVED)
    ]
    await take(house, tenant, house.graph.shelf.decide("order_update", "en", "DISABLED"), seconds(house, minutes=1))
    _, left = await registry.listed(tenant.tenant_id, ACCOUNT_ID, stale, before, house.clock.now() + timedelta(hours=1))
    assert left, "the list has to be fetched again"
    assert await status(house, tenant, "order_update", "en") is TemplateStatus.DISABLED


async def test_the_sweep_fetches_lists_every_hour_and_those_never_fetched(house: House) -> None:
    tenant = await connected(house)
    sync = house.services.templates.sync
    house.jobs.jobs.clear()
    assert await sync.sweep() == 0
    house.clock.ahead += EVERY + timedelta(minutes=1)
    assert await sync.sweep() == 1
    assert [job.payload for job in house.jobs.jobs] == [{"tenant_id": tenant.tenant_id}]
    assert await sync.sweep() == 0, "asked for once"
    other = await house.tenant("Other")
    body = {"phone_number_id": "77777", "access_token": "t" * 20, "app_secret": "s" * 9, "verify_token": "v" * 9}
    await other.ok("PUT", "/v1/credentials/whatsapp", json=body)
    house.jobs.jobs.clear()
    assert await sync.sweep() == 1
    await house.work()


async def test_what_cannot_be_fetched_says_why(house: House) -> None:
    tenant = await house.tenant()
    answer = await tenant.request("POST", "/v1/whatsapp/templates/sync")
    assert answer.status_code == 422 and "PUT /v1/credentials/whatsapp" in answer.json()["detail"]
    body = {"phone_number_id": "77777", "access_token": "t" * 20, "app_secret": "s" * 9, "verify_token": "v" * 9}
    await tenant.ok("PUT", "/v1/credentials/whatsapp", json=body)
    answer = await tenant.request("POST", "/v1/whatsapp/templates/sync")
    assert answer.json()["code"] == "no_business_account"
    await tenant.ok("PUT", "/v1/credentials/whatsapp", json={**body, "business_account_id": ACCOUNT_ID})
    answer = await tenant.request("POST", "/v1/whatsapp/templates/sync")
    assert (answer.status_code, answer.json()["code"]) == (409, "token_rejected")


async def test_behaviour_17_updates_come_in_by_the_webhook_of_the_account(house: House) -> None:
    tenant = await connected(house)
    change = house.graph.shelf.decide("missed_call", "te", "PAUSED", "LOW_QUALITY")
    house.graph.tell_of_template(change)

    async def paused() -> bool:
        return await status(house, tenant, "missed_call", "te") is TemplateStatus.PAUSED

    await house.until(paused, 20.0)
    updates = await tenant.ok("GET", "/v1/whatsapp/account-updates")
    assert [update["field"] for update in updates["data"]] == [STATUS]
