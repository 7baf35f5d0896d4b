"""A tenant's further WhatsApp numbers, beside the first that its credentials name, and whose a number or account is.

A further number uses token, app and account of the first where it names none of its own, so that a rotated token holds
for all of them from the next message on.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from app.errors import Conflict, NotFound
from app.kit.clock import Clock
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.sealed import SealedText
from app.tenants.models import Provider, WhatsAppCredentials, WhatsAppNumber

COLLECTION: Final = "credentials"
INDEXES = (IndexSpec(COLLECTION, (("account_id", 1),), across_tenants="a webhook of an account names no tenant"),)
KIND: Final = "whatsapp_number"
_MOST: Final = 50


@dataclass(frozen=True, slots=True)
class ShownNumber:
    """A number as people see it; `first` marks the one of the credentials."""

    number: WhatsAppNumber
    first: bool
    updated_at: datetime


def route_key(phone_number_id: str) -> str:
    """Returns what is unique over all tenants: a business number belongs to one of them."""
    return f"whatsapp:{phone_number_id}"


class WhatsAppNumbers:
    """Stores and opens them; they lie in the collection of the credentials, whose index keeps every number unique."""

    def __init__(self, database: Database, sealed: SealedText, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed
        self._clock = clock

    async def put(self, tenant_id: str, number: WhatsAppNumber) -> ShownNumber:
        """Stores a further number, or changes it.

        Raises:
            Conflict: The credentials name it as the first (`first_number`), or another tenant has the number
                (`number_taken`) or the account (`account_taken`).
            NotFound: There are no WhatsApp credentials to add it to.
        """
        first = await self._first(tenant_id)
        if first is None:
            raise NotFound("no WhatsApp credentials; PUT /v1/credentials/whatsapp first")
        if first.phone_number_id == number.phone_number_id:
            detail = "this is the first number; change it with PUT /v1/credentials/whatsapp"
            raise Conflict(detail, code="first_number")
        await self.check_account(tenant_id, number.business_account_id)
        identity, now = _identity(tenant_id, number.phone_number_id), self._clock.now()
        document = {
            "_id": identity,
            "provider": KIND,
            "route_key": route_key(number.phone_number_id),
            "account_id": number.business_account_id,
            "verify_fingerprint": "",
            "sealed": await self._sealed.seal(tenant_id, identity, orjson.dumps(asdict(number)).decode()),
            "updated_at": now,
        }
        try:
            await self._rows(tenant_id).replace_one({"_id": identity}, document, upsert=True)
        except Conflict as error:
            raise Conflict("this WhatsApp number belongs to another tenant", code="number_taken") from error
        return ShownNumber(number, False, now)

    async def all(self, tenant_id: str) -> list[ShownNumber]:
        """Returns every number of the tenant, the first one first."""
        first = await self._rows(tenant_id).find_one({"_id": _first_identity(tenant_id)})
        shown = []
        if first is not None:
            own = await self._opened_first(first)
            number = WhatsAppNumber(own.phone_number_id, business_account_id=own.business_account_id)
            shown.append(ShownNumber(number, True, first["updated_at"]))
        found = await self._rows(tenant_id).find({"provider": KIND}, sort=(("_id", 1),), limit=_MOST)
        return [*shown, *[ShownNumber(await self._number(row), False, row["updated_at"]) for row in found]]

    async def delete(self, tenant_id: str, phone_number_id: str) -> bool:
        """Forgets a further number; returns whether there was one."""
        return await self._rows(tenant_id).delete_one({"_id": _identity(tenant_id, phone_number_id)})

    async def forget(self, tenant_id: str) -> None:
        """Forgets all further numbers, as their first one goes."""
        await self._rows(tenant_id).delete_many({"provider": KIND})

    async def credentials(self, tenant_id: str, phone_number_id: str | None = None) -> WhatsAppCredentials | None:
        """Returns what opens a number of the tenant: the given one, or the first; None if the tenant has none such."""
        first = await self._first(tenant_id)
        if first is None or phone_number_id in (None, first.phone_number_id):
            return first
        found = await self._rows(tenant_id).find_one({"_id": _identity(tenant_id, phone_number_id or "")})
        return _merged(first, await self._number(found)) if found else None

    async def route(self, phone_number_id: str) -> tuple[str, WhatsAppCredentials] | None:
        """Returns whose a number is, over all tenants, with what opens it; None if nobody's."""
        rows = self._database.system("a WhatsApp webhook arrives").collection(COLLECTION)
        found = await rows.find_one({"route_key": route_key(phone_number_id)})
        return await self._routed(found) if found else None

    async def account_routes(self, account_id: str) -> list[tuple[str, WhatsAppCredentials]]:
        """Returns who named a business account as theirs, with the credentials that its webhooks are checked with."""
        rows = self._database.system("a WhatsApp webhook arrives").collection(COLLECTION)
        found = [await self._routed(row) for row in await rows.find({"account_id": account_id}, limit=_MOST)]
        return [route for route in found if route is not None]

    async def learn_account(self, tenant_id: str, phone_number_id: str, account_id: str) -> None:
        """Keeps the account that a signed webhook of a number names, where the tenant did not say and nobody has it."""
        with contextlib.suppress(Conflict):
            await self.check_account(tenant_id, account_id)
            mine = {"route_key": route_key(phone_number_id), "account_id": None}
            await self._rows(tenant_id).update_one(mine, {"$set": {"account_id": account_id}})

    async def check_account(self, tenant_id: str, account_id: str | None) -> None:
        """Checks that no other tenant has a business account.

        Raises:
            Conflict: One has (`account_taken`).
        """
        if account_id is None:
            return
        rows = self._database.system("a WhatsApp account is claimed").collection(COLLECTION)
        if await rows.find_one({"account_id": account_id, "tenant_id": {"$ne": tenant_id}}, []) is not None:
            raise Conflict("this WhatsApp business account belongs to another tenant", code="account_taken")

    async def _routed(self, document: Mapping[str, Any]) -> tuple[str, WhatsAppCredentials] | None:
        tenant_id = str(document["tenant_id"])
        if document["provider"] == Provider.WHATSAPP.value:
            return tenant_id, await self._opened_first(document)
        first = await self._first(tenant_id)
        return (tenant_id, _merged(first, await self._number(document))) if first else None

    async def _first(self, tenant_id: str) -> WhatsAppCredentials | None:
        found = await self._rows(tenant_id).find_one({"_id": _first_identity(tenant_id)})
        return await self._opened_first(found) if found else None

    async def _opened_first(self, document: Mapping[str, Any]) -> WhatsAppCredentials:
        plain = await self._sealed.open(document["tenant_id"], document["_id"], document["sealed"])
        own = WhatsAppCredentials(**orjson.loads(plain))
        return replace(own, business_account_id=own.business_account_id or document.get("account_id"))

    async def _number(self, document: Mapping[str, Any]) -> WhatsAppNumber:
        plain = await self._sealed.open(document["tenant_id"], document["_id"], document["sealed"])
        own = WhatsAppNumber(**orjson.loads(plain))
        return replace(own, business_account_id=own.business_account_id or document.get("account_id"))

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def _identity(tenant_id: str, phone_number_id: str) -> str:
    return f"{tenant_id}:whatsapp:{phone_number_id}"


def _first_identity(tenant_id: str) -> str:
    return f"{tenant_id}:{Provider.WHATSAPP.value}"


def _merged(first: WhatsAppCredentials, number: WhatsAppNumber) -> WhatsAppCredentials:
    return replace(
        first,
        phone_number_id=number.phone_number_id,
        access_token=number.access_token or first.access_token,
        app_secret=number.app_secret or first.app_secret,
        business_account_id=number.business_account_id or first.business_account_id,
    )
