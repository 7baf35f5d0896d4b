"""Items that cannot be worked off: they stop no other, are kept with the reason, can be tried again or discarded."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.auth.roles import Role
from app.errors import Unavailable
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House, TenantDoor

pytestmark = pytest.mark.integration
WA_ID = CUSTOMER.removeprefix("+")
ITEMS = "/v1/whatsapp/parked-items"


def text(wamid: str, body: str, **changes: Any) -> dict[str, Any]:
    at = str(int(datetime.now(UTC).timestamp()))
    return {"from": WA_ID, "id": wamid, "timestamp": at, "type": "text", "text": {"body": body}, **changes}


async def connected(house: House) -> TenantDoor:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    return tenant


async def arrive(house: House, **value: Any) -> None:
    raw = house.graph.webhook(PHONE_NUMBER_ID, **value)
    headers = {"X-Hub-Signature-256": house.graph.signature(raw)}
    assert (await house.client.post("/v1/whatsapp/webhook", content=raw, headers=headers)).status_code == 200
    await house.work()


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"messages": [text("wamid.P", "hi", timestamp="soon")]}, "ValueError"),
        ({"messages": [{"id": "wamid.P", "type": "text"}]}, "ValueError neither"),
        ({"messages": [text("wamid.P", "hi", timestamp="9" * 30)]}, "ValueError"),
        ({"statuses": [{"id": "wamid.P", "status": "failed", "errors": ["oops"]}]}, "AttributeError"),
        ({"statuses": [{"id": "wamid.P", "status": "failed", "errors": {"code": 1}}]}, "KeyError"),
        ({"user_preferences": [{"wa_id": WA_ID}]}, "KeyError"),
    ],
)
async def test_behaviour_3_a_poisoned_item_is_kept_with_its_reason_and_stops_no_other(
    house: House, broken: dict[str, Any], reason: str
) -> None:
    tenant = await connected(house)
    await arrive(house, **{**broken, "messages": [*broken.get("messages", []), text("wamid.G", "good")]})
    assert house.brain.heard == ["good"]
    [item] = (await tenant.ok("GET", ITEMS))["data"]
    assert item["reason"].startswith(reason) and item["replays"] == 0
    assert item["place"].startswith("/entry/0/changes/0/value/") and item["phone_number_id"] == PHONE_NUMBER_ID
    stored = await house.services.database.tenant(tenant.tenant_id).collection("whatsapp_parked_items").find({})
    assert "wamid.P" not in str(stored), "what it says is sealed"


async def test_a_replay_works_it_off_once_the_cause_is_gone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = await connected(house)
    windows = house.services.whatsapp_windows
    healthy = type(windows).customer_wrote

    async def broken(*_: Any) -> None:
        raise ValueError("as the test asked")

    monkeypatch.setattr(type(windows), "customer_wrote", broken)
    await arrive(house, messages=[text("wamid.P", "where is my order")])
    [item] = (await tenant.ok("GET", ITEMS))["data"]
    await tenant.ok("POST", f"{ITEMS}/{item['id']}/replay")
    await house.work()
    [again] = (await tenant.ok("GET", ITEMS))["data"]
    assert (again["id"], again["replays"], again["reason"]) == (item["id"], 1, "ValueError as the test asked")
    assert house.brain.heard == []

    monkeypatch.setattr(type(windows), "customer_wrote", healthy)
    for _ in range(2):
        await tenant.ok("POST", f"{ITEMS}/{item['id']}/replay")
    await house.work()
    assert house.brain.heard == ["where is my order"], "two replays work it off once"
    assert (await tenant.ok("GET", ITEMS))["data"] == []
    assert (await tenant.request("POST", f"{ITEMS}/{item['id']}/replay")).status_code == 404
    entries = await house.services.audit.entries(tenant.tenant_id)
    assert [entry.action for entry in entries].count("whatsapp.item_replayed") == 3


async def test_a_job_that_comes_again_parks_an_item_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = await connected(house)
    raw = house.graph.webhook(
        PHONE_NUMBER_ID, messages=[text("wamid.P", "hi", timestamp="soon"), text("wamid.G", "good")]
    )
    headers = {"X-Hub-Signature-256": house.graph.signature(raw)}
    await house.client.post("/v1/whatsapp/webhook", content=raw, headers=headers)
    [job] = house.jobs.jobs
    windows = house.services.whatsapp_windows
    healthy = type(windows).customer_wrote

    async def away(*_: Any) -> None:
        raise Unavailable("as the test asked")

    monkeypatch.setattr(type(windows), "customer_wrote", away)
    ingest = house.services.ingest(house.brain)
    with pytest.raises(Unavailable):
        await ingest.ingest(job.payload["raw_id"])
    monkeypatch.setattr(type(windows), "customer_wrote", healthy)
    await house.work()
    assert house.brain.heard == ["good"]
    assert len((await tenant.ok("GET", ITEMS))["data"]) == 1


async def test_parked_items_are_discarded_by_those_who_may_and_seen_by_their_tenant_only(house: House) -> None:
    tenant = await connected(house)
    await arrive(house, messages=[text("wamid.P", "hi", timestamp="soon")])
    [item] = (await tenant.ok("GET", ITEMS))["data"]
    other = await house.tenant("Other")
    assert (await other.ok("GET", ITEMS))["data"] == []
    assert (await other.request("DELETE", f"{ITEMS}/{item['id']}")).status_code == 404
    answerer = await tenant.member("Asha", Role.AGENT)
    assert (await answerer.request("DELETE", f"{ITEMS}/{item['id']}")).status_code == 403
    assert (await tenant.request("DELETE", f"{ITEMS}/{item['id']}")).status_code == 204
    assert (await tenant.request("DELETE", f"{ITEMS}/{item['id']}")).status_code == 404
    assert (await tenant.ok("GET", ITEMS))["data"] == []


async def test_an_erasure_takes_what_was_parked_of_the_person(house: House) -> None:
    tenant = await connected(house)
    stranger = text("wamid.Q", "hi", timestamp="soon", **{"from": "919800000009"})
    await arrive(house, messages=[text("wamid.P", "hi", timestamp="soon"), stranger])
    assert len((await tenant.ok("GET", ITEMS))["data"]) == 2
    await tenant.ok("POST", "/v1/privacy-requests", json={"kind": "erasure", "phone": CUSTOMER, "reason": "asked"})
    await house.work()
    [left] = (await tenant.ok("GET", ITEMS))["data"]
    assert left["place"].endswith("/messages/1")
