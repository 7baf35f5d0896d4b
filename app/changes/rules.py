"""What takes two people at a tenant, and who counts as another person."""

from collections.abc import Mapping
from typing import Any, Final

from app.audit.log import AuditLog
from app.changes.kinds import AREAS, Area, Kind
from app.errors import Forbidden
from app.kit.mongo import Collection, Database

COLLECTION: Final = "change_rules"
_KEYS: Final = "api_keys"
_OPERATOR: Final = "operator"
_LONGEST_CHAIN: Final = 20


class ChangeRules:
    """The rules of each tenant; the default is that one person is enough."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    async def areas(self, tenant_id: str) -> dict[Area, bool]:
        """Returns which areas take two people."""
        found = await self._rows(tenant_id, COLLECTION).find_one({"_id": f"rules_{tenant_id}"})
        return {area: bool(found and found.get(area.value)) for area in AREAS}

    async def needs_two(self, tenant_id: str, area: Area) -> bool:
        """Returns whether an area takes two people."""
        return (await self.areas(tenant_id))[area]

    async def set(self, tenant_id: str, actor: str, changes: Mapping[Area, bool]) -> None:
        """Changes the rules, at once; the doors let nobody loosen them alone."""
        before = await self.areas(tenant_id)
        moved = {area.value: wanted for area, wanted in changes.items() if wanted is not before[area]}
        if moved:
            identity = {"_id": f"rules_{tenant_id}"}
            await self._rows(tenant_id, COLLECTION).update_one(identity, {"$set": moved}, upsert=True)
            await self._audit.record(tenant_id, actor, "change_rules.changed", tenant_id, {"two_persons": moved})

    def kind(self) -> Kind:
        """Returns how a proposed loosening is applied."""

        async def apply(tenant_id: str, actor: str, _target: str, payload: Mapping[str, Any]) -> str:
            await self.set(tenant_id, actor, {Area(name): bool(two) for name, two in payload.items()})
            return tenant_id

        async def basis(_tenant_id: str, _target: str) -> str:
            return ""

        return Kind(Area.RULES, apply, basis)

    async def check_other(self, tenant_id: str, first: str, second: str) -> None:
        """Makes sure that two subjects are two people.

        A member is a person. An API key is the person who made it, through however many keys; keys that the operator
        made are persons of their own.

        Raises:
            Forbidden: It is the same person (`second_person_needed`).
        """
        if await self._person(tenant_id, first) == await self._person(tenant_id, second):
            detail = "another person than the one who proposed it must approve it: another member, or a key of theirs"
            raise Forbidden(detail, code="second_person_needed")

    async def _person(self, tenant_id: str, subject: str) -> str:
        for _ in range(_LONGEST_CHAIN):
            found = await self._rows(tenant_id, _KEYS).find_one({"_id": subject}, ["created_by"])
            maker = found.get("created_by") if found is not None else None
            if maker is None or maker == _OPERATOR:
                return subject
            subject = maker
        return subject

    def _rows(self, tenant_id: str, name: str) -> Collection:
        return self._database.tenant(tenant_id).collection(name)
