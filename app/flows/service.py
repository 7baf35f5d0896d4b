"""Keeps tenants' flows: checks drafts, has them approved, lets one version of a set serve, goes back to the last."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, Final

import structlog

from app.audit.log import AuditLog
from app.changes.kinds import Area
from app.changes.rules import ChangeRules
from app.dialogue.flow import Flows
from app.dialogue.flow_source import FlowFaults, ToolFacts, default_sources, load_flows
from app.errors import Conflict, FieldError, NotFound, Unprocessable
from app.flows.models import FlowStatus, FlowVersion
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Database, IndexSpec
from app.language.contract import Contract

VERSIONS: Final = "flow_versions"
INDEXES: Final = (IndexSpec(VERSIONS, (("tenant_id", 1), ("name", 1), ("version", 1)), unique=True),)
_MOST_KEPT: Final = 256
_MOST_VERSIONS: Final = 500
_log = structlog.get_logger(__name__)


class FlowService:
    """The flow sets of each tenant.

    Args:
        database: The store.
        contract: The packs' contract, whose responses flows may speak.
        languages: BCP-47 tags of the packs, in which flows may bring sentences.
        tools: Tenant id -> the tools that its flows may call.
        rules: What takes two people.
        audit: Who did what.
        clock: Time.
    """

    def __init__(
        self,
        database: Database,
        contract: Contract,
        languages: Collection[str],
        tools: Callable[[str], Awaitable[Mapping[str, ToolFacts]]],
        rules: ChangeRules,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._rules = rules
        self._database = database
        self._contract = contract
        self._languages = languages
        self._tools = tools
        self._audit = audit
        self._clock = clock
        self._loaded: OrderedDict[str, Flows] = OrderedDict()

    async def draft(
        self,
        tenant_id: str,
        actor: str,
        name: str,
        files: Mapping[str, str],
        accept: Callable[[FlowVersion | None], None] | None = None,
    ) -> FlowVersion:
        """Keeps a new version as a draft.

        Args:
            tenant_id: Whose.
            actor: The key that asks.
            name: The set.
            files: File name -> YAML.
            accept: Raises where the newest version is not the one that the author began with.

        Raises:
            Unprocessable: A file is wrong: file, line and reason of each fault.
            Conflict: Another version was written at the same moment.
        """
        await self._check(tenant_id, files)
        newest = await self.versions(tenant_id, name)
        if accept is not None:
            accept(newest[0] if newest else None)
        version = FlowVersion(
            version_id=new_id("flow"),
            tenant_id=tenant_id,
            name=name,
            version=newest[0].version + 1 if newest else 1,
            status=FlowStatus.DRAFT,
            author=actor,
            created_at=self._clock.now(),
            files=dict(files),
        )
        await self._versions(tenant_id).insert_one(_document(version))
        await self._note(version, actor, "flows.drafted", {"files": sorted(files)})
        return version

    async def approve(
        self, tenant_id: str, actor: str, name: str, number: int, approver: str | None = None
    ) -> FlowVersion:
        """Approves a draft.

        Raises:
            NotFound: No such version.
            Conflict: It is no draft.
            Forbidden: The tenant asks for two persons, and the same one wrote it.
        """
        version = await self.get(tenant_id, name, number)
        if await self._rules.needs_two(tenant_id, Area.FLOWS):
            await self._rules.check_other(tenant_id, version.author, actor)
        fields = {"approved_by": actor, "approver": approver, "approved_at": self._clock.now()}
        done = await self._move(version, FlowStatus.DRAFT, FlowStatus.APPROVED, fields)
        await self._note(done, actor, "flows.approved", {"approver": approver, "author": version.author})
        return done

    async def publish(self, tenant_id: str, actor: str, name: str, number: int) -> FlowVersion:
        """Lets an approved version serve; new calls and chats follow it, those under way keep what they began with.

        Raises:
            NotFound: No such version.
            Conflict: It is not approved.
            Unprocessable: It no longer fits the packs or the tools; the live version keeps serving.
        """
        version = await self.get(tenant_id, name, number)
        await self._check(tenant_id, version.files)
        before = await self._live(tenant_id, name)
        fields = {"published_by": actor, "published_at": self._clock.now()}
        done = await self._move(version, FlowStatus.APPROVED, FlowStatus.LIVE, fields)
        if before is not None:
            await self._move(before, FlowStatus.LIVE, FlowStatus.RETIRED, {})
        await self._note(done, actor, "flows.published", {"instead_of": before.version if before else None})
        return done

    async def roll_back(self, tenant_id: str, actor: str, name: str) -> FlowVersion:
        """Lets the version serve again that served before the live one.

        Raises:
            NotFound: The set has no live version.
            Conflict: None served before it.
        """
        live = await self._live(tenant_id, name)
        if live is None:
            raise NotFound(f"flow set {name} has no live version")
        retired = [v for v in await self.versions(tenant_id, name) if v.status is FlowStatus.RETIRED]
        if not retired:
            raise Conflict("no version served before this one", code="nothing_to_roll_back_to")
        last = max(retired, key=lambda v: (v.published_at or v.created_at, v.version))
        done = await self._move(
            last, FlowStatus.RETIRED, FlowStatus.LIVE, {"published_by": actor, "published_at": self._clock.now()}
        )
        await self._move(live, FlowStatus.LIVE, FlowStatus.APPROVED, {})
        await self._note(done, actor, "flows.rolled_back", {"from": live.version})
        return done

    async def get(self, tenant_id: str, name: str, number: int) -> FlowVersion:
        """Returns a version.

        Raises:
            NotFound: No such version.
        """
        found = await self._versions(tenant_id).find_one({"name": name, "version": number})
        if found is None:
            raise NotFound(f"flow set {name} has no version {number}")
        return _version(found)

    async def versions(self, tenant_id: str, name: str) -> list[FlowVersion]:
        """Returns the versions of a set, newest first."""
        found = await self._versions(tenant_id).find({"name": name}, sort=(("version", -1),), limit=_MOST_VERSIONS)
        return [_version(document) for document in found]

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> tuple[list[FlowVersion], bool]:
        """Returns one page of all versions of all sets, newest first, and whether more follow."""
        page = await self._versions(tenant_id).page({}, limit, starting_after)
        return [_version(document) for document in page.data], page.has_more

    async def serving(self, tenant_id: str, name: str | None, languages: Iterable[str] = ()) -> Flows | None:
        """Returns the flows that an agent follows; None means the shipped ones.

        So it is where the agent names no set, no version of it is live, or it has no words for one of the agent's
        `languages`.
        """
        if name is None:
            return None
        live = await self._live(tenant_id, name)
        if live is None:
            _log.warning("flows.none_live", tenant_id=tenant_id, flow_set=name)
            return None
        kept = self._loaded.get(live.version_id)
        if kept is None:
            try:
                kept = load_flows({**default_sources(), **live.files}, version=f"{name}:{live.version}")
            except FlowFaults as error:
                _log.error("flows.not_readable", tenant_id=tenant_id, flow_set=name, reason=error.detail)
                return None
            self._loaded[live.version_id] = kept
            if len(self._loaded) > _MOST_KEPT:
                self._loaded.popitem(last=False)
        if lacking := kept.lacks(languages):
            _log.error("flows.language_missing", tenant_id=tenant_id, flow_set=name, languages=sorted(lacking))
            return None
        return kept

    async def loaded(self, tenant_id: str, name: str, number: int) -> Flows:
        """Returns the flows of any version, whatever its status, checked as they stand today.

        Raises:
            NotFound: No such version.
            Unprocessable: It no longer fits the packs or the tools.
        """
        version = await self.get(tenant_id, name, number)
        await self._check(tenant_id, version.files)
        return load_flows({**default_sources(), **version.files}, version=f"{name}:{number}")

    async def known(self, tenant_id: str, name: str) -> bool:
        """Returns whether a set has a live version."""
        return await self._live(tenant_id, name) is not None

    async def _check(self, tenant_id: str, files: Mapping[str, str]) -> None:
        tools = await self._tools(tenant_id)
        try:
            load_flows({**default_sources(), **files}, contract=self._contract, tools=tools, languages=self._languages)
        except FlowFaults as error:
            places = [FieldError(f"/body/files/{f.file}", f"line {f.line}: {f.reason}") for f in error.faults]
            raise Unprocessable("the flows are wrong", code="flows_invalid", errors=places) from error

    async def _live(self, tenant_id: str, name: str) -> FlowVersion | None:
        found = await self._versions(tenant_id).find(
            {"name": name, "status": FlowStatus.LIVE}, sort=(("published_at", -1),), limit=1
        )
        return _version(found[0]) if found else None

    async def _move(
        self, version: FlowVersion, before: FlowStatus, after: FlowStatus, fields: Mapping[str, Any]
    ) -> FlowVersion:
        found = await self._versions(version.tenant_id).find_one_and_update(
            {"_id": version.version_id, "status": before}, {"$set": {"status": after, **fields}}
        )
        if found is None:
            raise Conflict(
                f"version {version.version} is {version.status.value}, not {before.value}", code="wrong_status"
            )
        return _version(found)

    async def _note(self, version: FlowVersion, actor: str, what: str, data: Mapping[str, Any]) -> None:
        facts = {"name": version.name, "version": version.version, **data}
        await self._audit.record(version.tenant_id, actor, what, version.version_id, facts)

    def _versions(self, tenant_id: str) -> Any:
        return self._database.tenant(tenant_id).collection(VERSIONS)


def _document(version: FlowVersion) -> dict[str, Any]:
    values = {name: getattr(version, name) for name in FlowVersion.__dataclass_fields__ if name != "tenant_id"}
    values["_id"] = values.pop("version_id")
    values["files"] = [{"name": name, "text": text} for name, text in version.files.items()]
    return values


def _version(document: Mapping[str, Any]) -> FlowVersion:
    values = {
        name: document.get(name) for name in FlowVersion.__dataclass_fields__ if name not in ("version_id", "files")
    }
    files = {entry["name"]: entry["text"] for entry in document["files"]}
    values["status"] = FlowStatus(document["status"])
    return FlowVersion(version_id=document["_id"], files=files, **values)  # type: ignore[arg-type]
