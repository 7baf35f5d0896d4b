"""Creates and finds tenants; the operator's business."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import NotFound
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Database, IndexSpec
from app.tenants.models import Tenant

COLLECTION = "tenants"
INDEXES: tuple[IndexSpec, ...] = ()


class TenantService:
    """The tenants of this installation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self, name: str, legal_entity: str, languages: Sequence[str], *, tenant_id: str | None = None
    ) -> Tenant:
        """Stores a new tenant.

        Args:
            name: What people call it.
            legal_entity: The name that disclosures speak.
            languages: BCP-47 tags in order of preference.
            tenant_id: Its id; None: a new one.

        Raises:
            Conflict: There is a tenant with this id.
        """
        tenant = Tenant(tenant_id or new_id("tenant"), name, legal_entity, tuple(languages), self._clock.now())
        document = {
            "_id": tenant.tenant_id,
            "name": name,
            "legal_entity": legal_entity,
            "languages": list(languages),
            "created_at": tenant.created_at,
        }
        await self._database.tenant(tenant.tenant_id).collection(COLLECTION).insert_one(document)
        return tenant

    async def get(self, tenant_id: str) -> Tenant:
        """Returns a tenant.

        Raises:
            NotFound: There is none.
        """
        found = await self._database.tenant(tenant_id).collection(COLLECTION).find_one({"_id": tenant_id})
        if found is None:
            raise NotFound(f"no tenant {tenant_id}")
        return _tenant(found)

    async def page(self, limit: int, starting_after: str | None) -> tuple[list[Tenant], bool]:
        """Returns one page of all tenants, newest first, and whether more follow."""
        collection = self._database.system("the operator lists tenants").collection(COLLECTION)
        page = await collection.page({}, limit, starting_after)
        return [_tenant(document) for document in page.data], page.has_more


def _tenant(document: Mapping[str, Any]) -> Tenant:
    return Tenant(
        document["_id"],
        document["name"],
        document["legal_entity"],
        tuple(document["languages"]),
        document["created_at"],
    )
