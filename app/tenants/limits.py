"""How much of everything a tenant may have: the installation's default, or what the operator said of the tenant."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final
from weakref import WeakValueDictionary

from app.errors import Conflict, NotFound
from app.kit.mongo import Collection, Database

_TENANTS: Final = "tenants"
_PAUSES_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.4)
"""The longest wait of who withdrew for another process, before it tries again."""


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
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

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
        """Inserts a document where there is room for one more; never more than there is room for stay.

        Whoever sees too many after inserting withdraws: the last to look saw all that stay. Those who withdrew for each
        other, in several processes at the same moment, try again.

        Args:
            tenant_id: Whose.
            kept: What it is.
            document: With its `_id`.

        Raises:
            Conflict: `limit_reached`; or whatever the collection's own rules say.
        """
        rows, most = self._rows(tenant_id, kept.value), getattr(await self.of(tenant_id), kept.value)
        if most is None:
            await rows.insert_one(document)
            return
        key = f"{tenant_id} {kept}"
        turn = self._turns.get(key) or self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            for pause in _PAUSES_SECONDS:
                if await rows.count({}) >= most:
                    break
                await rows.insert_one(document)
                if await rows.count({}) <= most:
                    return
                await rows.delete_one({"_id": document["_id"]})
                await asyncio.sleep(random.uniform(0, pause))
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
