"""The tenants' accounts with providers: sealed under each tenant's key, shown masked, asked about at the provider."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from app.errors import Conflict, NotFound, PreconditionFailed
from app.kit.clock import Clock
from app.kit.crypto import MasterKey
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.sealed import SealedText
from app.tenants.models import (
    Credentials,
    LlmCredentials,
    PlivoCredentials,
    Provider,
    ToolCredentials,
    WhatsAppCredentials,
)
from app.tenants.verification import NEVER, Check, CheckState
from app.tenants.whatsapp_numbers import INDEXES as NUMBER_INDEXES
from app.tenants.whatsapp_numbers import WhatsAppNumbers, route_key

COLLECTION = "credentials"
INDEXES = (
    IndexSpec(COLLECTION, (("route_key", 1),), unique=True, across_tenants="a webhook names a number, not a tenant"),
    IndexSpec(COLLECTION, (("verify_fingerprint", 1),), across_tenants="Meta's challenge names only the verify token"),
    *NUMBER_INDEXES,
)
Ask = Callable[[Credentials], Awaitable[Check]]
"""Asks a provider about credentials."""
_TYPES: Mapping[Provider, type[Credentials]] = {
    Provider.PLIVO: PlivoCredentials,
    Provider.WHATSAPP: WhatsAppCredentials,
    Provider.TOOLS: ToolCredentials,
    Provider.LLM: LlmCredentials,
}
_OPEN_FIELDS = frozenset({"auth_id", "phone_number_id", "business_account_id", "base_url", "model", "limit_ms"})


@dataclass(frozen=True, slots=True)
class MaskedCredentials:
    """What may be shown: identifiers in full, of secrets the last four characters."""

    provider: Provider
    values: Mapping[str, str | None]
    updated_at: datetime
    check: Check = NEVER


class CredentialService:
    """Stores, masks and opens credentials."""

    def __init__(self, database: Database, sealed: SealedText, master: MasterKey, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed
        self._master = master
        self._clock = clock
        self.numbers = WhatsAppNumbers(database, sealed, clock)

    async def put(
        self,
        tenant_id: str,
        credentials: Credentials,
        accept: Callable[[MaskedCredentials | None], None] | None = None,
    ) -> MaskedCredentials:
        """Stores the tenant's credentials of one provider in the place of those before.

        Args:
            tenant_id: Whose.
            credentials: The new ones.
            accept: Raises where the present ones may not be replaced; nobody replaces them in between.

        Raises:
            PreconditionFailed: Somebody replaced the present ones meanwhile.
            Conflict: Another tenant has this WhatsApp number or business account, or it is a further number already.
        """
        account_id = credentials.business_account_id if isinstance(credentials, WhatsAppCredentials) else None
        await self.numbers.check_account(tenant_id, account_id)
        provider = _provider_of(credentials)
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        plain, identity = orjson.dumps(asdict(credentials)).decode(), f"{tenant_id}:{provider.value}"
        now = self._clock.now()
        document = {
            "_id": identity,
            "provider": provider.value,
            "route_key": _route_key(tenant_id, credentials),
            "account_id": account_id,
            "verify_fingerprint": self._verify_fingerprint(credentials),
            "sealed": await self._sealed.seal(tenant_id, identity, plain),
            "updated_at": now,
        }
        try:
            if accept is None:
                await collection.replace_one({"_id": identity}, document, upsert=True)
            else:
                await self._replace(collection, await self._find(tenant_id, provider), document, accept)
        except Conflict as error:
            detail = "this WhatsApp number belongs to another tenant, or is a further number of this one already"
            raise Conflict(detail, code="number_taken") from error
        return MaskedCredentials(provider, _masked(credentials), now)

    async def _replace(
        self,
        collection: Collection,
        found: dict[str, Any] | None,
        document: Mapping[str, Any],
        accept: Callable[[MaskedCredentials | None], None],
    ) -> None:
        accept(await self._shown(found) if found is not None else None)
        if found is None:
            await collection.insert_one(document)
        elif not await collection.replace_one({"_id": found["_id"], "sealed": found["sealed"]}, document):
            raise PreconditionFailed("somebody replaced them since; read them again")

    async def masked(self, tenant_id: str, provider: Provider) -> MaskedCredentials | None:
        """Returns what may be shown of the tenant's credentials, or None."""
        found = await self._find(tenant_id, provider)
        return None if found is None else await self._shown(found)

    async def _shown(self, found: Mapping[str, Any]) -> MaskedCredentials:
        provider = Provider(found["provider"])
        return MaskedCredentials(provider, _masked(await self._opened(found)), found["updated_at"], _check(found))

    async def checked(
        self, tenant_id: str, provider: Provider, ask: Callable[[Credentials], Awaitable[Check]]
    ) -> Check:
        """Asks about the stored credentials and keeps the answer, unless they were replaced meanwhile.

        Raises:
            NotFound: There are none.
        """
        found = await self._find(tenant_id, provider)
        if found is None:
            raise NotFound(f"no {provider.value} credentials")
        check = replace(await ask(await self._opened(found)), checked_at=self._clock.now())
        stored = {"state": check.state.value, "reason": check.reason, "checked_at": check.checked_at}
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        await collection.update_one({"_id": found["_id"], "sealed": found["sealed"]}, {"$set": {"check": stored}})
        return check

    async def checks(self, tenant_id: str) -> dict[Provider, Check]:
        """Returns what is known of each provider's credentials that the tenant has."""
        collection = self._database.tenant(tenant_id).collection(COLLECTION)
        providers = [provider.value for provider in Provider]
        found = await collection.find({"provider": {"$in": providers}}, limit=len(Provider))
        return {Provider(document["provider"]): _check(document) for document in found}

    async def delete(self, tenant_id: str, provider: Provider) -> bool:
        """Deletes the credentials, of WhatsApp with every further number; returns whether there were any."""
        if provider is Provider.WHATSAPP:
            await self.numbers.forget(tenant_id)
        return await self._database.tenant(tenant_id).collection(COLLECTION).delete_one({"provider": provider.value})

    async def plivo(self, tenant_id: str) -> PlivoCredentials | None:
        """Returns the tenant's Plivo account, or None."""
        found = await self._find(tenant_id, Provider.PLIVO)
        opened = await self._opened(found) if found else None
        return opened if isinstance(opened, PlivoCredentials) else None

    async def whatsapp(self, tenant_id: str, phone_number_id: str | None = None) -> WhatsAppCredentials | None:
        """Returns what opens a WhatsApp number of the tenant: the given one, or the first; None if there is none."""
        return await self.numbers.credentials(tenant_id, phone_number_id)

    async def tools(self, tenant_id: str) -> ToolCredentials | None:
        """Returns where the tenant's systems answer, or None."""
        found = await self._find(tenant_id, Provider.TOOLS)
        opened = await self._opened(found) if found else None
        return opened if isinstance(opened, ToolCredentials) else None

    async def llm(self, tenant_id: str) -> LlmCredentials | None:
        """Returns the tenant's language model, or None."""
        found = await self._find(tenant_id, Provider.LLM)
        opened = await self._opened(found) if found else None
        return opened if isinstance(opened, LlmCredentials) else None

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
        plain = await self._sealed.open(document["tenant_id"], document["_id"], document["sealed"])
        return _TYPES[provider](**orjson.loads(plain))

    def _verify_fingerprint(self, credentials: Credentials) -> str:
        if not isinstance(credentials, WhatsAppCredentials):
            return ""
        return self._master.digest(f"whatsapp-verify:{credentials.verify_token}")


def _provider_of(credentials: Credentials) -> Provider:
    return next(provider for provider, kind in _TYPES.items() if isinstance(credentials, kind))


def _check(document: Mapping[str, Any]) -> Check:
    stored = document.get("check")
    if stored is None:
        return NEVER
    return Check(CheckState(stored["state"]), stored["reason"], stored["checked_at"])


def _route_key(tenant_id: str, credentials: Credentials) -> str:
    if isinstance(credentials, WhatsAppCredentials):
        return route_key(credentials.phone_number_id)
    return f"{_provider_of(credentials).value}:{tenant_id}"


def _masked(credentials: Credentials) -> dict[str, str | None]:
    return {name: _shown(name, value) for name, value in asdict(credentials).items()}


def _shown(name: str, value: object) -> str | None:
    if value is None or name in _OPEN_FIELDS:
        return None if value is None else str(value)
    secret = str(value)
    return f"...{secret[-4:]}" if len(secret) >= 12 else "..."
