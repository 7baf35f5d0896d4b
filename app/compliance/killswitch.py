"""The kill switch: what the agents of a tenant, one agent, or all of them may still do, from this moment on.

Set over REST or by `vaanisetu kill-switch`; read when a call rings and before each turn of a live one. It lies in the
store, so it survives every restart, and each change is a line of the audit log.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import structlog

from app.audit.log import AuditLog
from app.errors import AppError
from app.kit.clock import Clock
from app.kit.mongo import Database, IndexSpec
from app.kit.redaction import redact_figures
from app.webhooks.models import EventType, Publish

COLLECTION: Final = "kill_switches"
INDEXES = (IndexSpec(COLLECTION, (("active", 1),), across_tenants="every process watches all active switches"),)
OPERATOR_CHAIN: Final = "operator"
"""The audit chain of what the operator does to all tenants at once."""
_EVERYONE: Final = "all"
_WATCH_SECONDS: Final = 1.0
_MOST: Final = 10_000
_log = structlog.get_logger("compliance")


class KillMode(StrEnum):
    """What is left to do: everything, only handing calls to a person, only moving them to WhatsApp, or nothing."""

    OFF = "off"
    TRANSFER_ONLY = "transfer_only"
    WHATSAPP_ONLY = "whatsapp_only"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """One switch. `tenant_id` None is everyone's; `agent_id` None is the whole tenant's."""

    tenant_id: str | None
    agent_id: str | None
    mode: KillMode
    reason: str
    set_by: str
    set_at: datetime


def strictest(switches: Iterable[KillSwitch]) -> KillMode:
    """Returns what holds when several switches apply: a stop wins, else the widest one that is set."""
    by_width = sorted(switches, key=lambda switch: (switch.tenant_id is not None, switch.agent_id is not None))
    modes = [switch.mode for switch in by_width if switch.mode is not KillMode.OFF]
    if KillMode.STOP in modes:
        return KillMode.STOP
    return modes[0] if modes else KillMode.OFF


class KillSwitches:
    """Writes and reads the switches."""

    def __init__(self, database: Database, audit: AuditLog, clock: Clock, publish: Publish | None = None) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._publish = publish

    async def set(
        self, mode: KillMode, *, actor: str, reason: str, tenant_id: str | None = None, agent_id: str | None = None
    ) -> KillSwitch:
        """Sets a switch; it holds for new calls at once, for live ones within a second, at their next turn.

        Args:
            mode: `off` lifts it.
            actor: Who sets it.
            reason: Why, for the audit log.
            tenant_id: Whose agents; None: everyone's.
            agent_id: One agent of the tenant; None: all of them.
        """
        if agent_id is not None and tenant_id is None:
            raise ValueError("an agent's switch names its tenant")
        reason = redact_figures(reason)
        switch = KillSwitch(tenant_id, agent_id, mode, reason, actor, self._clock.now())
        document = {
            "agent_id": agent_id,
            "mode": mode.value,
            "active": mode is not KillMode.OFF,
            "reason": reason,
            "set_by": actor,
            "set_at": switch.set_at,
        }
        identity = _identity(tenant_id, agent_id)
        if tenant_id is None:
            store = self._database.system("the operator's kill switch is everyone's").collection(COLLECTION)
        else:
            store = self._database.tenant(tenant_id).collection(COLLECTION)
        await store.update_one({"_id": identity}, {"$set": document}, upsert=True)
        data = {"mode": mode.value, "reason": reason}
        await self._audit.record(tenant_id or OPERATOR_CHAIN, actor, "kill_switch.set", agent_id or identity, data)
        if self._publish is not None and tenant_id is not None:
            await self._publish(tenant_id, EventType.KILL_SWITCH_SET, {"agent_id": agent_id, **data})
        return switch

    async def of(self, tenant_id: str) -> list[KillSwitch]:
        """Returns every switch that bears on a tenant: everyone's, its own and its agents', set or lifted."""
        everyone = self._database.system("everyone's kill switch bears on a tenant").collection(COLLECTION)
        shared = await everyone.find_one({"_id": _EVERYONE})
        own = await self._database.tenant(tenant_id).collection(COLLECTION).find({}, limit=_MOST)
        return [_switch(document) for document in [*([shared] if shared else []), *own]]

    async def mode(self, tenant_id: str, agent_id: str) -> KillMode:
        """Returns what an agent may do, read from the store.

        Raises:
            Unavailable: The store does not answer: the caller must not go on as if nothing was set.
        """
        identities = [_EVERYONE, tenant_id, _identity(tenant_id, agent_id)]
        store = self._database.system("a call asks for all switches that bear on it").collection(COLLECTION)
        return strictest(_switch(document) for document in await store.find({"_id": {"$in": identities}}))

    async def active(self) -> list[KillSwitch]:
        """Returns every switch that is set."""
        store = self._database.system("a process watches all kill switches").collection(COLLECTION)
        return [_switch(document) for document in await store.find({"active": True}, limit=_MOST)]


class KillSwitchWatch:
    """What this process knows of the switches, for live calls: renewed each second, kept while the store is away."""

    def __init__(self, switches: KillSwitches) -> None:
        self._switches = switches
        self._active: Mapping[str, KillSwitch] = {}

    def mode(self, tenant_id: str, agent_id: str) -> KillMode:
        """Returns what an agent may do; costs two dictionary reads."""
        if not self._active:
            return KillMode.OFF
        identities = (_EVERYONE, tenant_id, _identity(tenant_id, agent_id))
        return strictest(self._active[identity] for identity in identities if identity in self._active)

    async def refresh(self) -> None:
        """Reads the switches once.

        Raises:
            Unavailable: The store does not answer; what was known stays.
        """
        active = await self._switches.active()
        self._active = {_identity(switch.tenant_id, switch.agent_id): switch for switch in active}

    async def run(self) -> None:
        """Refreshes until cancelled."""
        away = False
        while True:
            try:
                await self.refresh()
                away = False
            except AppError as error:
                if not away:
                    _log.warning("kill_switch.not_read", code=error.code)
                away = True
            await asyncio.sleep(_WATCH_SECONDS)


def _identity(tenant_id: str | None, agent_id: str | None) -> str:
    if tenant_id is None:
        return _EVERYONE
    return tenant_id if agent_id is None else f"{tenant_id}:{agent_id}"


def _switch(document: Mapping[str, Any]) -> KillSwitch:
    return KillSwitch(
        document.get("tenant_id"),
        document["agent_id"],
        KillMode(document["mode"]),
        document["reason"],
        document["set_by"],
        document["set_at"],
    )
