"""Creates one of every resource that a path of the API can name, each holding a mark that nobody else may read.

A new path parameter needs its entry in `belongings`: until then the isolation walk fails and names it.
"""

from dataclasses import dataclass
from typing import Any

from app.calls.events import CallEvent, CallEventKind
from app.calls.ports import Direction, NumberRoute
from app.compliance.calling_rules import CallPurpose
from app.integrations.ledger import WriteOrder
from app.outbound.service import CallRequest
from app.rehearsal.replays import Candidate, Order
from app.tenants.models import WhatsAppCredentials
from tests.service.whole import LANGUAGES, Tenant, Whole
from whatsapp.failures import named
from whatsapp.payload import Item, ItemKind
from whatsapp.templates.models import Facts

MARK = "tamarind"
"""Stands in every text of the tenant that owns everything."""

FLOW = """name: cancel_order
kind: frame
intents: [cancel_order]
slots:
  - name: order_id
    type: digits
    fewest_digits: 4
    most_digits: 10
    ask: [ask_order_id]
confirm: confirm_cancel_order
tool: cancel_order
write: true
answers:
  cancelled: our_own_words
  already_cancelled: cancel_order_already
  too_late: cancel_order_too_late
not_found: order_not_found
sentences:
  our_own_words:
    en-IN: ["Order {order_id} is off the tamarind list."]
    hi-IN: ["ऑर्डर {order_id} tamarind हटा दिया है।"]
"""


GIFT = {
    "name": f"{MARK}_gift",
    "means": f"wants a {MARK} gift wrapped",
    "examples": {
        tag: [f"wrap {MARK} {what}" for what in "paper box jar cloth net bag tin jute".split()] for tag in LANGUAGES
    },
    "tests": {tag: [f"{MARK} {what} wrap" for what in ("ribbon", "card", "leaf")] for tag in LANGUAGES},
}
"""An intent of the tenant's own."""


@dataclass
class Belongings:
    """What a tenant owns: the value of each path parameter, and the ids that nobody else may be shown."""

    owner: Tenant
    values: dict[str, str]

    def fill(self, path: str, values: dict[str, str] | None = None) -> str:
        filled = path
        for name, value in (values or self.values).items():
            filled = filled.replace("{" + name + "}", value)
        return filled


async def belongings(whole: Whole, owner: Tenant) -> Belongings:
    values = {"tenant_id": owner.id, **await _configuration(owner)}
    values |= await _conversation(whole, owner, values)
    values |= await _call(whole, owner, values)
    values |= await _replay(whole, owner, values)
    return Belongings(owner, values)


async def _configuration(owner: Tenant) -> dict[str, str]:
    agent = await owner.agent(name=f"{MARK} support", entity_name=f"{MARK} Stores")
    key = await owner.ok("POST", "/v1/api-keys", json={"name": f"{MARK} key"})
    member = await owner.ok(
        "POST", "/v1/members", json={"email": f"{MARK}@example.in", "name": f"{MARK} M", "role": "developer"}
    )
    number = await owner.ok("POST", "/v1/phone-numbers", json={"number": "+918047000001", "agent_id": agent["id"]})
    hook = await owner.ok(
        "POST", "/v1/webhook-endpoints", json={"url": f"https://{MARK}.example.in/hook", "description": MARK}
    )
    told = await owner.ok("POST", f"/v1/webhook-endpoints/{hook['id']}/test")
    draft = await owner.ok("PUT", f"/v1/flow-sets/{MARK}/draft", json={"files": {"cancel_order.yaml": FLOW}})
    await owner.ok("PUT", f"/v1/agents/{agent['id']}/intents/draft", json={"intents": [GIFT]})
    await owner.ok("PUT", "/v1/credentials/plivo", json={"auth_id": "MA" + MARK.upper(), "auth_token": "t" * 40})
    secrets = {"access_token": MARK * 3, "app_secret": MARK * 3, "verify_token": MARK * 3}
    await owner.ok("PUT", "/v1/credentials/whatsapp", json={"phone_number_id": "106540352240001", **secrets})
    await owner.ok("PUT", "/v1/credentials/whatsapp/numbers/106540352240002", json={"label": MARK})
    way = {"wording": "Owner may write to me", "purpose": "service", "language": "en-IN", "confirmation": MARK}
    opt_in = await owner.ok("POST", "/v1/whatsapp/opt-ins", json={**way, "keyword": f"join {MARK}"})
    return {
        "opt_in_id": opt_in["id"],
        "phone_number_id": "106540352240002",
        "agent_id": agent["id"],
        "key_id": key["id"],
        "member_id": member["id"],
        "number_id": number["id"],
        "endpoint_id": hook["id"],
        "delivery_id": told["id"],
        "name": MARK,
        "version": str(draft["version"]),
        "provider": "plivo",
    }


async def _conversation(whole: Whole, owner: Tenant, known: dict[str, str]) -> dict[str, str]:
    rooms = whole.app.state.services
    contact = await rooms.conversations.contact_for(owner.id, "+919812345678")
    conversation = await rooms.conversations.open_for(contact, language=LANGUAGES[0], agent_id=known["agent_id"])
    order = WriteOrder(owner.id, known["agent_id"], "call_1", "cancel_order", {"order_id": MARK}, "cancel:1")
    change = await rooms.changes.propose(owner.id, "key_1", "agent.update", known["agent_id"], {"name": MARK})
    approval = await rooms.tools.approvals.request(order)
    asked = await owner.ok(
        "POST", "/v1/privacy-requests", json={"kind": "export", "phone": "+919812345678", "reason": MARK}
    )
    team = await owner.ok("POST", "/v1/inbox/teams", json={"name": f"{MARK} team"})
    reply = await owner.ok("POST", "/v1/inbox/canned-replies", json={"shortcut": MARK, "texts": {"en-IN": MARK}})
    place = f"/v1/conversations/{conversation.conversation_id}"
    note = await owner.ok("POST", f"{place}/notes", json={"text": MARK})
    wish = await owner.ok("POST", f"{place}/callbacks", json={"reason": MARK})
    file = await owner.ok("POST", "/v1/attachments", files={"file": (f"{MARK}.txt", MARK.encode(), "text/plain")})
    item = Item(ItemKind.MESSAGE, f"/entry/0/{MARK}", "106540352242922", {"id": MARK})
    await rooms.whatsapp_inbox.parked.park(owner.id, "wraw_1", item, MARK)
    [parked] = (await rooms.whatsapp_inbox.parked.page(owner.id, 1, None)).data
    template = await rooms.templates.registry.submitted(owner.id, "102290129340398", Facts(MARK, "en"))
    frozen = WhatsAppCredentials("106540352242922", "token", "secret", "verify")
    await rooms.whatsapp_holds.needs_a_person(owner.id, frozen, named("number_frozen"), "out_1")
    [hold] = (await rooms.whatsapp_holds.page(owner.id, 1, None)).data
    return {
        "hold_id": hold["_id"],
        "template_id": template.template_id,
        "item_id": parked["_id"],
        "contact_id": contact.contact_id,
        "team_id": team["id"],
        "reply_id": reply["id"],
        "message_id": note["id"],
        "callback_id": wish["id"],
        "attachment_id": file["id"],
        "request_id": asked["id"],
        "conversation_id": conversation.conversation_id,
        "approval_id": approval.approval_id,
        "change_id": change.change_id,
    }


async def _call(whole: Whole, owner: Tenant, known: dict[str, str]) -> dict[str, str]:
    calls = whole.app.state.calls
    route = NumberRoute(owner.id, known["agent_id"], "+918047000001", "MA", "token")
    record = await calls.ring(
        route,
        carrier_call_id="uuid-of-the-walk",
        from_number="+919812345678",
        to_number=route.number,
        direction=Direction.INBOUND,
    )
    said: dict[str, Any] = {"text": MARK, "by": "voice", "ended_at_ms": 900, "language": "en-IN", "intent": "repeat"}
    await calls.calls_of(owner.id).add_event(record.call_id, 1, CallEvent(CallEventKind.CALLER_TURN, 900, said))
    return {"call_id": record.call_id, "outbound_call_id": await _call_to_be_placed(whole, owner, known)}


async def _replay(whole: Whole, owner: Tenant, known: dict[str, str]) -> dict[str, str]:
    order = Order(Candidate(flow_set=MARK, flow_version=int(known["version"])), 5, 0.0, {})
    replay = await whole.app.state.replays.ask(owner.id, "key_1", known["agent_id"], order)
    return {"replay_id": replay.replay_id}


async def _call_to_be_placed(whole: Whole, owner: Tenant, known: dict[str, str]) -> str:
    rooms = whole.app.state.services
    asked = CallRequest("+919812345678", known["agent_id"], CallPurpose.SERVICE, {LANGUAGES[0]: MARK})
    call = await rooms.outbound._made(owner.id, "key_1", asked)
    await rooms.outbound.calls.add(call)
    return str(call.call_id)
