"""Which of the tenant's templates serve which purpose of ours, and which step in for them; settings of the tenant."""

from collections.abc import Mapping, Sequence
from typing import Final

from app.audit.log import AuditLog
from app.errors import FieldError, NotFound, Unprocessable
from app.kit.mongo import Collection, Database, IndexSpec
from whatsapp.templates.models import Use

COLLECTION: Final = "whatsapp_template_uses"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("purpose", 1)), unique=True),)


class TemplateUses:
    """Reads and changes them; a purpose that nobody set is served by the template of its own name.

    Args:
        database: Where they are.
        purposes: Name of each purpose of the packs -> its category.
        audit: Who changed what.
    """

    def __init__(self, database: Database, purposes: Mapping[str, str], audit: AuditLog) -> None:
        self._database = database
        self._audit = audit
        self.purposes = purposes

    async def get(self, tenant_id: str, purpose: str) -> Use:
        """Returns what serves a purpose."""
        found = await self._rows(tenant_id).find_one({"purpose": purpose})
        return Use(purpose, found["template"], tuple(found["alternates"])) if found else Use(purpose, purpose)

    async def all(self, tenant_id: str) -> list[Use]:
        """Returns what serves each purpose."""
        found = {row["purpose"]: row for row in await self._rows(tenant_id).find({})}
        return [
            Use(purpose, found[purpose]["template"], tuple(found[purpose]["alternates"]))
            if purpose in found
            else Use(purpose, purpose)
            for purpose in self.purposes
        ]

    async def put(self, tenant_id: str, actor: str, purpose: str, template: str, alternates: Sequence[str]) -> Use:
        """Sets what serves a purpose.

        Raises:
            NotFound: No such purpose.
            Unprocessable: A name stands twice.
        """
        if purpose not in self.purposes:
            raise NotFound(f"no purpose {purpose}; there are {', '.join(self.purposes)}")
        use = Use(purpose, template, tuple(alternates))
        if len(set(use.names)) != len(use.names):
            fault = FieldError("/body/alternates", "a name stands twice; name each template once")
            raise Unprocessable("a template cannot be its own alternate", errors=[fault])
        document = {"purpose": purpose, "template": template, "alternates": list(alternates)}
        await self._rows(tenant_id).update_one({"_id": f"{tenant_id}:{purpose}"}, {"$set": document}, upsert=True)
        data = {"template": template, "alternates": list(alternates)}
        await self._audit.record(tenant_id, actor, "whatsapp.template_use_set", purpose, data)
        return use

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)
