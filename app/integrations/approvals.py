"""Restricted writes: asked for in a conversation, decided by a person over REST, done once or refused."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson

from app.audit.log import AuditLog
from app.changes.kinds import Area
from app.changes.rules import ChangeRules
from app.errors import Conflict, NotFound
from app.integrations.ledger import WriteOrder
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.jobs import Jobs
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.redaction import redact_figures
from app.kit.sealed import SealedText

COLLECTION: Final = "approvals"
DECIDED: Final = "tools.decided"
INDEXES: Final = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("key", 1)), unique=True),
    IndexSpec(
        COLLECTION, (("status", 1), ("carried_out", 1)), across_tenants="the sweep over decisions not carried out"
    ),
)
_STRANDED_AFTER: Final = timedelta(minutes=1)

Publish = Callable[[str, Mapping[str, Any]], Awaitable[None]]


class ApprovalStatus(StrEnum):
    """What was decided."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Approval:
    """A write that a person decides about.

    Attributes:
        approval_id: `approval_<ulid>`.
        order: What is asked for.
        status: What was decided.
        requested_at: Aware UTC.
        decided_at: Aware UTC.
        decided_by: The key that decided.
        person: The name that came with the decision.
        note: Why.
        write_id: What came of it, once approved.
        first_approved_by: The first of two, where the tenant asks for two.
    """

    approval_id: str
    order: WriteOrder
    status: ApprovalStatus
    requested_at: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    person: str | None = None
    note: str | None = None
    write_id: str | None = None
    first_approved_by: str | None = None


class Approvals:
    """The approvals of each tenant. Each change is a compare-and-set, audited, and signalled."""

    def __init__(
        self,
        database: Database,
        sealed: SealedText,
        audit: AuditLog,
        jobs: Jobs,
        clock: Clock,
        publish: Publish,
        rules: ChangeRules,
    ) -> None:
        self._rules = rules
        self._database = database
        self._sealed = sealed
        self._audit = audit
        self._jobs = jobs
        self._clock = clock
        self._publish = publish

    async def request(self, order: WriteOrder) -> Approval:
        """Stores a request; the same key gives the same request."""
        approval_id, now = new_id("approval"), self._clock.now()
        secret = orjson.dumps({"arguments": dict(order.arguments), "caller": order.caller}).decode()
        document = {
            "_id": approval_id,
            "key": order.key,
            "agent_id": order.agent_id,
            "reference": order.reference,
            "tool": order.tool,
            "sealed": await self._sealed.seal(order.tenant_id, approval_id, secret),
            "status": ApprovalStatus.PENDING.value,
            "carried_out": False,
            "requested_at": now,
            "decided_at": None,
            "decided_by": None,
            "person": None,
            "note": None,
            "write_id": None,
        }
        rows = self._rows(order.tenant_id)
        try:
            await rows.insert_one(document)
        except Conflict:
            found = await rows.find_one({"key": order.key})
            if found is None:
                raise
            return await self._approval(found)
        data = {"tool": order.tool, "reference": order.reference, "agent_id": order.agent_id}
        await self._audit.record(order.tenant_id, "caller", "approval.requested", approval_id, data)
        await self._signal(order.tenant_id, approval_id, "requested")
        return await self._approval({**document, "tenant_id": order.tenant_id})

    async def decide(
        self, tenant_id: str, approval_id: str, actor: str, *, approve: bool, person: str | None, note: str | None
    ) -> Approval:
        """Decides, once.

        Args:
            tenant_id: Whose.
            approval_id: What.
            actor: The key.
            approve: Whether it is done.
            person: Who decided, by name.
            note: Why.

        Raises:
            NotFound: Not this tenant's.
            Conflict: It is decided already (`already_decided`).
            Forbidden: The tenant asks for two people, and this one approved it before (`second_person_needed`).
        """
        if approve and await self._waits_for_second(tenant_id, approval_id, actor):
            return await self.get(tenant_id, approval_id)
        status = ApprovalStatus.APPROVED if approve else ApprovalStatus.REFUSED
        changed = await self._rows(tenant_id).find_one_and_update(
            {"_id": approval_id, "status": ApprovalStatus.PENDING.value},
            {
                "$set": {
                    "status": status.value,
                    "decided_at": self._clock.now(),
                    "decided_by": actor,
                    "person": person,
                    "note": redact_figures(note) if note else note,
                }
            },
        )
        if changed is None:
            found = await self.get(tenant_id, approval_id)
            raise Conflict(f"it is {found.status.value} already", code="already_decided")
        data = {"tool": changed["tool"], "person": person}
        await self._audit.record(tenant_id, actor, f"approval.{status.value}", approval_id, data)
        await self._signal(tenant_id, approval_id, status.value)
        await self._jobs.enqueue(DECIDED, {"tenant_id": tenant_id, "approval_id": approval_id})
        return await self._approval(changed)

    async def _waits_for_second(self, tenant_id: str, approval_id: str, actor: str) -> bool:
        """Takes the first of two approvals; returns False once another person may go on."""
        if not await self._rules.needs_two(tenant_id, Area.RESTRICTED_ACTIONS):
            return False
        rows = self._rows(tenant_id)
        first = await rows.find_one_and_update(
            {"_id": approval_id, "status": ApprovalStatus.PENDING.value, "first_approved_by": None},
            {"$set": {"first_approved_by": actor}},
        )
        if first is not None:
            await self._audit.record(tenant_id, actor, "approval.first_approved", approval_id, {"tool": first["tool"]})
            await self._signal(tenant_id, approval_id, "first_approved")
            return True
        found = await rows.find_one({"_id": approval_id}, ["first_approved_by"])
        if found is not None and found.get("first_approved_by"):
            await self._rules.check_other(tenant_id, found["first_approved_by"], actor)
        return False

    async def carried_out(self, approval: Approval, write_id: str | None) -> None:
        """Notes that a decision was carried out."""
        await self._rows(approval.order.tenant_id).update_one(
            {"_id": approval.approval_id}, {"$set": {"carried_out": True, "write_id": write_id}}
        )

    async def get(self, tenant_id: str, approval_id: str) -> Approval:
        """Returns an approval.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._rows(tenant_id).find_one({"_id": approval_id})
        if found is None:
            raise NotFound(f"no approval {approval_id}")
        return await self._approval(found)

    async def page(
        self, tenant_id: str, limit: int, starting_after: str | None, status: ApprovalStatus | None
    ) -> tuple[list[Approval], bool]:
        """Returns one page, newest first, and whether more follow."""
        query = {"status": status.value} if status is not None else {}
        page = await self._rows(tenant_id).page(query, limit, starting_after)
        return [await self._approval(document) for document in page.data], page.has_more

    async def stranded(self) -> list[Approval]:
        """Returns decisions of all tenants that were not carried out, since a job was lost."""
        states = [ApprovalStatus.APPROVED.value, ApprovalStatus.REFUSED.value]
        before = self._clock.now() - _STRANDED_AFTER
        found = await (
            self._database.system("decisions that were not carried out")
            .collection(COLLECTION)
            .find({"status": {"$in": states}, "carried_out": False, "decided_at": {"$lte": before}}, limit=50)
        )
        return [await self._approval(document) for document in found]

    async def _signal(self, tenant_id: str, approval_id: str, what: str) -> None:
        await self._publish(tenant_id, {"type": f"approval.{what}", "approval_id": approval_id})

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)

    async def _approval(self, document: Mapping[str, Any]) -> Approval:
        tenant_id, approval_id = document["tenant_id"], document["_id"]
        secret = orjson.loads(await self._sealed.open(tenant_id, approval_id, document["sealed"]))
        order = WriteOrder(
            tenant_id=tenant_id,
            agent_id=document["agent_id"],
            reference=document["reference"],
            tool=document["tool"],
            arguments=secret["arguments"],
            key=document["key"],
            caller=secret["caller"],
            approval_id=approval_id,
        )
        fields = {
            name: document[name] for name in ("requested_at", "decided_at", "decided_by", "person", "note", "write_id")
        }
        return Approval(
            approval_id=approval_id,
            order=order,
            status=ApprovalStatus(document["status"]),
            first_approved_by=document.get("first_approved_by"),
            **fields,
        )
