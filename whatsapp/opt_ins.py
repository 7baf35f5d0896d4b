"""Consent to WhatsApp by a message of the customer's own: a keyword that was advertised, or the text behind a QR code.

Only the whole message counts, as it was advertised; whatever else somebody writes is no consent.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from app.audit.log import AuditLog
from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.compliance.suppression import Suppressions
from app.conversations.models import Contact, Conversation, Message
from app.conversations.service import ConversationService
from app.errors import Conflict, FieldError, Unprocessable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec, StorePage
from whatsapp.optout import OptOutWords, normal_form

COLLECTION: Final = "whatsapp_opt_ins"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("match", 1)), unique=True),)
_LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_CODE_LETTERS: Final = 8
_RESERVED: Final = frozenset({"call"})


@dataclass(frozen=True, slots=True)
class OptIn:
    """A way to agree.

    Attributes:
        opt_in_id: `optin_<ulid>`.
        text: The whole message that agrees.
        wording: What people were told before they sent it; it names the business.
        purpose: What they agree to.
        language: Of the wording, BCP-47.
        confirmation: What we answer.
        code: The code at the end of the text of a QR code; None: a keyword.
        link: The wa.me link that writes the text, where the business number was told.
        created_at: Aware UTC.
    """

    opt_in_id: str
    text: str
    wording: str
    purpose: Purpose
    language: str
    confirmation: str
    code: str | None
    link: str | None
    created_at: datetime


class OptIns:
    """The tenant's ways to agree, and what is kept when somebody does."""

    def __init__(
        self,
        database: Database,
        ledger: ConsentLedger,
        suppressions: Suppressions,
        conversations: ConversationService,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._suppressions = suppressions
        self._conversations = conversations
        self._audit = audit
        self._clock = clock

    async def create(
        self,
        tenant_id: str,
        actor: str,
        *,
        wording: str,
        names: tuple[str, ...],
        purpose: Purpose,
        language: str,
        confirmation: str,
        commands: OptOutWords,
        keyword: str | None = None,
        business_phone: str | None = None,
    ) -> OptIn:
        """Stores a way to agree.

        Args:
            tenant_id: Whose.
            actor: Who says so.
            wording: What people are told.
            names: By which the business is known; the wording holds one of them.
            purpose: What they agree to.
            language: Of the wording, BCP-47.
            confirmation: What we answer.
            commands: Words that mean something else already.
            keyword: The whole message that agrees; None: the wording itself with a fresh code, for a QR code.
            business_phone: The business's WhatsApp number, E.164, for the link.

        Raises:
            Conflict: The keyword agrees to something already (`opt_in_taken`).
            Unprocessable: The wording names nobody, or the keyword means something else.
        """
        if not any(name.casefold() in wording.casefold() for name in names):
            detail = f"must name the business: {' or '.join(names)}"
            raise Unprocessable("the wording names nobody", errors=[FieldError("/body/wording", detail)])
        code = None if keyword else "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LETTERS))
        text = keyword or f"{wording} ({code})"
        match = normal_form(text)
        if not match or match in _RESERVED or commands.command(text) is not None:
            detail = "must have letters, and be no word that stops, starts or asks for a call"
            raise Unprocessable("the keyword is not usable", errors=[FieldError("/body/keyword", detail)])
        number = business_phone.removeprefix("+") if business_phone else None
        row: dict[str, Any] = {
            "_id": new_id("optin"),
            "match": match,
            "text": text,
            "wording": wording,
            "purpose": purpose.value,
            "language": language,
            "confirmation": confirmation,
            "code": code,
            "link": f"https://wa.me/{number}?text={quote(text)}" if number else None,
            "created_at": self._clock.now(),
        }
        try:
            await self._rows(tenant_id).insert_one(row)
        except Conflict as error:
            raise Conflict("this message agrees to something already", code="opt_in_taken") from error
        opt_in = opt_in_of(row)
        data = {"purpose": purpose.value, "text": text, "wording": wording}
        await self._audit.record(tenant_id, actor, "opt_in.created", opt_in.opt_in_id, data)
        return opt_in

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of documents for `opt_in_of`, newest first."""
        return await self._rows(tenant_id).page({}, limit, starting_after)

    async def delete(self, tenant_id: str, actor: str, opt_in_id: str) -> bool:
        """Forgets a way to agree; what was agreed to stays. Returns whether there was one."""
        if not await self._rows(tenant_id).delete_one({"_id": opt_in_id}):
            return False
        await self._audit.record(tenant_id, actor, "opt_in.deleted", opt_in_id)
        return True

    async def take(self, conversation: Conversation, message: Message, said: str) -> OptIn | None:
        """Keeps the consent that a message is, for every address of the person; None: it is none.

        Agreeing anew lifts an opt-out from WhatsApp; calls stay forbidden.
        """
        tenant_id = conversation.tenant_id
        found = await self._rows(tenant_id).find_one({"match": normal_form(said)})
        if found is None:
            return None
        opt_in = opt_in_of(found)
        evidence = {
            "source": "qr" if opt_in.code else "keyword",
            "opt_in_id": opt_in.opt_in_id,
            "message_id": message.message_id,
            "provider_id": message.provider_id,
            "words": said,
        }
        contact: Contact = await self._conversations.contact(tenant_id, conversation.contact_id)
        known = await self._conversations.addresses(contact)
        for address in dict.fromkeys((conversation.address, *known)):
            await self._suppressions.restore(tenant_id, address, ConsentChannel.WHATSAPP, evidence)
            await self._ledger.record(
                tenant_id,
                address,
                ConsentChannel.WHATSAPP,
                opt_in.purpose,
                Decision.GRANTED,
                evidence=evidence,
                language=opt_in.language,
                wording=opt_in.wording,
                given_at=message.sent_at,
            )
        return opt_in

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def opt_in_of(row: Mapping[str, Any]) -> OptIn:
    """Returns a stored document as a value."""
    return OptIn(
        row["_id"],
        row["text"],
        row["wording"],
        Purpose(row["purpose"]),
        row["language"],
        row["confirmation"],
        row["code"],
        row["link"],
        row["created_at"],
    )
