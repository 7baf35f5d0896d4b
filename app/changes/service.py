"""Keeps proposed changes until another person approves or refuses them; approved ones are applied at once.

Rooms say how a kind of change is applied (`Kind`); the composition root hands these in. Nothing serves from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import orjson

from app.audit.log import AuditLog
from app.changes.kinds import Area, Kind
from app.changes.rules import ChangeRules
from app.errors import AppError, Conflict, NotFound
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.sealed import SealedText

COLLECTION: Final = "changes"
INDEXES: Final = (IndexSpec(COLLECTION, (("tenant_id", 1), ("status", 1))),)


class ChangeStatus(StrEnum):
    """Where a change stands."""

    PENDING = "pending"
    APPLIED = "applied"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Change:
    """A change as stored.

    Attributes:
        change_id: `chg_<ulid>`.
        tenant_id: Whose.
        kind: Such as `agent.update`.
        area: What it belongs to.
        target: What is changed; of something new the tenant's id.
        payload: The request's body.
        status: Where it stands.
        proposed_by: Key or member.
        proposed_at: Aware UTC.
        decided_by: Key or member.
        decided_at: Aware UTC.
        note: Why.
        result: The id that it was done to, or the error's code.
    """

    change_id: str
    tenant_id: str
    kind: str
    area: Area
    target: str
    payload: Mapping[str, Any]
    status: ChangeStatus
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    note: str | None
    result: str | None


class Changes:
    """The proposed changes of each tenant."""

    def __init__(
        self,
        database: Database,
        rules: ChangeRules,
        sealed: SealedText,
        kinds: Mapping[str, Kind],
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._rules = rules
        self._sealed = sealed
        self._kinds = kinds
        self._audit = audit
        self._clock = clock

    async def hold(
        self, tenant_id: str, actor: str, kind: str, target: str, payload: Mapping[str, Any]
    ) -> Change | None:
        """Keeps a change for another person, where its area takes two; None: it may be done at once.

        Args:
            tenant_id: Whose.
            actor: Who proposes.
            kind: One of the kinds.
            target: What is changed.
            payload: The request's body, JSON values.

        Raises:
            NotFound: The target is not this tenant's.
            Unprocessable: The change does not fit.
        """
        how = self._kinds[kind]
        if not await self._rules.needs_two(tenant_id, how.area):
            return None
        return await self.propose(tenant_id, actor, kind, target, payload)

    async def propose(self, tenant_id: str, actor: str, kind: str, target: str, payload: Mapping[str, Any]) -> Change:
        """Keeps a change for another person, whatever the rules say; see `hold`."""
        how, change_id = self._kinds[kind], new_id("chg")
        if how.check is not None:
            await how.check(tenant_id, target, payload)
        text = orjson.dumps(dict(payload)).decode()
        document = {
            "_id": change_id,
            "kind": kind,
            "area": how.area.value,
            "target": target,
            "sealed": await self._sealed.seal(tenant_id, change_id, text),
            "basis": await how.basis(tenant_id, target),
            "status": ChangeStatus.PENDING.value,
            "proposed_by": actor,
            "proposed_at": self._clock.now(),
            "decided_by": None,
            "decided_at": None,
            "note": None,
            "result": None,
        }
        await self._rows(tenant_id).insert_one(document)
        data = {"kind": kind, "target_id": target, "fields": sorted(payload)}
        await self._audit.record(tenant_id, actor, "change.proposed", change_id, data)
        return await self._change({**document, "tenant_id": tenant_id})

    async def approve(self, tenant_id: str, actor: str, change_id: str, note: str | None) -> Change:
        """Applies a change that another person proposed.

        Raises:
            AppError: It does not fit any more; the change is `failed` then, and says why.
            Conflict: It is decided already (`already_decided`), or its target changed since (`stale_change`).
            Forbidden: The same person proposed it (`second_person_needed`).
            NotFound: Not this tenant's.
        """
        found = await self._pending(tenant_id, change_id)
        await self._rules.check_other(tenant_id, found["proposed_by"], actor)
        how = self._kinds[found["kind"]]
        try:
            if await how.basis(tenant_id, found["target"]) != found["basis"]:
                raise Conflict("its target was changed since it was proposed; propose it anew", code="stale_change")
            taken = await self._decide(tenant_id, change_id, ChangeStatus.APPLIED, actor, note)
            change = await self._change(taken)
            result = await how.apply(tenant_id, actor, change.target, change.payload)
        except AppError as error:
            if error.code == "already_decided":
                raise
            status = ChangeStatus.PENDING if error.retryable else ChangeStatus.FAILED
            await self._settle(tenant_id, change_id, status, error.code)
            await self._note(found, actor, "failed", {"code": error.code})
            raise
        await self._settle(tenant_id, change_id, ChangeStatus.APPLIED, result)
        await self._note(found, actor, "applied", {"proposed_by": found["proposed_by"], "result_id": result})
        return await self.get(tenant_id, change_id)

    async def refuse(self, tenant_id: str, actor: str, change_id: str, note: str | None) -> Change:
        """Refuses a change, or takes the own one back.

        Raises:
            Conflict: It is decided already.
            NotFound: Not this tenant's.
        """
        found = await self._pending(tenant_id, change_id)
        await self._decide(tenant_id, change_id, ChangeStatus.REFUSED, actor, note)
        await self._note(found, actor, "refused", {"proposed_by": found["proposed_by"]})
        return await self.get(tenant_id, change_id)

    async def get(self, tenant_id: str, change_id: str) -> Change:
        """Returns a change.

        Raises:
            NotFound: Not this tenant's.
        """
        return await self._change(await self._stored(tenant_id, change_id))

    async def page(
        self, tenant_id: str, limit: int, starting_after: str | None, status: ChangeStatus | None
    ) -> tuple[list[Change], bool]:
        """Returns one page, newest first, and whether more follow."""
        query = {"status": status.value} if status is not None else {}
        page = await self._rows(tenant_id).page(query, limit, starting_after)
        return [await self._change(document) for document in page.data], page.has_more

    async def _pending(self, tenant_id: str, change_id: str) -> Mapping[str, Any]:
        found = await self._stored(tenant_id, change_id)
        if found["status"] != ChangeStatus.PENDING.value:
            raise Conflict(f"it is {found['status']} already", code="already_decided")
        return found

    async def _decide(
        self, tenant_id: str, change_id: str, status: ChangeStatus, actor: str, note: str | None
    ) -> Mapping[str, Any]:
        fields = {"status": status.value, "decided_by": actor, "decided_at": self._clock.now(), "note": note}
        changed = await self._rows(tenant_id).find_one_and_update(
            {"_id": change_id, "status": ChangeStatus.PENDING.value}, {"$set": fields}
        )
        if changed is None:
            raise Conflict("somebody else decided it meanwhile", code="already_decided")
        return changed

    async def _settle(self, tenant_id: str, change_id: str, status: ChangeStatus, result: str) -> None:
        fields = {"status": status.value, "result": result}
        await self._rows(tenant_id).update_one({"_id": change_id}, {"$set": fields})

    async def _note(self, found: Mapping[str, Any], actor: str, what: str, data: Mapping[str, Any]) -> None:
        facts = {"kind": found["kind"], "target_id": found["target"], **data}
        await self._audit.record(found["tenant_id"], actor, f"change.{what}", found["_id"], facts)

    async def _stored(self, tenant_id: str, change_id: str) -> Mapping[str, Any]:
        found = await self._rows(tenant_id).find_one({"_id": change_id})
        if found is None:
            raise NotFound(f"no change {change_id}")
        return found

    async def _change(self, document: Mapping[str, Any]) -> Change:
        payload = await self._sealed.open(document["tenant_id"], document["_id"], document["sealed"])
        names = ("kind", "target", "proposed_by", "proposed_at", "decided_by", "decided_at", "note", "result")
        return Change(
            change_id=document["_id"],
            tenant_id=document["tenant_id"],
            area=Area(document["area"]),
            payload=orjson.loads(payload),
            status=ChangeStatus(document["status"]),
            **{name: document[name] for name in names},
        )

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)
