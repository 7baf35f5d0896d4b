"""Contacts and their identities: a number, a business-scoped WhatsApp id, or both; two that turn out one are merged.

A merge moves who somebody is, never where we write: a conversation keeps the address that wrote last in it.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from app.conversations import repository
from app.conversations.models import Contact, Reach
from app.conversations.records import Records
from app.errors import Conflict, NotFound, Unavailable, Unprocessable
from app.kit.ids import new_id

_LONGEST_CHAIN = 5
_MOST_IDENTITIES = 20
_log = structlog.get_logger(__name__)


class ContactBook(Records):
    """Finds, creates and merges the contacts of tenants.

    `on_linked` is told which addresses turned out to be of one person; the root sets it.
    """

    on_linked: Callable[[str, Sequence[str]], Awaitable[None]] | None = None

    async def contact_for(self, tenant_id: str, phone: str) -> Contact:
        """Returns the contact of a phone number (E.164), created if new."""
        contacts = self._collection(tenant_id, repository.CONTACTS)
        found = await contacts.find_one({"phone": phone})
        if found is None:
            contact = Contact(new_id("contact"), tenant_id, phone, self._clock.now())
            with contextlib.suppress(Conflict):
                await contacts.insert_one(repository.contact_document(contact))
            found = await contacts.find_one({"phone": phone})
        if found is None:
            raise Unavailable("the contact could not be stored")
        return await self._surviving(repository.contact_of(found))

    async def contact_of_identities(self, tenant_id: str, phone: str | None, bsuid: str | None) -> Contact:
        """Returns the contact that WhatsApp names by a number, a business-scoped id or both, created if new.

        Where both come together and were two contacts, the one without a number becomes part of the other.

        Args:
            tenant_id: Whose contact.
            phone: E.164, or None where the customer hides it.
            bsuid: The business-scoped user id, or None from an older webhook.

        Raises:
            Unprocessable: Neither is given.
        """
        if phone is None and bsuid is None:
            raise Unprocessable("a contact is named by a telephone number or by a business-scoped id")
        if phone is None:
            return await self._contact_of_bsuid(tenant_id, bsuid or "")
        contact = await self.contact_for(tenant_id, phone)
        if bsuid is None or bsuid == contact.bsuid:
            return contact
        return await self.also_known_as(contact, bsuid)

    async def also_known_as(self, contact: Contact, bsuid: str) -> Contact:
        """Gives a contact the business-scoped id that it has from now on; earlier ones still name it.

        An id that names another person already changes nothing.
        """
        tenant_id = contact.tenant_id
        holder = await self._claim(tenant_id, bsuid, contact.contact_id)
        if holder != contact.contact_id:
            other = await self._surviving(await self._stored_contact(tenant_id, holder))
            if other.contact_id != contact.contact_id:
                if other.phone is not None:
                    _log.warning("contacts.identity_of_another", tenant_id=tenant_id, contact_id=contact.contact_id)
                    return contact
                await self._merge(other, contact)
        await self._set(tenant_id, contact.contact_id, bsuid=bsuid)
        await self.linked(tenant_id, [contact.address, bsuid])
        return await self._stored_contact(tenant_id, contact.contact_id)

    async def linked(self, tenant_id: str, addresses: Sequence[str]) -> None:
        """Says that addresses turned out to be of one person: whoever forbade us one of them forbade us all."""
        if self.on_linked is not None:
            await self.on_linked(tenant_id, list(dict.fromkeys(address for address in addresses if address)))

    async def find_contact(self, tenant_id: str, phone: str) -> Contact | None:
        """Returns the contact with this number (E.164), or None."""
        found = await self._collection(tenant_id, repository.CONTACTS).find_one({"phone": phone})
        return await self._surviving(repository.contact_of(found)) if found else None

    async def contact(self, tenant_id: str, contact_id: str) -> Contact:
        """Returns a contact, or the one that it was merged into.

        Raises:
            NotFound: Not this tenant's.
        """
        return await self._surviving(await self._stored_contact(tenant_id, contact_id))

    async def addresses(self, contact: Contact) -> tuple[str, ...]:
        """Returns every number and business-scoped id of a contact, those of merged ones with them."""
        contacts = self._collection(contact.tenant_id, repository.CONTACTS)
        merged = await contacts.find({"merged_into": contact.contact_id}, limit=_MOST_IDENTITIES)
        people = [contact, *map(repository.contact_of, merged)]
        return tuple(dict.fromkeys(name for person in people for name in (person.phone, person.bsuid) if name))

    async def note_contact(
        self,
        tenant_id: str,
        contact_id: str,
        *,
        wa_id: str | None = None,
        name: str | None = None,
        language: str | None = None,
        whatsapp: Reach | None = None,
    ) -> None:
        """Stores what was learnt about a contact; None leaves a field as it is."""
        await self._set(
            tenant_id, contact_id, wa_id=wa_id, name=name, language=language, whatsapp=whatsapp and whatsapp.value
        )

    async def merge(self, tenant_id: str, contact_id: str, into_id: str) -> Contact:
        """Makes two contacts one person; the first becomes part of the second, and no conversation changes its address.

        An open conversation of each stays open: what the customer next writes from either address goes where it went.

        Raises:
            Conflict: The first is part of another contact already.
            NotFound: One is not this tenant's.
            Unprocessable: They are the same.
        """
        first, second = await self._stored_contact(tenant_id, contact_id), await self.contact(tenant_id, into_id)
        if first.contact_id == second.contact_id:
            raise Unprocessable("a contact cannot be merged into itself", code="same_contact")
        if first.merged_into is not None:
            raise Conflict(f"{contact_id} is part of {first.merged_into} already", code="already_merged")
        await self._merge(first, second)
        return second

    async def _merge(self, contact: Contact, into: Contact) -> None:
        contacts = self._collection(contact.tenant_id, repository.CONTACTS)
        await contacts.update_one({"_id": contact.contact_id}, {"$set": {"merged_into": into.contact_id}})
        await contacts.update_many({"merged_into": contact.contact_id}, {"$set": {"merged_into": into.contact_id}})
        identities = self._collection(contact.tenant_id, repository.IDENTITIES)
        await identities.update_many({"contact_id": contact.contact_id}, {"$set": {"contact_id": into.contact_id}})
        conversations = self._collection(contact.tenant_id, repository.CONVERSATIONS)
        await conversations.update_many({"contact_id": contact.contact_id}, {"$set": {"contact_id": into.contact_id}})
        await self.linked(contact.tenant_id, [*await self.addresses(contact), *await self.addresses(into)])
        _log.info("contacts.merged", tenant_id=contact.tenant_id, contact_id=contact.contact_id, into=into.contact_id)

    async def _contact_of_bsuid(self, tenant_id: str, bsuid: str) -> Contact:
        found = await self._identity(tenant_id, bsuid)
        if found is None:
            fresh = Contact(new_id("contact"), tenant_id, None, self._clock.now(), bsuid=bsuid)
            contacts = self._collection(tenant_id, repository.CONTACTS)
            await contacts.insert_one(repository.contact_document(fresh))
            found = await self._claim(tenant_id, bsuid, fresh.contact_id)
            if found != fresh.contact_id:
                await contacts.delete_one({"_id": fresh.contact_id})
        return await self._surviving(await self._stored_contact(tenant_id, found))

    async def _claim(self, tenant_id: str, bsuid: str, contact_id: str) -> str:
        """Gives an id to a contact unless one has it; returns the id of the contact that has it."""
        identities = self._collection(tenant_id, repository.IDENTITIES)
        document = {"_id": f"{tenant_id}:{bsuid}", "contact_id": contact_id, "created_at": self._clock.now()}
        with contextlib.suppress(Conflict):
            await identities.insert_one(document)
            return contact_id
        return await self._identity(tenant_id, bsuid) or contact_id

    async def _identity(self, tenant_id: str, bsuid: str) -> str | None:
        found = await self._collection(tenant_id, repository.IDENTITIES).find_one({"_id": f"{tenant_id}:{bsuid}"})
        return str(found["contact_id"]) if found else None

    async def _surviving(self, contact: Contact) -> Contact:
        for _ in range(_LONGEST_CHAIN):
            if contact.merged_into is None:
                break
            contact = await self._stored_contact(contact.tenant_id, contact.merged_into)
        return contact

    async def _stored_contact(self, tenant_id: str, contact_id: str) -> Contact:
        found = await self._collection(tenant_id, repository.CONTACTS).find_one({"_id": contact_id})
        if found is None:
            raise NotFound(f"no contact {contact_id}")
        return repository.contact_of(found)

    async def _set(self, tenant_id: str, contact_id: str, **fields: str | None) -> None:
        changes = {field: value for field, value in fields.items() if value is not None}
        if changes:
            await self._collection(tenant_id, repository.CONTACTS).update_one({"_id": contact_id}, {"$set": changes})
