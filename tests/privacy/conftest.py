"""A tenant with a person of whom every room holds something."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.calls.events import CallEvent, CallEventKind
from app.calls.models import Call, CallStatus
from app.calls.repository import CallRepository
from app.compliance.models import ConsentChannel
from app.conversations.models import Author, CallContext, Channel, Direction, NewMessage, TranscriptLine
from app.dialogue.agents import Caller, ChannelKind
from app.dialogue.verification import Factor, VerificationPolicy
from app.kit.ids import new_id
from app.kit.sealed import SealedText
from app.kit.sealed_files import SealedFiles
from app.webhooks.models import EventType
from tests.house import CUSTOMER, House, TenantDoor, house, packs

__all__ = ["Person", "house", "packs", "person", "person_of"]

SECRETS = ("घर की चाबी गमले में है", "4512", "a voice in a wav file", "+919812345678", "9812345678")
AGES = timedelta(days=100)


@dataclass
class Person:
    """What was stored, and where it is looked for."""

    door: TenantDoor
    phone: str
    call_id: str
    conversation_id: str

    async def ask(self, kind: str, **who: str) -> dict[str, Any]:
        """Asks and lets the jobs work; returns the request as it stands then."""
        body = {"kind": kind, "reason": "asked by e-mail", **(who or {"phone": self.phone})}
        asked = await self.door.ok("POST", "/v1/privacy-requests", json=body)
        await self.door.house.work()
        shown: dict[str, Any] = await self.door.ok("GET", f"/v1/privacy-requests/{asked['id']}")
        return shown

    async def stored(self) -> dict[str, list[dict[str, Any]]]:
        """Returns everything that the store holds of the tenant, by collection."""
        services = self.door.house.services
        store = services.database.tenant(self.door.tenant_id)
        found = {
            name: await store.collection(name).find({}, limit=1_000) for name in await services.database.collections()
        }
        return {name: documents for name, documents in found.items() if documents}

    def files(self) -> list[Path]:
        """Returns the tenant's files."""
        data_dir = self.door.house.services.settings.data_dir
        return [path for path in data_dir.glob(f"*/{self.door.tenant_id}/*") if path.is_file()]


async def person_of(house: House, name: str = "Sundar", phone: str = CUSTOMER) -> Person:
    door = await house.tenant(name)
    services, tenant_id = house.services, door.tenant_id
    sealed = SealedText(services.vault)
    await door.ok("POST", "/v1/webhook-endpoints", json={"url": "https://hooks.example.com/x", "events": []})
    now = services.clock.now()
    call = Call(
        id=new_id("call"),
        tenant_id=tenant_id,
        agent_id="agent_1",
        carrier_call_id=new_id("plivo"),
        direction="inbound",
        from_number=phone,
        to_number="+918012345678",
        status=CallStatus.COMPLETED,
        created_at=now,
        answered_at=now,
        ended_at=now,
        recording_bytes=21,
    )
    calls = CallRepository(services.database.tenant(tenant_id), sealed)
    await calls.add(call)
    await calls.add_event(call.id, 1, CallEvent(CallEventKind.CALLER_TURN, 10, {"text": SECRETS[0]}))
    recordings = services.settings.data_dir / "recordings" / tenant_id
    recordings.mkdir(parents=True)
    audio = await services.vault.seal(tenant_id, SECRETS[2].encode(), call.id.encode())
    (recordings / f"{call.id}.wav.sealed").write_bytes(audio)
    context = CallContext(
        call_id=call.id,
        language="hi-IN",
        reason="human_agent",
        intent="order_status",
        slots={"order_id": "4512"},
        transcript=(TranscriptLine(Author.CUSTOMER, SECRETS[0], "hi-IN", 100),),
        request_text="व्हाट्सऐप पर भेजो",
    )
    handed = await services.handoff.keep(tenant_id, phone, context, "callback")
    assert handed is not None
    attachment = await services.inbox.attachments.add(
        tenant_id, b"%PDF-1.7", "application/pdf", created_by="customer", conversation_id=handed.conversation_id
    )
    assert attachment.conversation_id == handed.conversation_id
    conversation = await services.conversations.get(tenant_id, handed.conversation_id)
    message = NewMessage(Channel.WHATSAPP, Direction.INBOUND, Author.CUSTOMER, SECRETS[0], now)
    await services.conversations.append(conversation, message)
    await services.inbox.callbacks.ask(conversation, None, at=None, reason="card 4111 1111 1111 1111", asked_by="x")
    await services.inbox.search.index()
    await services.suppressions.opt_out(tenant_id, phone, [ConsentChannel.CALL], {"call_id": call.id, "words": "बंद"})
    await services.webhooks.publish(tenant_id, EventType.CALL_ENDED, {"call_id": call.id, "contact": phone})
    caller = Caller(phone, call.id, ChannelKind.CALL)
    await services.tools.checks.compare(
        tenant_id, caller, VerificationPolicy((Factor.PIN,)), Factor.PIN, "4821", {"verification": {"pin": "4821"}}
    )
    house.jobs.jobs.clear()
    return Person(door, phone, call.id, handed.conversation_id)


@pytest.fixture
async def person(house: House) -> Person:
    return await person_of(house)


def archives(house: House) -> SealedFiles:
    return SealedFiles(house.services.vault, house.services.settings.data_dir / "exports")
