"""Forgets a tenant: its data key is deleted, so that nothing sealed opens again, then everything that is not law.

What stays is the log of processing (rule IN-13): audit entries, consents and the do-not-contact list, until their time
is over; then they go too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from app.audit.log import ANCHORS, AuditLog
from app.compliance.killswitch import OPERATOR_CHAIN, KillMode, KillSwitches
from app.errors import FieldError, NotFound, Unprocessable
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.vault import Vault
from app.privacy.opening import TenantFiles
from app.tenants.service import TenantService

COLLECTION: Final = "forgotten_tenants"
CLEAR: Final = "privacy.clear_tenant"
INDEXES = (
    IndexSpec(COLLECTION, (("cleared_at", 1),), across_tenants="the sweep over forgotten tenants that are not cleared"),
)
KEPT: Final = frozenset({"audit", ANCHORS, "consents", "suppressions", "data_keys", "kill_switches", COLLECTION})
LOG_KEPT: Final = timedelta(days=366)
SUPPRESSIONS_KEPT: Final = timedelta(days=1827)
_AFTER_LOG: Final = ("audit", ANCHORS, "consents", "kill_switches")
_DOORS: Final = ("webhook_endpoints", "webhook_deliveries", "phone_numbers", "sessions", "members", "api_keys")
_RAW: Final = "whatsapp_webhooks"


@dataclass(frozen=True, slots=True)
class ForgottenTenant:
    """A tenant that is gone. `evidence` counts what was deleted, by collection, and the files."""

    tenant_id: str
    forgotten_at: datetime
    cleared_at: datetime | None
    evidence: Mapping[str, int]


class TenantEnding:
    """The operator's way to forget a tenant."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        files: TenantFiles,
        tenants: TenantService,
        switches: KillSwitches,
        audit: AuditLog,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._files = files
        self._tenants = tenants
        self._switches = switches
        self._audit = audit
        self._jobs = jobs
        self._clock = clock

    async def forget(self, tenant_id: str, name: str) -> ForgottenTenant:
        """Stops the tenant, closes its doors and deletes its key, at once; a job deletes the rest.

        Args:
            tenant_id: Whom.
            name: The tenant's name, against slips.

        Raises:
            NotFound: No such tenant.
            Unprocessable: The name is another's.
        """
        known = await self._rows(tenant_id, COLLECTION).find_one({"_id": tenant_id})
        if known is not None:
            return _forgotten(known)
        tenant = await self._tenants.get(tenant_id)
        if tenant.name != name:
            fault = FieldError("/query/name", "must be the tenant's name as stored, so that no other is meant")
            raise Unprocessable("the name is not this tenant's", errors=[fault])
        closed = {door: await self._rows(tenant_id, door).delete_many({}) for door in _DOORS}
        await self._switches.set(KillMode.STOP, actor="operator", reason="the tenant is forgotten", tenant_id=tenant_id)
        await self._vault.forget(tenant_id)
        document = {
            "_id": tenant_id,
            "forgotten_at": self._clock.now(),
            "cleared_at": None,
            "evidence": orjson.dumps({door: count for door, count in closed.items() if count}).decode(),
            "log_kept": True,
        }
        await self._rows(tenant_id, COLLECTION).replace_one({"_id": tenant_id}, document, upsert=True)
        for chain in (tenant_id, OPERATOR_CHAIN):
            await self._audit.record(chain, "operator", "tenant.forgotten", tenant_id)
        await self._jobs.enqueue(CLEAR, {"tenant_id": tenant_id})
        return _forgotten(document)

    async def get(self, tenant_id: str) -> ForgottenTenant:
        """Returns how far it is.

        Raises:
            NotFound: The tenant was not forgotten.
        """
        found = await self._rows(tenant_id, COLLECTION).find_one({"_id": tenant_id})
        if found is None:
            raise NotFound(f"{tenant_id} was not forgotten")
        return _forgotten(found)

    async def clear(self, tenant_id: str) -> None:
        """Deletes whatever is stored of a forgotten tenant, of every collection; a job, repeatable."""
        found = await self._rows(tenant_id, COLLECTION).find_one({"_id": tenant_id})
        if found is None:
            return
        evidence: dict[str, int] = dict(orjson.loads(found["evidence"]))
        for name in await self._database.collections():
            if name not in KEPT and (count := await self._rows(tenant_id, name).delete_many({})):
                evidence[name] = evidence.get(name, 0) + count
        if raw := await self._clear_raw(tenant_id):
            evidence[_RAW] = evidence.get(_RAW, 0) + raw
        evidence["files"] = evidence.get("files", 0) + await self._files.delete_all(tenant_id)
        fields = {"cleared_at": self._clock.now(), "evidence": orjson.dumps(evidence).decode()}
        await self._rows(tenant_id, COLLECTION).update_one({"_id": tenant_id}, {"$set": fields})
        await self._audit.record(OPERATOR_CHAIN, "system", "tenant.cleared", tenant_id, {"deleted": evidence})

    async def sweep(self) -> int:
        """Clears tenants whose job was lost, and deletes their logs when the law's time is over."""
        store, now = self._database.system("forgotten tenants").collection(COLLECTION), self._clock.now()
        lost = await store.find({"cleared_at": None, "forgotten_at": {"$lt": now - timedelta(minutes=5)}})
        for document in lost:
            await self._jobs.enqueue(CLEAR, {"tenant_id": document["_id"]})
        done = await store.find({"log_kept": True, "forgotten_at": {"$lt": now - LOG_KEPT}})
        for document in done:
            for name in _AFTER_LOG:
                await self._rows(document["_id"], name).delete_many({})
            await store.update_one({"_id": document["_id"]}, {"$set": {"log_kept": False}})
            await self._audit.record(OPERATOR_CHAIN, "system", "tenant.log_deleted", document["_id"])
        for document in await store.find({"forgotten_at": {"$lt": now - SUPPRESSIONS_KEPT}}):
            await self._rows(document["_id"], "suppressions").delete_many({})
        return len(lost) + len(done)

    async def _clear_raw(self, tenant_id: str) -> int:
        """Deletes raw webhooks that were this tenant's alone; those shared with others go within a week."""
        store = self._database.system("a forgotten tenant's raw webhooks").collection(_RAW)
        after, count = "", 0
        while page := await store.find({"_id": {"$gt": after}}, limit=500, projection=["routes"]):
            after = page[-1]["_id"]
            for document in page:
                if document["routes"] and all(route["tenant_id"] == tenant_id for route in document["routes"]):
                    count += await store.delete_one({"_id": document["_id"]})
        return count

    def _rows(self, tenant_id: str, name: str) -> Collection:
        return self._database.tenant(tenant_id).collection(name)


def _forgotten(document: Mapping[str, Any]) -> ForgottenTenant:
    return ForgottenTenant(
        document["_id"], document["forgotten_at"], document["cleared_at"], orjson.loads(document["evidence"])
    )
