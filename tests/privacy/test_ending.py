"""A forgotten tenant cannot be opened again by anybody, and leaves nothing in clear but what the law keeps."""

import json
from datetime import timedelta

import pytest

from app.errors import NotFound
from app.kit.sealed import SealedText
from app.kit.vault import Vault
from tests.house import CUSTOMER, OPERATOR_KEY, House
from tests.privacy.conftest import SECRETS, Person, person_of

pytestmark = pytest.mark.integration

OPERATOR = {"Authorization": f"Bearer {OPERATOR_KEY}"}


async def test_nothing_sealed_opens_and_nothing_in_clear_remains(house: House, person: Person) -> None:
    tenant_id, services = person.door.tenant_id, house.services
    await person.door.ok("PUT", "/v1/credentials/plivo", json={"auth_id": "MAXXXXXX", "auth_token": "a-long-token"})
    before = await person.stored()
    files = {path: path.read_bytes() for path in person.files()}
    wrong = await house.client.delete(f"/v1/tenants/{tenant_id}?name=Meera", headers=OPERATOR)
    assert wrong.status_code == 422 and await person.stored() == before
    answer = await house.client.delete(f"/v1/tenants/{tenant_id}?name=Sundar", headers=OPERATOR)
    assert answer.status_code == 202 and answer.json()["cleared_at"] is None
    services.keys._cache.clear()  # as other processes do after some seconds
    assert (await person.door.request("GET", "/v1/agents")).status_code == 401
    fresh = Vault(services.database, services.vault._ring)
    sealed = SealedText(fresh)
    for name, field in (("call_events", "sealed"), ("call_snapshots", "context"), ("credentials", "sealed")):
        [document] = before[name]
        with pytest.raises(NotFound):
            await sealed.open(tenant_id, document["_id"], document[field])
    for path, content in files.items():
        with pytest.raises(NotFound):
            await fresh.open(tenant_id, content, path.name.partition(".")[0].encode())
    await house.work()
    left = await person.stored()
    assert set(left) <= {"audit", "consents", "suppressions", "data_keys", "kill_switches", "forgotten_tenants"}
    assert not person.files() and left["data_keys"][0]["wrapped"] is None
    assert {name for name, documents in left.items() if CUSTOMER in str(documents)} <= {
        "audit",
        "consents",
        "suppressions",
    }
    for secret in (*SECRETS[:3], "a-long-token", "MAXXXXXX"):
        assert secret not in str(left)
    shown = (await house.client.get(f"/v1/forgotten-tenants/{tenant_id}", headers=OPERATOR)).json()
    assert shown["cleared_at"] and shown["evidence"]["calls"] == 1 and shown["evidence"]["files"] == 2
    assert (await services.audit.verify(tenant_id)).intact


async def test_another_tenant_keeps_everything(house: House, person: Person) -> None:
    other = await person_of(house, "Meera")
    before = await other.stored()
    await house.client.delete(f"/v1/tenants/{person.door.tenant_id}?name=Sundar", headers=OPERATOR)
    await house.work()
    assert {name: rows for name, rows in (await other.stored()).items() if name != "webhook_deliveries"} == {
        name: rows for name, rows in before.items() if name != "webhook_deliveries"
    }
    assert len(other.files()) == 2
    assert (await other.door.request("GET", f"/v1/conversations/{other.conversation_id}")).status_code == 200


async def test_only_the_operator_forgets_and_twice_is_once(house: House, person: Person) -> None:
    path = f"/v1/tenants/{person.door.tenant_id}?name=Sundar"
    assert (await person.door.request("DELETE", path)).status_code == 401
    first = await house.client.delete(path, headers=OPERATOR)
    await house.work()
    again = await house.client.delete(path, headers=OPERATOR)
    assert again.status_code == 202 and again.json()["forgotten_at"] == first.json()["forgotten_at"]
    assert (await house.client.delete("/v1/tenants/tenant_x?name=x", headers=OPERATOR)).status_code == 404
    assert (await house.client.get("/v1/forgotten-tenants/tenant_x", headers=OPERATOR)).status_code == 404


async def test_a_lost_job_is_found_and_the_logs_go_after_their_time(
    house: House, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id, ending = person.door.tenant_id, house.services.privacy.ending
    await house.client.delete(f"/v1/tenants/{tenant_id}?name=Sundar", headers=OPERATOR)
    house.jobs.jobs.clear()
    real = house.services.clock.now
    for days, left in (
        (0.1, {"audit", "consents", "suppressions"}),
        (367, {"suppressions"}),
        (1828, set()),
    ):
        with monkeypatch.context() as moved:
            at = real() + timedelta(days=days)
            moved.setattr(type(house.services.clock), "now", lambda _, at=at: at)
            await ending.sweep()
            await house.work()
        stored = await person.stored()
        assert set(stored) - {"data_keys", "forgotten_tenants", "kill_switches", "audit_anchors"} == left
    assert CUSTOMER not in json.dumps(await person.stored(), default=str)
