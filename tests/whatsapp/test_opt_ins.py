"""Consent by a message of one's own: a keyword or the text behind a QR code, whole, and nothing else."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.compliance.models import ConsentChannel, ConsentEntry, Decision, Purpose
from tests.house import CUSTOMER, PHONE_NUMBER_ID, House, TenantDoor
from tests.whatsapp.test_webhook import WA_ID, connected, messages, post, text, webhook

pytestmark = pytest.mark.integration
WAYS = "/v1/whatsapp/opt-ins"
QR: dict[str, Any] = {
    "wording": "Yes, Sundar may send me offers on WhatsApp",
    "purpose": "marketing",
    "language": "en-IN",
    "confirmation": "Thank you. Write STOP to end this.",
    "business_phone": "+918047000001",
}


async def says(house: House, wamid: str, words: str) -> None:
    house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
    await post(house, webhook({"messages": [text(wamid, words)]}))
    await house.work()


async def agreed(tenant: TenantDoor, purpose: Purpose) -> ConsentEntry | None:
    ledger = tenant.house.services.consents
    return await ledger.latest(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP, purpose)


async def test_behaviour_22_the_text_of_a_qr_code_is_consent_only_whole(house: House) -> None:
    tenant = await connected(house)
    way = await tenant.ok("POST", WAYS, json=QR)
    link = urlsplit(way["link"])
    assert (link.netloc, link.path) == ("wa.me", "/918047000001")
    assert parse_qs(link.query)["text"] == [way["text"]] and way["code"] in way["text"]
    await says(house, "wamid.1", f"what is {way['code']}?")
    await says(house, "wamid.2", QR["wording"])
    assert await agreed(tenant, Purpose.MARKETING) is None, "part of it is no consent"
    for _ in range(2):
        await says(house, "wamid.3", way["text"])
    entry = await agreed(tenant, Purpose.MARKETING)
    assert entry is not None and entry.decision is Decision.GRANTED
    assert (entry.wording, entry.language, entry.evidence["source"]) == (QR["wording"], "en-IN", "qr")
    assert entry.evidence["provider_id"] == "wamid.3" and entry.given_at is not None
    assert await agreed(tenant, Purpose.SERVICE) is None, "consent to one purpose is not consent to another"
    call = await house.services.consents.latest(tenant.tenant_id, CUSTOMER, ConsentChannel.CALL, Purpose.MARKETING)
    assert call is None, "nor to calls"
    said = [message["text"] for message in await messages(tenant) if message["direction"] == "outbound"]
    assert said.count(QR["confirmation"]) == 1
    assert len(house.brain.heard) == 2, "the bot is not asked about a consent"


async def test_behaviour_23_a_keyword_after_stop_agrees_to_whatsapp_and_calls_stay_forbidden(house: House) -> None:
    tenant = await connected(house)
    body = {**QR, "purpose": "service", "keyword": "JOIN SUNDAR"}
    way = await tenant.ok("POST", WAYS, json=body)
    assert way["code"] is None and way["link"].endswith("JOIN%20SUNDAR")
    await says(house, "wamid.1", "stop")
    await says(house, "wamid.2", "join sundar!")
    entry = await agreed(tenant, Purpose.SERVICE)
    assert entry is not None and (entry.decision, entry.evidence["source"]) == (Decision.GRANTED, "keyword")
    suppressions = house.services.suppressions
    assert not await suppressions.is_suppressed(tenant.tenant_id, CUSTOMER, ConsentChannel.WHATSAPP)
    assert await suppressions.is_suppressed(tenant.tenant_id, CUSTOMER, ConsentChannel.CALL)
    await tenant.ok("DELETE", f"{WAYS}/{way['id']}")
    assert (await tenant.ok("GET", WAYS))["data"] == []
    await says(house, "wamid.3", "join sundar")
    assert house.brain.heard == ["join sundar"]


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"wording": "Yes, you may send me offers"}, 422, "/body/wording"),
        ({"keyword": "STOP"}, 422, "/body/keyword"),
        ({"keyword": "Call!"}, 422, "/body/keyword"),
        ({"keyword": "!!"}, 422, "/body/keyword"),
        ({"business_phone": None}, 422, "/body/business_phone"),
    ],
)
async def test_a_way_to_agree_that_could_mislead_is_refused(
    house: House, changes: dict[str, Any], status: int, pointer: str
) -> None:
    tenant = await house.tenant()
    answer = await tenant.request("POST", WAYS, json={**QR, **changes})
    assert answer.status_code == status and [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_one_message_agrees_to_one_thing(house: House) -> None:
    tenant = await house.tenant()
    await tenant.ok("POST", WAYS, json={**QR, "keyword": "JOIN"})
    taken = await tenant.request("POST", WAYS, json={**QR, "keyword": "join."})
    assert (taken.status_code, taken.json()["code"]) == (409, "opt_in_taken")
