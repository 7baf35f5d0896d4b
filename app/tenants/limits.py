"""How much of everything a tenant may have: the installation's default, or what the operator said of the tenant."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from app.errors import Conflict, NotFound
from app.kit.mongo import Collection, Database

_TENANTS: Final = "tenants"


class Kept(StrEnum):
    """What a tenant keeps a limited number of; each is also the name of its collection."""

    AGENTS = "agents"
    PHONE_NUMBERS = "phone_numbers"
    MEMBERS = "members"


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each; None: no limit.

    Attributes:
        agents: Voice agents.
        phone_numbers: Numbers that ring here.
        members: People, disabled ones included.
        calls_at_once: Calls that ring or are talked on, in and out, over all processes.
        outbound_calls_a_day: Calls out within 24 hours; the installation's own limit holds beside it.
        minutes_a_month: Minutes talked in a calendar month (UTC).
    """

    agents: int | None = None
    phone_numbers: int | None = None
    members: int | None = None
    calls_at_once: int | None = None
    outbound_calls_a_day: int | None = None
    minutes_a_month: int | None = None


class TenantLimits:
    """The limits of each tenant. `default` holds for tenants of whom the operator said nothing."""

    def __init__(self, database: Database, default: Limits) -> None:
        self._database = database
        self._default = default

    async def of(self, tenant_id: str) -> Limits:
        """Returns a tenant's limits."""
        found = await self._rows(tenant_id, _TENANTS).find_one({"_id": tenant_id}, ["limits"])
        stored = found.get("limits") if found is not None else None
        return self._default if stored is None else Limits(**stored)

    async def put(self, tenant_id: str, changes: Mapping[str, int | None]) -> Limits:
        """Changes some limits of a tenant; what it has beyond them stays.

        Raises:
            NotFound: There is no such tenant.
        """
        limits = Limits(**{**asdict(await self.of(tenant_id)), **changes})
        kept = {"$set": {"limits": asdict(limits)}}
        if not await self._rows(tenant_id, _TENANTS).update_one({"_id": tenant_id}, kept):
            raise NotFound(f"no tenant {tenant_id}")
        return limits

    async def insert(self, tenant_id: str, kept: Kept, document: Mapping[str, Any]) -> None:
        """Inserts a document where there is room for one more; of many at once, as many stay as there is room for.

        Args:
            tenant_id: Whose.
            kept: What it is.
            document: With its `_id`, which is younger than the others'.

        Raises:
            Conflict: `limit_reached`; or whatever the collection's own rules say.
        """
        rows, most = self._rows(tenant_id, kept.value), getattr(await self.of(tenant_id), kept.value)
        if most is not None and await rows.count({}) >= most:
            raise _reached(kept, most)
        await rows.insert_one(dict(document))
        if most is not None and await rows.count({"_id": {"$lte": document["_id"]}}) > most:
            await rows.delete_one({"_id": document["_id"]})
            raise _reached(kept, most)

    async def used(self, tenant_id: str) -> dict[Kept, int]:
        """Returns how much of everything a tenant keeps."""
        return {kept: await self._rows(tenant_id, kept.value).count({}) for kept in Kept}

    def _rows(self, tenant_id: str, name: str) -> Collection:
        return self._database.tenant(tenant_id).collection(name)


def _reached(kept: Kept, most: int) -> Conflict:
    what = kept.value.replace("_", " ")
    detail = f"this tenant may have {most} {what}; delete one, or ask the operator for more"
    return Conflict(detail, code="limit_reached")
