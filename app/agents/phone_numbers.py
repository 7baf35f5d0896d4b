"""The telephone numbers of each tenant: whom they ring at, in which languages, and what calls out may show them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from app.agents.models import Agent, PhoneNumber
from app.agents.service import NUMBERS, AgentService
from app.audit.log import AuditLog
from app.compliance.calling_rules import CallingRules, CallPurpose
from app.errors import Conflict, FieldError, NotFound, Unprocessable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec
from app.tenants.limits import Kept, TenantLimits

INDEXES: Final = (
    IndexSpec(NUMBERS, (("number", 1),), unique=True, across_tenants="a number rings at one tenant in the world"),
    IndexSpec(NUMBERS, (("tenant_id", 1), ("agent_id", 1))),
)
_TRIES: Final = 10
_TICK: Final = timedelta(milliseconds=1)


class PhoneNumberService:
    """The numbers of each tenant; a number belongs to one tenant in the whole installation."""

    def __init__(
        self,
        database: Database,
        agents: AgentService,
        rules: CallingRules,
        limits: TenantLimits,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._limits = limits
        self._database = database
        self._agents = agents
        self._rules = rules
        self._audit = audit
        self._clock = clock

    async def create(self, tenant_id: str, actor: str, values: Mapping[str, Any]) -> PhoneNumber:
        """Lets a number ring at an agent.

        Args:
            tenant_id: Whose.
            actor: The key that asks.
            values: `number` (E.164), `agent_id`, and other fields of `PhoneNumber` but its id and times.

        Raises:
            NotFound: The agent is not this tenant's.
            Unprocessable: The values do not fit together.
            Conflict: The number is taken, by whomever, or the tenant has as many as it may (`limit_reached`).
        """
        entry = await self._checked(tenant_id, values)
        try:
            await self._limits.insert(tenant_id, Kept.PHONE_NUMBERS, _document(entry))
        except Conflict as error:
            if error.code == "limit_reached":
                raise
            raise Conflict(f"{entry.number} is already in use", code="number_taken") from error
        data = {"number": entry.number, "agent_id": entry.agent_id}
        await self._audit.record(tenant_id, actor, "phone_number.created", entry.number_id, data)
        return entry

    async def update(
        self,
        tenant_id: str,
        actor: str,
        number_id: str,
        changes: Mapping[str, Any],
        accept: Callable[[PhoneNumber], None] | None = None,
    ) -> PhoneNumber:
        """Changes a number from the next call on.

        Args:
            tenant_id: Whose.
            actor: The key that asks.
            number_id: Which.
            changes: Fields of `PhoneNumber` but its id, the number itself and its times.
            accept: Raises where the number as it is may not be changed so; nobody changes it in between.

        Raises:
            NotFound: The number or the agent is not this tenant's.
            Unprocessable: The result does not fit together.
            Conflict: Others change it all the time.
        """
        for _ in range(_TRIES):
            found = await self._found(tenant_id, number_id)
            before = _number(found)
            if accept is not None:
                accept(before)
            entry = await self._fitting(
                replace(before, **changes, updated_at=max(self._clock.now(), before.updated_at + _TICK))
            )
            unchanged = {"_id": number_id, "updated_at": found.get("updated_at")}
            if await self._rows(tenant_id).replace_one(unchanged, _document(entry)):
                moved = entry.agent_id != before.agent_id
                data = {"fields": sorted(changes), **({"agent_id": entry.agent_id} if moved else {})}
                action = "phone_number.moved" if moved else "phone_number.changed"
                await self._audit.record(tenant_id, actor, action, number_id, data)
                return entry
        raise Conflict("the number is being changed by others; try again", code="number_busy", retry_after_seconds=1)

    async def check(self, tenant_id: str, number_id: str | None, values: Mapping[str, Any]) -> None:
        """Makes sure that a number could be created (None), or changed, so; raises as `create` and `update` do."""
        if number_id is None:
            await self._checked(tenant_id, values)
        else:
            await self._fitting(replace(await self.get(tenant_id, number_id), **values))

    async def get(self, tenant_id: str, number_id: str) -> PhoneNumber:
        """Returns a number.

        Raises:
            NotFound: Not this tenant's.
        """
        return _number(await self._found(tenant_id, number_id))

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> tuple[list[PhoneNumber], bool]:
        """Returns one page, newest first, and whether more follow."""
        page = await self._rows(tenant_id).page({}, limit, starting_after)
        return [_number(document) for document in page.data], page.has_more

    async def delete(self, tenant_id: str, actor: str, number_id: str) -> None:
        """Gives a number back.

        Raises:
            NotFound: Not this tenant's.
        """
        entry = await self.get(tenant_id, number_id)
        await self._rows(tenant_id).delete_one({"_id": number_id})
        await self._audit.record(tenant_id, actor, "phone_number.deleted", number_id, {"number": entry.number})

    async def of_tenant(self, tenant_id: str, number: str) -> PhoneNumber | None:
        """Returns the tenant's own entry of a number (E.164), or None."""
        found = await self._rows(tenant_id).find_one({"number": number})
        return _number(found) if found else None

    async def number_of_agent(self, tenant_id: str, agent_id: str) -> str | None:
        """Returns the number (E.164) that rings at an agent, the oldest if there are several, or None."""
        found = await self._rows(tenant_id).find({"agent_id": agent_id}, limit=1)
        return str(found[0]["number"]) if found else None

    async def find(self, number: str) -> PhoneNumber | None:
        """Returns whose a number (E.164) is, over all tenants: how a ringing call finds its tenant."""
        found = await self._database.system("a call rings").collection(NUMBERS).find_one({"number": number})
        return _number(found) if found else None

    def series(self, entry: PhoneNumber) -> str | None:
        """Returns the series of its country that a number belongs to, which decides what calls out may show it."""
        country = self._rules.country_of(entry.number)
        return country.series_of(entry.number) if country is not None else None

    async def _checked(self, tenant_id: str, values: Mapping[str, Any]) -> PhoneNumber:
        now = self._clock.now()
        return await self._fitting(PhoneNumber(new_id("num"), tenant_id, created_at=now, updated_at=now, **values))

    async def _fitting(self, entry: PhoneNumber) -> PhoneNumber:
        agent = await self._agents.get(entry.tenant_id, entry.agent_id)
        faults = [*_unspoken(entry, agent), *self._barred(entry)]
        if faults:
            raise Unprocessable("the number's values do not fit together", errors=faults)
        return entry

    def _barred(self, entry: PhoneNumber) -> Iterator[FieldError]:
        """Yields a fault for each purpose that the number's series may not serve."""
        country, series = self._rules.country_of(entry.number), self.series(entry)
        for index, purpose in enumerate(entry.purposes or ()):
            rule = country.purposes.get(purpose) if country is not None else None
            if country is None or rule is None:
                detail = f"the calling rules have none for {purpose.value} calls from {entry.number}"
                yield FieldError(f"/body/purposes/{index}", detail)
            elif series not in rule.series:
                wanted = " or ".join(rule.series)
                detail = (
                    f"{country.rules['series']}: {purpose.value} calls show a number of series {wanted}; "
                    f"{entry.number} is of series {series or 'unknown'}"
                )
                yield FieldError(f"/body/purposes/{index}", detail)

    async def _found(self, tenant_id: str, number_id: str) -> dict[str, Any]:
        found = await self._rows(tenant_id).find_one({"_id": number_id})
        if found is None:
            raise NotFound(f"no phone number {number_id}")
        return found

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(NUMBERS)


def _unspoken(entry: PhoneNumber, agent: Agent) -> Iterator[FieldError]:
    for index, tag in enumerate(entry.languages):
        if tag not in agent.languages:
            detail = f"the agent does not speak {tag}; it speaks {', '.join(agent.languages)}"
            yield FieldError(f"/body/languages/{index}", detail)


def _document(entry: PhoneNumber) -> dict[str, Any]:
    return {
        "_id": entry.number_id,
        "number": entry.number,
        "agent_id": entry.agent_id,
        "purposes": None if entry.purposes is None else [purpose.value for purpose in entry.purposes],
        "languages": list(entry.languages),
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
    }


def _number(document: Mapping[str, Any]) -> PhoneNumber:
    purposes = document.get("purposes")
    return PhoneNumber(
        document["_id"],
        document["tenant_id"],
        document["number"],
        document["agent_id"],
        document["created_at"],
        document.get("updated_at", document["created_at"]),
        None if purposes is None else tuple(CallPurpose(purpose) for purpose in purposes),
        tuple(document.get("languages", ())),
    )
