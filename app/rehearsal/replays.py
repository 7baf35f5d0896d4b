"""Replays: an agent's past calls played against a candidate before it goes live; asked over REST, done by a job.

A replay keeps which turns would go otherwise, by call and number; what the caller said stays where it is, sealed, and
is read anew, audited, when somebody looks.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import structlog

from app.audit.log import AuditLog
from app.dialogue.agents import AgentDirectory
from app.dialogue.past import PastCall, Transcripts
from app.dialogue.turn import ToolResult
from app.errors import AppError, NotFound
from app.flows.service import FlowService
from app.intents.minds import OwnMinds
from app.intents.service import IntentService
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.jobs import Jobs
from app.kit.mongo import Collection, Database, IndexSpec
from app.languages.mind import LiveMind
from app.rehearsal.playing import Difference, Player, Stage, Verdict

COLLECTION: Final = "replays"
INDEXES: Final = (IndexSpec(COLLECTION, (("tenant_id", 1), ("agent_id", 1))),)
REPLAY: Final = "replays.run"
MOST_TURNS: Final = 2_000
_SHOWN: Final = 100
_STUCK_AFTER: Final = timedelta(minutes=10)
_log = structlog.get_logger(__name__)


class ReplayStatus(StrEnum):
    """How far it is."""

    QUEUED = "queued"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What would go live: a version of the agent's own intents, a version of a flow set, or both."""

    intents_version: int | None = None
    flow_set: str | None = None
    flow_version: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be played.

    Attributes:
        candidate: What would go live.
        calls: The newest calls, at most so many.
        allowed_share: Share of calls (0..1) that may go for the worse.
        answers: What the tenant's systems are taken to answer, by tool; a tool without one is down.
    """

    candidate: Candidate
    calls: int
    allowed_share: float
    answers: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay as stored; `report` is there once it is done, `failure` if it could not be done."""

    replay_id: str
    tenant_id: str
    agent_id: str
    status: ReplayStatus
    author: str
    created_at: datetime
    order: Order
    done_at: datetime | None = None
    report: Mapping[str, Any] | None = None
    failure: str | None = None


class ReplayService:
    """The replays of tenants' agents.

    Args:
        database: The store.
        transcripts: What callers said.
        agents: The agents as they serve.
        intents: Own intents.
        minds: Understanders of own intents.
        flows: Own flows.
        mind: The packs that serve.
        audit: Who did what.
        jobs: Where the playing is left.
        clock: Time.
    """

    def __init__(
        self,
        database: Database,
        transcripts: Transcripts,
        agents: AgentDirectory,
        intents: IntentService,
        minds: OwnMinds,
        flows: FlowService,
        mind: LiveMind,
        audit: AuditLog,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._database = database
        self._transcripts = transcripts
        self._agents = agents
        self._intents = intents
        self._minds = minds
        self._flows = flows
        self._mind = mind
        self._audit = audit
        self._jobs = jobs
        self._clock = clock

    async def ask(self, tenant_id: str, actor: str, agent_id: str, order: Order) -> Replay:
        """Keeps a replay and leaves it to the worker.

        Raises:
            NotFound: No such agent, or no such version.
            Conflict: The intents' version is not trained.
            Unprocessable: The flows' version no longer fits.
            Unavailable: The queue cannot be reached.
        """
        await self._agents.setup(tenant_id, agent_id)
        await self._check(tenant_id, agent_id, order.candidate)
        replay = Replay(new_id("replay"), tenant_id, agent_id, ReplayStatus.QUEUED, actor, self._clock.now(), order)
        await self._replays(tenant_id).insert_one(_document(replay))
        facts = {"agent_id": agent_id, **asdict(order.candidate), "calls": order.calls}
        await self._audit.record(tenant_id, actor, "replay.asked", replay.replay_id, facts)
        await self._jobs.enqueue(REPLAY, {"tenant_id": tenant_id, "replay_id": replay.replay_id})
        return replay

    async def run(self, tenant_id: str, replay_id: str) -> None:
        """The job: plays the calls and keeps the report; what goes wrong stands in it."""
        replays, now = self._replays(tenant_id), self._clock.now()
        begun = {"$set": {"status": ReplayStatus.WORKING, "done_at": now}}
        found = await replays.find_one_and_update({"_id": replay_id, "status": ReplayStatus.QUEUED}, begun)
        if found is None:
            stale = {"status": ReplayStatus.WORKING, "done_at": {"$lt": now - _STUCK_AFTER}}
            found = await replays.find_one_and_update({"_id": replay_id, **stale}, begun)
        if found is None:
            return
        replay = _replay(found)
        try:
            report = await self._played(replay)
        except (AppError, OSError, ValueError, RuntimeError) as error:
            _log.exception("replay.failed", tenant_id=tenant_id, replay_id=replay_id)
            reason = error.detail if isinstance(error, AppError) else type(error).__name__
            failed = {"status": ReplayStatus.FAILED, "failure": f"not played: {reason}; ask again"}
            await replays.update_one({"_id": replay_id}, {"$set": {**failed, "done_at": self._clock.now()}})
            return
        done = {"status": ReplayStatus.DONE, "report": report, "done_at": self._clock.now()}
        await replays.update_one({"_id": replay_id}, {"$set": done})
        if (version := replay.order.candidate.intents_version) is not None:
            verdict = {"id": replay_id, "passed": report["passed"], "done_at": self._clock.now()}
            await self._intents.note_replay(tenant_id, replay.agent_id, version, verdict)

    async def get(self, tenant_id: str, agent_id: str, replay_id: str) -> Replay:
        """Returns a replay.

        Raises:
            NotFound: No such replay of this agent.
        """
        found = await self._replays(tenant_id).find_one({"_id": replay_id, "agent_id": agent_id})
        if found is None:
            raise NotFound("there is no such replay of this agent")
        return _replay(found)

    async def words(self, replay: Replay, actor: str) -> dict[tuple[str, int], str]:
        """Returns what the caller said in each turn that differs; the look is written into the audit log.

        What was erased since is absent.
        """
        if replay.report is None or not replay.report["differences"]:
            return {}
        calls = sorted({one["call_id"] for one in replay.report["differences"]})
        await self._audit.record(replay.tenant_id, actor, "replay.transcripts_read", replay.replay_id, {"calls": calls})
        return {
            (call_id, number): text
            for call_id in calls
            for number, text in (await self._transcripts.words(replay.tenant_id, call_id)).items()
        }

    async def page(
        self, tenant_id: str, agent_id: str, limit: int, starting_after: str | None
    ) -> tuple[list[Replay], bool]:
        """Returns one page of an agent's replays, newest first, and whether more follow.

        Raises:
            NotFound: No such agent.
        """
        await self._agents.setup(tenant_id, agent_id)
        page = await self._replays(tenant_id).page({"agent_id": agent_id}, limit, starting_after)
        return [_replay(document) for document in page.data], page.has_more

    async def _check(self, tenant_id: str, agent_id: str, candidate: Candidate) -> None:
        if candidate.intents_version is not None:
            await self._intents.trained(tenant_id, agent_id, candidate.intents_version)
        if candidate.flow_set is not None and candidate.flow_version is not None:
            await self._flows.loaded(tenant_id, candidate.flow_set, candidate.flow_version)

    async def _played(self, replay: Replay) -> dict[str, Any]:
        tenant_id, agent_id, order = replay.tenant_id, replay.agent_id, replay.order
        setup = await self._agents.setup(tenant_id, agent_id)
        serving = await self._intents.live(tenant_id, agent_id)
        shared = self._mind.current.understander
        live = Player(await self._minds.fetched(serving) if serving else shared, setup.profile)
        candidate, wanted = live, order.candidate
        if wanted.intents_version is not None:
            version = await self._intents.trained(tenant_id, agent_id, wanted.intents_version)
            candidate = replace(candidate, understander=await self._minds.fetched(version))
        if wanted.flow_set is not None and wanted.flow_version is not None:
            flows = await self._flows.loaded(tenant_id, wanted.flow_set, wanted.flow_version)
            candidate = replace(candidate, profile=replace(setup.profile, flows=flows))
        answers = {name: ToolResult(**values) for name, values in order.answers.items()}
        now = setup.profile.hours.local(self._clock.now())
        stage = Stage(self._mind.current.dialogue, answers, now)
        calls = _within(await self._transcripts.newest(tenant_id, agent_id, order.calls))
        facts = {"calls": len(calls), "turns": sum(len(call.turns) for call in calls), "asked_by": replay.author}
        await self._audit.record(tenant_id, "system", "replay.transcripts_played", replay.replay_id, facts)
        differences = [found for call in calls if (found := await stage.compare(call, live, candidate)) is not None]
        return _report(calls, differences, order.allowed_share)

    def _replays(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _within(calls: list[PastCall]) -> list[PastCall]:
    """Returns the newest calls whose turns can be played in the time of a job."""
    kept: list[PastCall] = []
    turns = 0
    for call in calls:
        turns += len(call.turns)
        if turns > MOST_TURNS:
            break
        kept.append(call)
    return kept


def _report(calls: list[PastCall], differences: list[Difference], allowed: float) -> dict[str, Any]:
    counts = {verdict: sum(one.verdict is verdict for one in differences) for verdict in Verdict}
    worse = counts[Verdict.WORSE] + counts[Verdict.BROKEN]
    share = worse / len(calls) if calls else 0.0
    order = (Verdict.BROKEN, Verdict.WORSE, Verdict.CHANGED, Verdict.BETTER)
    shown = sorted(differences, key=lambda one: order.index(one.verdict))[:_SHOWN]
    return {
        "passed": bool(calls) and counts[Verdict.BROKEN] == 0 and share <= allowed,
        "calls": len(calls),
        "turns": sum(len(call.turns) for call in calls),
        "worse_share": round(share, 4),
        "allowed_share": allowed,
        **{verdict.value: count for verdict, count in counts.items()},
        "differences": [one.to_json() for one in shown],
    }


def _document(replay: Replay) -> dict[str, Any]:
    values = asdict(replay)
    del values["tenant_id"]
    values["_id"] = values.pop("replay_id")
    return values


def _replay(document: Mapping[str, Any]) -> Replay:
    order = document["order"]
    values: dict[str, Any] = {name: document.get(name) for name in Replay.__dataclass_fields__}
    values |= {"replay_id": document["_id"], "status": ReplayStatus(document["status"])}
    values["order"] = Order(**{**order, "candidate": Candidate(**order["candidate"])})
    return Replay(**values)
