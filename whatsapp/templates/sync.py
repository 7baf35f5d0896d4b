"""Keeps the registry like Meta's list: on demand, every hour, and whenever the order of updates is in doubt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from app.errors import AppError, Conflict, Unprocessable
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.kit.mongo import Collection, Database, IndexSpec
from app.tenants.credentials import CredentialService
from app.tenants.models import Provider, WhatsAppCredentials
from whatsapp.templates.graph import TemplateApi
from whatsapp.templates.registry import TemplateRegistry

SYNC: Final = "whatsapp.sync_templates"
COLLECTION: Final = "whatsapp_template_syncs"
INDEXES = (
    IndexSpec(COLLECTION, (("due_at", 1),), across_tenants="the sweep over accounts whose templates are to be fetched"),
)
EVERY: Final = timedelta(hours=1)
_AFTER_FAILURE: Final = timedelta(minutes=10)
_SOON: Final = timedelta(seconds=5)
_ATTEMPTS: Final = 3
_BATCH: Final = 200
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant's business account, with what opens it."""

    account_id: str
    credentials: WhatsAppCredentials


@dataclass(frozen=True, slots=True)
class Synced:
    """What a look at Meta's list brought."""

    account_id: str
    templates: int
    changed: int
    synced_at: datetime


class TemplateSync:
    """Fetches lists; run by the job `whatsapp.sync_templates`, once per account."""

    def __init__(
        self,
        registry: TemplateRegistry,
        api: TemplateApi,
        credentials: CredentialService,
        database: Database,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._api = api
        self._credentials = credentials
        self._database = database
        self._jobs = jobs
        self._clock = clock

    async def accounts(self, tenant_id: str) -> list[Account]:
        """Returns the tenant's accounts, that of its first number first.

        Raises:
            Unprocessable: The tenant has no WhatsApp number, or its account is not known.
        """
        found: dict[str, Account] = {}
        for shown in await self._credentials.numbers.all(tenant_id):
            own = await self._credentials.whatsapp(tenant_id, shown.number.phone_number_id)
            if own is not None and own.business_account_id is not None:
                found.setdefault(own.business_account_id, Account(own.business_account_id, own))
        if found:
            return list(found.values())
        if await self._credentials.whatsapp(tenant_id) is None:
            raise Unprocessable("the tenant has no WhatsApp number; PUT /v1/credentials/whatsapp first")
        detail = "the business account is not known; PUT /v1/credentials/whatsapp with business_account_id"
        raise Unprocessable(detail, code="no_business_account")

    async def sync(self, tenant_id: str) -> list[Synced]:
        """Makes the registry like Meta's list, for each of the tenant's accounts.

        Raises:
            Unprocessable: There is no account to ask for.
            Conflict: Meta refuses the token, or updates keep coming in between.
            Unavailable: Meta does not answer.
        """
        return [await self._sync(tenant_id, account) for account in await self.accounts(tenant_id)]

    async def _sync(self, tenant_id: str, account: Account) -> Synced:
        try:
            synced = await self._fetch(tenant_id, account)
        except AppError as error:
            await self._note(tenant_id, account.account_id, _AFTER_FAILURE, failure=error.code)
            raise
        await self._note(tenant_id, account.account_id, EVERY, synced_at=synced.synced_at, failure=None)
        return synced

    async def run(self, tenant_id: str) -> None:
        """The job: like `sync`; what a person has to mend is logged and waits for the sweep.

        Raises:
            Unavailable: Meta does not answer; the job comes again.
        """
        try:
            await self.sync(tenant_id)
        except (Conflict, Unprocessable) as error:
            _log.warning("whatsapp.templates_not_synced", tenant_id=tenant_id, code=error.code)

    async def want(self, tenant_id: str, account_id: str) -> None:
        """Has the list fetched soon; many wishes become one fetch."""
        now = self._clock.now()
        query = {"_id": f"{tenant_id}:{account_id}", "wanted": False}
        changes: Mapping[str, Any] = {"$set": {"wanted": True, "due_at": now + _SOON}}
        first = await self._rows(tenant_id).find_one_and_update(query, changes)
        if first is None:
            known = await self._rows(tenant_id).find_one({"_id": f"{tenant_id}:{account_id}"}, ["wanted"])
            if known is not None:
                return
            await self._note(tenant_id, account_id, _SOON, wanted=True)
        await self._jobs.enqueue(SYNC, {"tenant_id": tenant_id}, delay_seconds=_SOON.total_seconds())

    async def sweep(self) -> int:
        """Enqueues what is due: accounts after an hour, and those never fetched; returns how many."""
        store = self._database.system("whatsapp template sweep")
        now = self._clock.now()
        due = await store.collection(COLLECTION).find({"due_at": {"$lt": now - _SOON}}, limit=_BATCH)
        known = {
            document["tenant_id"]
            for document in await store.collection(COLLECTION).find({}, limit=10_000, projection=["tenant_id"])
        }
        credentials = await store.collection("credentials").find(
            {"provider": Provider.WHATSAPP.value}, limit=10_000, projection=["tenant_id"]
        )
        tenants = {document["tenant_id"] for document in due}
        tenants |= {document["tenant_id"] for document in credentials} - known
        for tenant_id in sorted(tenants):
            await self._jobs.enqueue(SYNC, {"tenant_id": tenant_id})
        for document in due:
            postponed = {"$set": {"due_at": now + _AFTER_FAILURE, "wanted": False}}
            await store.collection(COLLECTION).update_one({"_id": document["_id"]}, postponed)
        return len(tenants)

    async def synced_at(self, tenant_id: str, account_id: str) -> datetime | None:
        """Returns when the list was fetched last, None: never."""
        found = await self._rows(tenant_id).find_one({"_id": f"{tenant_id}:{account_id}"})
        return found.get("synced_at") if found else None

    async def _fetch(self, tenant_id: str, account: Account) -> Synced:
        changed = 0
        for _ in range(_ATTEMPTS):
            stored = await self._registry.of_account(tenant_id, account.account_id)
            before = {f"{template.facts.name}/{template.facts.language}": template for template in stored}
            asked_at = self._clock.now()
            facts = await self._api.all(account.credentials, account.account_id)
            moved, left = await self._registry.listed(tenant_id, account.account_id, facts, before, asked_at)
            changed += moved
            if not left:
                return Synced(account.account_id, len(facts), changed, asked_at)
        raise Conflict("templates keep changing while they are fetched; sync again", code="templates_moving")

    async def _note(self, tenant_id: str, account_id: str, wait: timedelta, **fields: Any) -> None:
        values = {"account_id": account_id, "due_at": self._clock.now() + wait, "wanted": False, **fields}
        await self._rows(tenant_id).update_one({"_id": f"{tenant_id}:{account_id}"}, {"$set": values}, upsert=True)

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)
