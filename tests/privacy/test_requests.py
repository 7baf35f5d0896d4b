"""A person's data is shown whole and erased whole, but for what the law keeps; never another tenant's."""

import io
import json
import zipfile
from typing import Any

import pytest

from app.calls.models import CallStatus
from app.errors import Unavailable
from app.privacy.requests import WORK
from tests.house import CUSTOMER, House
from tests.privacy.conftest import SECRETS, Person, person_of

pytestmark = pytest.mark.integration


async def archive_of(person: Person, request_id: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    answer = await person.door.request("GET", f"/v1/privacy-requests/{request_id}/archive")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(files.pop("data.json")), files


async def test_an_export_holds_every_room_opened(person: Person) -> None:
    done = await person.ask("export")
    assert done["status"] == "done" and done["expires_at"]
    described, files = await archive_of(person, done["id"])
    data = described["data"]
    assert {"calls", "call_events", "call_snapshots", "contacts", "conversations", "consents", "suppressions"} <= set(
        data
    )
    assert data["call_events"][0]["sealed"] == {"text": SECRETS[0]}
    assert data["call_snapshots"][0]["context"]["slots"] == {"order_id": "4512"}
    assert [message["text"] for message in data["messages"] if message["kind"] == "text"] == [SECRETS[0]]
    assert data["callbacks"][0]["reason"] == "card [card …1111]" and "message_tokens" not in data
    assert data["audit"] and "(sealed)" not in json.dumps(data)
    assert files[f"recordings/{person.call_id}.wav"] == SECRETS[2].encode()
    assert [content for name, content in files.items() if name.startswith("attachments/")] == [b"%PDF-1.7"]
    assert done["evidence"]["found"]["files"] == 2
    assert not [path for path in person.files() if SECRETS[0].encode() in path.read_bytes()]


async def test_an_erasure_leaves_only_what_the_law_keeps(person: Person) -> None:
    exported = await person.ask("export")
    done = await person.ask("erasure")
    assert done["status"] == "done"
    evidence = done["evidence"]
    assert {"call_events", "call_snapshots", "contacts", "conversations", "attachments", "webhook_deliveries"} <= set(
        evidence["deleted"]
    )
    assert {"messages", "message_tokens", "callbacks"} <= set(evidence["deleted"])
    assert evidence["deleted"]["caller_checks"] == 2
    assert evidence["pseudonymised"] == {"calls": 1} and evidence["files_deleted"] == 2
    assert set(evidence["kept"]) == {"audit", "consents", "suppressions"}
    left = await person.stored()
    named = {name for name, documents in left.items() if CUSTOMER in str(documents)}
    assert named <= {"audit", "consents", "suppressions"}
    for secret in SECRETS[:3]:
        assert secret not in str(left)
    [call] = left["calls"]
    assert call["from_number"].startswith("erased-") and call["to_number"] == "+918012345678"
    assert call["status"] == "completed" and call["recording_bytes"] is None
    assert not person.files(), "the export of the person goes too"
    gone = await person.door.request("GET", f"/v1/privacy-requests/{exported['id']}/archive")
    assert gone.status_code == 404


async def test_erasing_twice_is_erasing_once_and_what_came_since(person: Person) -> None:
    await person.ask("erasure")
    again = await person.ask("erasure")
    assert again["status"] == "done" and again["evidence"]["deleted"] == {} and again["evidence"]["files_deleted"] == 0
    services = person.door.house.services
    await services.conversations.contact_for(person.door.tenant_id, person.phone)
    third = await person.ask("erasure")
    assert third["evidence"]["deleted"] == {"contacts": 1}


async def test_another_tenant_with_the_same_customer_loses_and_shows_nothing(house: House, person: Person) -> None:
    other = await person_of(house, "Meera")
    before = await other.stored()
    asked = await person.ask("erasure")
    assert await other.stored() == before and len(other.files()) == 2
    for method, path in (("GET", ""), ("GET", "/archive")):
        answer = await other.door.request(method, f"/v1/privacy-requests/{asked['id']}{path}")
        assert answer.status_code == 404
    described, _ = await archive_of(other, (await other.ask("export"))["id"])
    assert described["tenant_id"] == other.door.tenant_id and person.door.tenant_id not in json.dumps(described)


async def test_another_person_of_the_tenant_is_left_alone(person: Person) -> None:
    services, tenant_id = person.door.house.services, person.door.tenant_id
    neighbour = await services.conversations.contact_for(tenant_id, "+919812345679")
    await services.conversations.open_for(neighbour)
    await person.ask("erasure")
    left = await person.stored()
    assert [contact["phone"] for contact in left["contacts"]] == ["+919812345679"]
    assert [conversation["phone"] for conversation in left["conversations"]] == ["+919812345679"]


async def test_somebody_who_hides_their_number_is_found_by_the_id_of_whatsapp(person: Person) -> None:
    services, tenant_id = person.door.house.services, person.door.tenant_id
    contact = await services.conversations.contact_of_identities(tenant_id, None, "IN.abc123")
    conversation = await services.conversations.open_for(contact)
    done = await person.ask("erasure", bsuid="IN.abc123")
    assert done["evidence"]["deleted"]["conversations"] == 1
    left = await person.stored()
    assert conversation.conversation_id not in str(left["conversations"]) and "IN.abc123" not in str(left)
    assert CUSTOMER in str(left["contacts"])


async def test_an_erasure_waits_while_the_person_is_on_the_phone(person: Person) -> None:
    house, tenant_id = person.door.house, person.door.tenant_id
    calls = house.services.database.tenant(tenant_id).collection("calls")
    await calls.update_one({"_id": person.call_id}, {"$set": {"status": CallStatus.IN_PROGRESS.value}})
    body = {"kind": "erasure", "phone": person.phone, "reason": "asked by e-mail"}
    asked = await person.door.ok("POST", "/v1/privacy-requests", json=body)
    with pytest.raises(Unavailable) as caught:
        await house.work()
    assert caught.value.code == "call_live"
    shown = await person.door.ok("GET", f"/v1/privacy-requests/{asked['id']}")
    assert (shown["status"], shown["error"]) == ("queued", "call_live")
    await calls.update_one({"_id": person.call_id}, {"$set": {"status": CallStatus.COMPLETED.value}})
    await house.services.privacy.requests.work(tenant_id, asked["id"])
    shown = await person.door.ok("GET", f"/v1/privacy-requests/{asked['id']}")
    assert (shown["status"], shown["error"]) == ("done", None)


async def test_each_step_is_audited_without_naming_the_person(person: Person) -> None:
    done = await person.ask("export")
    await archive_of(person, done["id"])
    await person.ask("erasure")
    entries = await person.door.ok("GET", "/v1/audit-entries?limit=100")
    told = [entry for entry in entries["data"] if entry["action"].startswith("privacy.")]
    assert [entry["action"] for entry in reversed(told)] == [
        "privacy.requested",
        "privacy.exported",
        "privacy.downloaded",
        "privacy.requested",
        "privacy.erased",
    ]
    assert CUSTOMER not in str(told) and len({str(entry["data"].get("subject")) for entry in told} - {"None"}) == 1
    stored = await person.stored()
    assert CUSTOMER not in str(stored["privacy_requests"])


async def test_a_lost_job_is_found_again_and_done_once(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    house = person.door.house
    body = {"kind": "export", "phone": person.phone, "reason": "asked by e-mail"}
    asked = await person.door.ok("POST", "/v1/privacy-requests", json=body)
    house.jobs.jobs.clear()
    requests, real = house.services.privacy.requests, house.services.clock.now
    assert await requests.sweep() == 0
    monkeypatch.setattr(requests._clock, "now", lambda: real() + timedelta(minutes=6))
    assert await requests.sweep() == 1 and [job.name for job in house.jobs.jobs] == [WORK]
    await house.work()
    await requests.work(person.door.tenant_id, asked["id"])
    assert (await person.door.ok("GET", f"/v1/privacy-requests/{asked['id']}"))["status"] == "done"
    monkeypatch.setattr(requests._clock, "now", lambda: real() + timedelta(days=8))
    await requests.sweep()
    assert (await person.door.request("GET", f"/v1/privacy-requests/{asked['id']}/archive")).status_code == 404


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"kind": "erasure", "reason": "asked"}, "/body"),
        ({"kind": "erasure", "phone": "98123", "reason": "asked"}, "/body/phone"),
        ({"kind": "delete", "phone": CUSTOMER, "reason": "asked"}, "/body/kind"),
        ({"kind": "export", "phone": CUSTOMER}, "/body/reason"),
        ({"kind": "export", "phone": CUSTOMER, "reason": "asked", "name": "x"}, "/body/name"),
    ],
)
async def test_a_wrong_request_is_told_where(house: House, body: dict[str, str], place: str) -> None:
    door = await house.tenant()
    answer = await door.request("POST", "/v1/privacy-requests", json=body)
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == place


async def test_an_erasure_has_no_archive_and_a_key_without_the_scope_no_door(house: House, person: Person) -> None:
    done = await person.ask("erasure")
    answer = await person.door.request("GET", f"/v1/privacy-requests/{done['id']}/archive")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_archive")
    key = await person.door.ok("POST", "/v1/api-keys", json={"name": "x", "scopes": ["calls:read"]})
    headers = {"Authorization": f"Bearer {key['key']}"}
    for path in ("/v1/privacy-requests", "/v1/retention"):
        assert (await house.client.get(path, headers=headers)).status_code == 403
