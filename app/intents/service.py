"""Keeps versions of own intents: drafted, trained behind, published, rolled back; one version serves an agent."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from app.agents.service import AgentService
from app.audit.log import AuditLog
from app.changes.kinds import Area
from app.changes.rules import ChangeRules
from app.errors import AppError, Conflict, NotFound, Unprocessable
from app.flows.service import FlowService
from app.intents.checks import faults_of
from app.intents.fitting import fit_apart
from app.intents.models import IntentVersion, OwnIntent, VersionStatus
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.jobs import Jobs
from app.kit.mongo import Collection, Database, IndexSpec
from app.languages.mind import LiveMind

COLLECTION: Final = "intent_versions"
INDEXES: Final = (IndexSpec(COLLECTION, (("tenant_id", 1), ("agent_id", 1), ("version", 1)), unique=True),)
TRAIN: Final = "intents.train"
_STUCK_AFTER: Final = timedelta(minutes=10)
_MOST_VERSIONS: Final = 200
_log = structlog.get_logger(__name__)


class IntentService:
    """The own intents of tenants' agents.

    Args:
        database: The store.
        agents: Whose intents.
        flows: What an own intent must start.
        mind: The packs that serve.
        models_dir: Where trained models are kept.
        audit: Who did what.
        jobs: Where training is left.
        clock: Time.
    """

    def __init__(
        self,
        database: Database,
        agents: AgentService,
        flows: FlowService,
        rules: ChangeRules,
        mind: LiveMind,
        models_dir: Path,
        audit: AuditLog,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._database = database
        self._agents = agents
        self._flows = flows
        self._rules = rules
        self._mind = mind
        self._models_dir = models_dir
        self._audit = audit
        self._jobs = jobs
        self._clock = clock

    async def draft(self, tenant_id: str, actor: str, agent_id: str, intents: Sequence[OwnIntent]) -> IntentVersion:
        """Keeps a new version and leaves its training to the worker.

        Raises:
            NotFound: No such agent.
            Unprocessable: Something is wrong with the intents: each fault with its place.
            Conflict: Another version was written at the same moment.
            Unavailable: The queue cannot be reached.
        """
        agent = await self._agents.get(tenant_id, agent_id)
        registry = self._mind.current.registry
        packs = {pack.tag: pack for pack in registry.packs}
        faults = await asyncio.to_thread(faults_of, intents, packs, agent.languages, registry.contract.intents)
        if faults:
            raise Unprocessable("the intents are wrong", code="intents_invalid", errors=faults)
        newest = await self.versions(tenant_id, agent_id)
        version = IntentVersion(
            version_id=new_id("intents"),
            tenant_id=tenant_id,
            agent_id=agent_id,
            version=newest[0].version + 1 if newest else 1,
            status=VersionStatus.QUEUED,
            author=actor,
            created_at=self._clock.now(),
            intents=tuple(intents),
        )
        await self._versions(tenant_id).insert_one(_document(version))
        await self._note(version, actor, "intents.drafted", {"intents": [intent.name for intent in intents]})
        await self._jobs.enqueue(TRAIN, {"tenant_id": tenant_id, "version_id": version.version_id})
        return version

    async def train(self, tenant_id: str, version_id: str) -> None:
        """The job: trains and judges a version; what goes wrong stands in it."""
        now = self._clock.now()
        versions = self._versions(tenant_id)
        found = await versions.find_one_and_update(
            {"_id": version_id, "status": VersionStatus.QUEUED},
            {"$set": {"status": VersionStatus.TRAINING, "trained_at": now}},
        )
        if found is None:
            stale = {"status": VersionStatus.TRAINING, "trained_at": {"$lt": now - _STUCK_AFTER}}
            found = await versions.find_one_and_update({"_id": version_id, **stale}, {"$set": {"trained_at": now}})
        if found is None:
            return
        version = _version(found)
        registry = self._mind.current.registry
        try:
            report = await asyncio.to_thread(fit_apart, registry, version.intents, self._models_dir)
        except (AppError, OSError, ValueError, RuntimeError, BrokenProcessPool) as error:
            _log.exception("intents.training_failed", tenant_id=tenant_id, version_id=version_id)
            failed = {"status": VersionStatus.FAILED, "failure": f"not trained: {type(error).__name__}; draft it again"}
            await versions.update_one({"_id": version_id}, {"$set": failed})
            return
        status = VersionStatus.READY if report.passed else VersionStatus.FAILED
        fields = {"status": status, "report": asdict(report), "failure": "; ".join(report.reasons) or None}
        await versions.update_one({"_id": version_id}, {"$set": {**fields, "trained_at": self._clock.now()}})
        await self._note(version, "system", "intents.trained", {"passed": report.passed, "right": report.right})

    async def publish(self, tenant_id: str, actor: str, agent_id: str, number: int) -> IntentVersion:
        """Lets a version that passed serve the agent's next calls and chats.

        Raises:
            NotFound: No such version.
            Conflict: It is not ready, or the agent asks for a replay first and none has passed.
            Forbidden: The tenant asks for two persons, and the same one wrote it (`second_person_needed`).
            Unprocessable: The agent follows no flow that an own intent starts.
        """
        version = await self.get(tenant_id, agent_id, number)
        agent = await self._agents.get(tenant_id, agent_id)
        if await self._rules.needs_two(tenant_id, Area.AGENTS):
            await self._rules.check_other(tenant_id, version.author, actor)
        if agent.replay_first and not (version.replay and version.replay["passed"]):
            detail = f"this agent asks for a passed replay first: POST /v1/agents/{agent_id}/replays with this version"
            raise Conflict(detail, code="replay_missing" if version.replay is None else "replay_failed")
        flows = await self._flows.serving(tenant_id, agent.flow_set, agent.languages)
        idle = [one.name for one in version.intents if flows is None or flows.frame_for(one.name) is None]
        if idle:
            detail = f"no live flow of this agent is started by {', '.join(idle)}: publish a flow set that names them"
            raise Unprocessable(detail, code="intent_without_flow")
        before = await self.live(tenant_id, agent_id)
        done = await self._move(version, VersionStatus.READY, VersionStatus.LIVE, actor)
        if before is not None:
            await self._move(before, VersionStatus.LIVE, VersionStatus.RETIRED)
        await self._note(done, actor, "intents.published", {"instead_of": before.version if before else None})
        return done

    async def roll_back(self, tenant_id: str, actor: str, agent_id: str) -> IntentVersion | None:
        """Lets the version serve again that served before; None: only the shipped intents serve now.

        Raises:
            NotFound: Nothing is live.
        """
        live = await self.live(tenant_id, agent_id)
        if live is None:
            raise NotFound("no own intents are live")
        retired = [v for v in await self.versions(tenant_id, agent_id) if v.status is VersionStatus.RETIRED]
        last = max(retired, key=lambda v: (v.published_at or v.created_at, v.version), default=None)
        done = await self._move(last, VersionStatus.RETIRED, VersionStatus.LIVE, actor) if last else None
        await self._move(live, VersionStatus.LIVE, VersionStatus.READY)
        await self._note(live, actor, "intents.rolled_back", {"to": done.version if done else None})
        return done

    async def page(
        self, tenant_id: str, agent_id: str, limit: int, starting_after: str | None
    ) -> tuple[list[IntentVersion], bool]:
        """Returns one page of an agent's versions, newest first, and whether more follow.

        Raises:
            NotFound: No such agent.
        """
        await self._agents.get(tenant_id, agent_id)
        page = await self._versions(tenant_id).page({"agent_id": agent_id}, limit, starting_after)
        return [_version(document) for document in page.data], page.has_more

    async def get(self, tenant_id: str, agent_id: str, number: int) -> IntentVersion:
        """Returns a version.

        Raises:
            NotFound: No such version.
        """
        found = await self._versions(tenant_id).find_one({"agent_id": agent_id, "version": number})
        if found is None:
            raise NotFound(f"there is no version {number} of this agent's intents")
        return _version(found)

    async def versions(self, tenant_id: str, agent_id: str) -> list[IntentVersion]:
        """Returns an agent's versions, newest first."""
        found = await self._versions(tenant_id).find(
            {"agent_id": agent_id}, sort=(("version", -1),), limit=_MOST_VERSIONS
        )
        return [_version(document) for document in found]

    async def trained(self, tenant_id: str, agent_id: str, number: int) -> IntentVersion:
        """Returns a version that has been trained, whether it passed or not.

        Raises:
            NotFound: No such version.
            Conflict: It is not trained.
        """
        version = await self.get(tenant_id, agent_id, number)
        if version.report is None:
            raise Conflict(f"version {number} is {version.status.value}; it has no model yet", code="wrong_status")
        return version

    async def note_replay(self, tenant_id: str, agent_id: str, number: int, verdict: Mapping[str, Any]) -> None:
        """Keeps what came of the last replay against a version: id, passed, done_at."""
        named = {"agent_id": agent_id, "version": number}
        await self._versions(tenant_id).update_one(named, {"$set": {"replay": dict(verdict)}})

    async def live(self, tenant_id: str, agent_id: str) -> IntentVersion | None:
        """Returns what serves an agent, or None."""
        found = await self._versions(tenant_id).find(
            {"agent_id": agent_id, "status": VersionStatus.LIVE}, sort=(("published_at", -1),), limit=1
        )
        return _version(found[0]) if found else None

    async def _move(
        self, version: IntentVersion, before: VersionStatus, after: VersionStatus, publisher: str | None = None
    ) -> IntentVersion:
        fields: dict[str, Any] = {"status": after}
        if publisher is not None:
            fields |= {"published_by": publisher, "published_at": self._clock.now()}
        found = await self._versions(version.tenant_id).find_one_and_update(
            {"_id": version.version_id, "status": before}, {"$set": fields}
        )
        if found is None:
            detail = f"version {version.version} is {version.status.value}, not {before.value}"
            raise Conflict(detail, code="wrong_status")
        return _version(found)

    async def _note(self, version: IntentVersion, actor: str, what: str, data: Mapping[str, Any]) -> None:
        facts = {"agent_id": version.agent_id, "version": version.version, **data}
        await self._audit.record(version.tenant_id, actor, what, version.version_id, facts)

    def _versions(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _document(version: IntentVersion) -> dict[str, Any]:
    values = {name: getattr(version, name) for name in IntentVersion.__dataclass_fields__ if name != "tenant_id"}
    values["_id"] = values.pop("version_id")
    values["intents"] = [asdict(intent) for intent in version.intents]
    return values


def _version(document: Mapping[str, Any]) -> IntentVersion:
    names = IntentVersion.__dataclass_fields__
    values: dict[str, Any] = {name: document.get(name) for name in names if name != "version_id"}
    values["status"] = VersionStatus(document["status"])
    values["intents"] = tuple(OwnIntent(**intent) for intent in document["intents"])
    return IntentVersion(version_id=document["_id"], **values)
