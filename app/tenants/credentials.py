"""The tenants' accounts with providers: sealed under each tenant's key, shown masked, found by what a webhook names."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson

from app.errors import Conflict
from app.kit.clock import Clock
from app.kit.crypto import MasterKey
from app.kit.mongo import Database, IndexSpec
from app.kit.vault import Vault
from app.tenants.models import Credentials, PlivoCredentials, Provider, ToolCredentials, WhatsAppCredentials

COLLECTION = "credentials"
INDEXES = (
    IndexSpec(COLLECTION, (("route_key", 1),), unique=True, across_tenants="a webhook names a number, not a tenant"),
    IndexSpec(COLLECTION, (("verify_fingerprint", 1),), across_tenants="Meta's challenge names only the verify token"),
)
_TYPES: Mapping[Provider, type[Credentials]] = {
    Provider.PLIVO: PlivoCredentials,
    Provider.WHATSAPP: WhatsAppCredentials,
    Provider.TOOLS: ToolCredentials,
}
_OPEN_FIELDS = frozenset({"auth_id", "phone_number_id", "business_account_id", "base_url"})


@dataclass(frozen=True, slots=True)
class MaskedCredentials:
    """What may be shown: identifiers in full, of secrets the last four characters."""

    provider: Provider
    values: Mapping[str, str | None]
    updated_at: datetime


class CredentialService:
    """Stores, masks and opens credentials."""

    def __init__(self, database: Database, vault: Vault, master: MasterKey, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._master = master
        self._clock = clock

    async def put(self, tenant_id: str, credentials: Credentials) -> MaskedCredentials:
        """Stores the tenant's credentials of one provider in the place of those before.

        Raises:
            Conflict: Another tenant has this WhatsApp number.
        """
        provider = _provider_of(credentials)
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        plain = orjson.dumps(asdict(credentials))
        now = self._clock.now()
        document = {
            "_id": f"{tenant_id}:{provider.value}",
            "provider": provider.value,
            "route_key": _route_key(tenant_id, credentials),
            "verify_fingerprint": self._verify_fingerprint(credentials),
            "sealed": base64.b64encode(await self._vault.seal(tenant_id, plain, _aad(provider))).decode(),
            "updated_at": now,
        }
        try:
            await collection.replace_one({"_id": document["_id"]}, document, upsert=True)
        except Conflict as error:
            raise Conflict("this WhatsApp number belongs to another tenant", code="number_taken") from error
        return MaskedCredentials(provider, _masked(credentials), now)

    async def masked(self, tenant_id: str, provider: Provider) -> MaskedCredentials | None:
        """Returns what may be shown of the tenant's credentials, or None."""
        found = await self._find(tenant_id, provider)
        if found is None:
            return None
        return MaskedCredentials(provider, _masked(await self._opened(found)), found["updated_at"])

    async def delete(self, tenant_id: str, provider: Provider) -> bool:
        """Deletes the credentials; returns whether there were any."""
        return await self._database.tenant(tenant_id).collection(COLLECTION).delete_one({"provider": provider.value})

    async def plivo(self, tenant_id: str) -> PlivoCredentials | None:
        """Returns the tenant's Plivo account, or None."""
        found = await self._find(tenant_id, Provider.PLIVO)
        opened = await self._opened(found) if found else None
        return opened if isinstance(opened, PlivoCredentials) else None

    async def whatsapp(self, tenant_id: str) -> WhatsAppCredentials | None:
        """Returns the tenant's WhatsApp number, or None."""
        found = await self._find(tenant_id, Provider.WHATSAPP)
        opened = await self._opened(found) if found else None
        return opened if isinstance(opened, WhatsAppCredentials) else None

    async def tools(self, tenant_id: str) -> ToolCredentials | None:
        """Returns where the tenant's systems answer, or None."""
        found = await self._find(tenant_id, Provider.TOOLS)
        opened = await self._opened(found) if found else None
        return opened if isinstance(opened, ToolCredentials) else None

    async def whatsapp_route(self, phone_number_id: str) -> tuple[str, WhatsAppCredentials] | None:
        """Returns whose a WhatsApp number is, over all tenants, with its credentials; None if nobody's."""
        store = self._database.system("a WhatsApp webhook arrives")
        found = await store.collection(COLLECTION).find_one({"route_key": f"whatsapp:{phone_number_id}"})
        opened = await self._opened(found) if found else None
        if found is None or not isinstance(opened, WhatsAppCredentials):
            return None
        return found["tenant_id"], opened

    async def has_verify_token(self, verify_token: str) -> bool:
        """Returns whether some tenant chose this webhook verify token."""
        store = self._database.system("Meta verifies the webhook")
        fingerprint = self._master.digest(f"whatsapp-verify:{verify_token}")
        return (
            await store.collection(COLLECTION).find_one({"verify_fingerprint": fingerprint}, ["provider"]) is not None
        )

    async def _find(self, tenant_id: str, provider: Provider) -> dict[str, Any] | None:
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        return await collection.find_one({"_id": f"{tenant_id}:{provider.value}"})

    async def _opened(self, document: Mapping[str, Any]) -> Credentials:
        provider = Provider(document["provider"])
        sealed = base64.b64decode(document["sealed"])
        plain = await self._vault.open(document["tenant_id"], sealed, _aad(provider))
        return _TYPES[provider](**orjson.loads(plain))

    def _verify_fingerprint(self, credentials: Credentials) -> str:
        if not isinstance(credentials, WhatsAppCredentials):
            return ""
        return self._master.digest(f"whatsapp-verify:{credentials.verify_token}")


def _aad(provider: Provider) -> bytes:
    return f"credentials:{provider.value}".encode()


def _provider_of(credentials: Credentials) -> Provider:
    return next(provider for provider, kind in _TYPES.items() if isinstance(credentials, kind))


def _route_key(tenant_id: str, credentials: Credentials) -> str:
    if isinstance(credentials, WhatsAppCredentials):
        return f"whatsapp:{credentials.phone_number_id}"
    return f"{_provider_of(credentials).value}:{tenant_id}"


def _masked(credentials: Credentials) -> dict[str, str | None]:
    return {
        name: value if name in _OPEN_FIELDS or value is None else f"...{value[-4:]}" if len(value) >= 12 else "..."
        for name, value in asdict(credentials).items()
    }
