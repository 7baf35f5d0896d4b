"""The demo's tenant is set up through the front door, and its templates by Meta's review."""

import pytest

from app.demo.seed import Accounts, Seeder
from app.simulate.graph import ACCOUNT_ID
from tests.house import (
    ACCESS_TOKEN,
    APP_SECRET,
    OPERATOR_KEY,
    PHONE_NUMBER_ID,
    PLIVO_AUTH_ID,
    PLIVO_AUTH_TOKEN,
    VERIFY_TOKEN,
    House,
    house,
    packs,
)

__all__ = ["house", "packs"]

pytestmark = pytest.mark.integration
KNOWN = Accounts(
    plivo_auth_id=PLIVO_AUTH_ID,
    plivo_auth_token=PLIVO_AUTH_TOKEN,
    whatsapp_token=ACCESS_TOKEN,
    whatsapp_secret=APP_SECRET,
    whatsapp_verify_token=VERIFY_TOKEN,
    orders_token="orders-token-of-the-tests",
    phone_number_id=PHONE_NUMBER_ID,
    business_account_id=ACCOUNT_ID,
)


async def test_the_seed_submits_every_template_and_has_them_approved(house: House) -> None:
    house.graph.shelf.entries.clear()
    languages = list(house.services.packs)
    async with Seeder(house.base, OPERATOR_KEY) as seeder:
        seeder._http.timeout = 60.0
        demo = await seeder.seed(KNOWN, languages, orders_url=house.base, graph_url=house.url)
    assert list(demo.numbers) == languages
    headers = {"Authorization": f"Bearer {demo.api_key}"}
    answer = await house.client.get("/v1/whatsapp/templates", params={"limit": 100}, headers=headers)
    listed = answer.json()["data"]
    assert {(entry["name"], entry["language"]) for entry in listed} == {
        (name, pack.manifest.whatsapp_code) for pack in house.services.packs.values() for name in pack.templates
    }
    assert {(entry["status"], entry["sendable"]) for entry in listed} == {("APPROVED", True)}
