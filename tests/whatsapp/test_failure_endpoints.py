"""What agents see of a message that failed: the reason by name, by Meta's code and in their language."""

import pytest

from tests.house import CUSTOMER, PHONE_NUMBER_ID, House
from tests.standins.graph import Fault
from whatsapp.failures import table

pytestmark = pytest.mark.integration


async def test_behaviour_16_a_failed_message_says_why_and_what_may_be_done(house: House) -> None:
    tenant = await house.tenant()
    await tenant.connect_whatsapp()
    house.graph.customer_writes(PHONE_NUMBER_ID, CUSTOMER.removeprefix("+"), "hello")

    async def answered() -> bool:
        return bool((await tenant.ok("GET", "/v1/conversations", params={"phone": CUSTOMER}))["data"])

    await house.until(answered)
    [conversation] = (await tenant.ok("GET", "/v1/conversations", params={"phone": CUSTOMER}))["data"]
    place = f"/v1/conversations/{conversation['id']}"
    await house.work()
    house.graph.faults.append(Fault(code=131047))
    await tenant.ok("POST", f"{place}/messages", json={"text": "late"}, headers={"Idempotency-Key": "late-message-1"})
    await house.work()
    messages = (await tenant.ok("GET", f"{place}/messages"))["data"]
    [delivery] = [message["delivery"] for message in messages if message["text"] == "late"]
    assert delivery["state"] == "failed"
    assert (delivery["failure"], delivery["error_code"]) == ("window_closed", 131047)
    assert delivery["remedy"] == "close_window"
    packs = house.services.packs
    assert delivery["failure_texts"] == {tag: pack.failures["window_closed"] for tag, pack in packs.items()}
    sent = [message["delivery"] for message in messages if message["author"] == "bot"]
    assert all(one["failure"] is None and one["failure_texts"] == {} for one in sent)


async def test_the_whole_table_is_shown(house: House) -> None:
    tenant = await house.tenant()
    shown = (await tenant.ok("GET", "/v1/whatsapp/failures"))["data"]
    assert [line["name"] for line in shown] == list(table())
    [paused] = [line for line in shown if 132015 in line["codes"]]
    assert paused["name"] == "template_paused" and paused["remedy"] == "alternate"
    assert paused["texts"]["ta-IN"] == house.services.packs["ta-IN"].failures["template_paused"]
