"""Whether an agent answers: draft until it goes live, paused when its tenant says so; whose test calls it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from app.audit.log import AuditLog
from app.kit.clock import Clock
from app.kit.mongo import Database

COLLECTION: Final = "agent_states"
TEST_CALLS_FOR: Final = timedelta(minutes=15)
PROVEN_FOR: Final = timedelta(days=30)
_MOST_TESTERS: Final = 10
_MOST: Final = 10_000


class AgentState(StrEnum):
    """Only a live agent answers whoever rings."""

    DRAFT = "draft"
    LIVE = "live"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Standing:
    """An agent's state, since when (aware UTC) and by whom; None: nobody has changed it yet."""

    state: AgentState = AgentState.DRAFT
    changed_at: datetime | None = None
    changed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Tester:
    """Somebody who tries an agent, known by a hash of their number.

    Attributes:
        since: From when on test calls were expected of them (aware UTC).
        until: Until when (aware UTC).
        proven_at: When such a call last came; None: not known.
    """

    since: datetime
    until: datetime
    proven_at: datetime | None = None


class Lifecycle:
    """The states of each tenant's agents.

    Args:
        database: The store.
        digest: Makes a keyed hash of a tester's number: numbers of people do not lie here.
        audit: Who changed what.
        clock: Time.
    """

    def __init__(self, database: Database, digest: Callable[[str], str], audit: AuditLog, clock: Clock) -> None:
        self._database = database
        self._digest = digest
        self._audit = audit
        self._clock = clock

    async def of(self, tenant_id: str, agent_id: str) -> Standing:
        """Returns where an agent stands; one that nobody put anywhere is a draft."""
        return _standing(await self._find(tenant_id, agent_id))

    async def all(self, tenant_id: str) -> dict[str, Standing]:
        """Returns the standing of each agent that somebody changed, by its id."""
        found = await self._database.tenant(tenant_id).collection(COLLECTION).find({}, limit=_MOST)
        return {document["_id"]: _standing(document) for document in found}

    async def put(self, tenant_id: str, actor: str, agent_id: str, state: AgentState) -> Standing:
        """Changes an agent's state; calls under way go on. Repeating it changes nothing."""
        before = await self.of(tenant_id, agent_id)
        if before.state is state:
            return before
        standing = Standing(state, self._clock.now(), actor)
        fields = {"state": state.value, "changed_at": standing.changed_at, "changed_by": actor}
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        await collection.update_one({"_id": agent_id}, {"$set": fields}, upsert=True)
        await self._audit.record(tenant_id, actor, f"agent.{state.value}", agent_id, {"before": before.state.value})
        return standing

    async def expect_test(
        self, tenant_id: str, actor: str, agent_id: str, number: str, *, proven_at: datetime | None = None
    ) -> datetime:
        """Lets calls with a number through to an agent that is not live.

        Args:
            tenant_id: Whose agent.
            actor: Who asks.
            agent_id: Which.
            number: The tester's, E.164.
            proven_at: When a test call came from it (aware UTC), if that is known.

        Returns:
            Until when (aware UTC).
        """
        now, mark = self._clock.now(), self._mark(agent_id, number)
        until = now + TEST_CALLS_FOR
        known = _testers(await self._find(tenant_id, agent_id))
        before = known.pop(mark, None)
        proven_at = proven_at or (before.proven_at if before is not None else None)
        kept = {other: tester for other, tester in known.items() if tester.until > now - PROVEN_FOR}
        latest = dict(sorted(kept.items(), key=lambda entry: entry[1].until)[-(_MOST_TESTERS - 1) :])
        rows = [_row(other, tester) for other, tester in {**latest, mark: Tester(now, until, proven_at)}.items()]
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        await collection.update_one({"_id": agent_id}, {"$set": {"testers": rows}}, upsert=True)
        await self._audit.record(tenant_id, actor, "agent.test_call_expected", agent_id, {"until": until.isoformat()})
        return until

    async def answers(self, tenant_id: str, agent_id: str, caller: str) -> bool:
        """Returns whether an agent takes a call from a number: it is live, or the call is an expected test."""
        found = await self._find(tenant_id, agent_id)
        if _standing(found).state is AgentState.LIVE:
            return True
        tester = _testers(found).get(self._mark(agent_id, caller))
        return tester is not None and self._clock.now() < tester.until

    async def tester(self, tenant_id: str, agent_id: str, number: str) -> Tester | None:
        """Returns who tries an agent from a number (E.164), or None."""
        return _testers(await self._find(tenant_id, agent_id)).get(self._mark(agent_id, number))

    async def forget(self, tenant_id: str, agent_id: str) -> None:
        """Drops what is known of an agent that was deleted."""
        await self._database.tenant(tenant_id).collection(COLLECTION).delete_one({"_id": agent_id})

    async def _find(self, tenant_id: str, agent_id: str) -> dict[str, Any] | None:
        return await self._database.tenant(tenant_id).collection(COLLECTION).find_one({"_id": agent_id})

    def _mark(self, agent_id: str, number: str) -> str:
        return self._digest(f"test-call:{agent_id}:{number}")


def _standing(document: Mapping[str, Any] | None) -> Standing:
    if document is None or "state" not in document:
        return Standing()
    return Standing(AgentState(document["state"]), document["changed_at"], document["changed_by"])


def _testers(document: Mapping[str, Any] | None) -> dict[str, Tester]:
    rows = document.get("testers", []) if document is not None else []
    return {
        row["mark"]: Tester(row.get("since", row["until"] - TEST_CALLS_FOR), row["until"], row.get("proven_at"))
        for row in rows
    }


def _row(mark: str, tester: Tester) -> dict[str, Any]:
    return {"mark": mark, "since": tester.since, "until": tester.until, "proven_at": tester.proven_at}
