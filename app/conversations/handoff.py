"""Takes a call over to WhatsApp: keeps the request as evidence, stores the context, queues the approved template."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import structlog

from app.audit.log import AuditLog
from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, ConsentEntry, Decision, Purpose
from app.compliance.suppression import Suppressions
from app.conversations.models import (
    CallContext,
    Contact,
    Conversation,
    HandoffResult,
    HandoffStatus,
    Owner,
    Reach,
)
from app.conversations.ports import MessageOutbox, OutboxState, Topics
from app.conversations.routing import Router
from app.conversations.service import ConversationService
from app.errors import AppError, Conflict
from app.kit.clock import Clock
from app.language.packs import Pack

TEMPLATE = "call_handoff"
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_POLL_SECONDS = 0.05
_log = structlog.get_logger(__name__)


class Handoff:
    """From the call to WhatsApp, as a caller asks for it.

    Args:
        conversations: Where the context goes.
        outbox: The way out.
        ledger: Keeps the request as consent.
        suppressions: Opt-outs, which win over everything.
        audit: Who did what.
        packs: BCP-47 tag -> pack, for templates and fallbacks.
        topics: What the call was about, in words.
        clock: Time.
        router: Finds the person who goes on.
    """

    def __init__(
        self,
        conversations: ConversationService,
        outbox: MessageOutbox,
        ledger: ConsentLedger,
        suppressions: Suppressions,
        audit: AuditLog,
        packs: Mapping[str, Pack],
        topics: Topics,
        clock: Clock,
        router: Router,
    ) -> None:
        self._conversations = conversations
        self._outbox = outbox
        self._ledger = ledger
        self._suppressions = suppressions
        self._audit = audit
        self._packs = packs
        self._topics = topics
        self._clock = clock
        self._router = router

    async def request(
        self,
        tenant_id: str,
        phone: str,
        call: CallContext,
        *,
        entity_name: str,
        languages: Sequence[str] = (),
        next_owner: Owner = Owner.PERSON,
        wait_seconds: float = 0.0,
        requested: str | None = "",
    ) -> HandoffResult:
        """Hands the caller over to WhatsApp, once per call however often it is asked.

        A caller who wants it gives consent by that; anybody else must have agreed before.

        Args:
            tenant_id: Whose call.
            phone: The caller's number, E.164.
            call: What the call knows; `request_text` is the evidence that the caller asked.
            entity_name: Who writes, as the template names it.
            languages: The tenant's fallback order after the caller's language.
            next_owner: Who answers on WhatsApp.
            wait_seconds: How long to wait for Meta's answer before `queued` is returned.
            requested: What the caller said yes to, "" where they asked by themselves, None: they did neither.

        Returns:
            What became of it; never raises for a store or a provider that fails.
        """
        try:
            kept = await self._keep(tenant_id, phone, call, next_owner)
            if kept is None:
                return HandoffResult(
                    HandoffStatus.NO_WHATSAPP, "the caller's number is withheld or no telephone number"
                )
            refusal = await self._refusal(*kept, call)
            if refusal is None and requested is None and not await self._agreed(tenant_id, phone):
                refusal = _not_agreed(kept[1])
            if refusal is not None:
                data = {"call_id": call.call_id, "reason": call.reason, "status": refusal.status.value}
                await self._audit.record(tenant_id, "caller", "handoff.refused", kept[1].conversation_id, data)
                return refusal
            if requested is not None:
                await self._keep_consent(tenant_id, kept[1].address, call, requested or None)
            return await self._send(kept[1], call, self._parameters(call, entity_name, languages), wait_seconds)
        except AppError as error:
            _log.warning(
                "handoff.failed", tenant_id=tenant_id, call_id=call.call_id, code=error.code, reason=error.detail
            )
            return HandoffResult(HandoffStatus.FAILED, error.detail)

    async def keep(self, tenant_id: str, phone: str, call: CallContext, what: str) -> Conversation | None:
        """Keeps a call for a person who is about to be joined, or will call back: all that is known, beforehand.

        Args:
            tenant_id: Whose call.
            phone: The caller's number, E.164.
            call: What the call knows.
            what: For the record: transfer, callback or ticket.

        Returns:
            The conversation in which the person finds it; None where the number is withheld.
        """
        kept = await self._keep(tenant_id, phone, call, Owner.PERSON)
        data = {"call_id": call.call_id, "reason": call.reason, "trigger": call.escalation.get("trigger")}
        target = call.call_id if kept is None else kept[1].conversation_id
        await self._audit.record(tenant_id, "caller", f"handoff.{what}", target, data)
        return None if kept is None else kept[1]

    async def go_on(
        self,
        tenant_id: str,
        phone: str,
        call: CallContext,
        *,
        template: str,
        entity_name: str,
        languages: Sequence[str] = (),
        about: Mapping[str, str] | None = None,
    ) -> HandoffResult:
        """Goes on in WhatsApp after a call that broke off (`follow_up`) or that nobody answered (`missed_call`).

        Nobody asked for it on this call, so that only a contact who agreed to service messages before gets one.

        Args:
            tenant_id: Whose call.
            phone: The contact's number, E.164.
            call: What the call knows.
            template: Which.
            entity_name: Who writes, as the template names it.
            languages: The tenant's fallback order after the contact's language.
            about: Language -> what the call was about; otherwise the packs' words for its matter.

        Returns:
            What became of it; never raises for a store or a provider that fails.
        """
        try:
            contact = await self._conversations.contact_for(tenant_id, phone)
            conversation = await self._conversations.open_for(contact, language=call.language, agent_id=call.agent_id)
            agreed = await self._agreed(tenant_id, phone)
            if agreed is None:
                return _not_agreed(conversation)
            evidence = replace(call, request_text=str(agreed.evidence.get("words") or "agreed before"))
            refusal = await self._refusal(contact, conversation, evidence)
            parameters = self._parameters(call, entity_name, languages, template, about or {})
            if refusal is not None or not parameters:
                return refusal or HandoffResult(HandoffStatus.FAILED, f"no language pack has the template {template}")
            outbox_id = await self._outbox.add_template(
                conversation, name=template, parameters=parameters, idempotency_key=f"{template}:{call.call_id}"
            )
            data = {"call_id": call.call_id, "outbox_id": outbox_id, "template": template}
            await self._audit.record(tenant_id, "system", "handoff.continued", conversation.conversation_id, data)
            return await self._outcome(conversation, outbox_id, 0.0)
        except AppError as error:
            _log.warning("handoff.failed", tenant_id=tenant_id, call_id=call.call_id, code=error.code)
            return HandoffResult(HandoffStatus.FAILED, error.detail)

    async def _send(
        self,
        conversation: Conversation,
        call: CallContext,
        parameters: Mapping[str, Sequence[str]],
        wait_seconds: float,
    ) -> HandoffResult:
        tenant_id, conversation_id = conversation.tenant_id, conversation.conversation_id
        if not parameters:
            return HandoffResult(HandoffStatus.FAILED, f"no language pack has the template {TEMPLATE}", conversation_id)
        outbox_id = await self._outbox.add_template(
            conversation, name=TEMPLATE, parameters=parameters, idempotency_key=f"handoff:{call.call_id}"
        )
        data = {"call_id": call.call_id, "outbox_id": outbox_id, "reason": call.reason, "language": call.language}
        await self._audit.record(tenant_id, "caller", "handoff.requested", conversation_id, data)
        return await self._outcome(conversation, outbox_id, wait_seconds)

    async def _keep(
        self, tenant_id: str, phone: str, call: CallContext, next_owner: Owner
    ) -> tuple[Contact, Conversation] | None:
        """Stores context and owner first: whatever happens to the message, a person sees the call."""
        if not _E164.fullmatch(phone):
            return None
        contact = await self._conversations.contact_for(tenant_id, phone)
        await self._conversations.note_contact(tenant_id, contact.contact_id, language=call.language)
        conversation = await self._conversations.open_for(contact, language=call.language, agent_id=call.agent_id)
        await self._conversations.attach_call(conversation, call)
        if conversation.owner is Owner.PERSON:
            return contact, conversation
        try:
            if next_owner is Owner.PERSON:
                return contact, (await self._router.route(conversation, call.reason)).conversation
            return contact, await self._conversations.hand_to(conversation, next_owner, reason=call.reason)
        except Conflict:
            return contact, await self._conversations.get(tenant_id, conversation.conversation_id)

    async def _refusal(self, contact: Contact, conversation: Conversation, call: CallContext) -> HandoffResult | None:
        conversation_id = conversation.conversation_id
        if not await self._outbox.is_configured(contact.tenant_id):
            return HandoffResult(HandoffStatus.NO_WHATSAPP, "the tenant has no WhatsApp number", conversation_id)
        if contact.whatsapp is Reach.NO:
            return HandoffResult(HandoffStatus.NO_WHATSAPP, "this number is not on WhatsApp", conversation_id)
        if not call.request_text.strip():
            return HandoffResult(HandoffStatus.NO_CONSENT, "the caller did not ask for WhatsApp", conversation_id)
        if await self._suppressions.is_suppressed(contact.tenant_id, contact.address, ConsentChannel.WHATSAPP):
            return HandoffResult(HandoffStatus.NO_CONSENT, "the caller opted out of WhatsApp messages", conversation_id)
        return None

    def _parameters(
        self,
        call: CallContext,
        entity_name: str,
        languages: Sequence[str],
        template: str = TEMPLATE,
        about: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, tuple[str, ...]]:
        """Returns the template's values per language: the caller's, the tenant's order, its pack's fallbacks."""
        own = self._packs.get(call.language)
        chain = (call.language, *languages, *(own.manifest.fallback if own else ()))
        return {
            tag: (entity_name, about.get(tag) or self._topics.phrase(tag, call.intent, call.slots))
            for tag in dict.fromkeys(chain)
            if tag in self._packs and template in self._packs[tag].whatsapp_templates
        }

    async def _agreed(self, tenant_id: str, phone: str) -> ConsentEntry | None:
        """Returns the grant that holds for messages of service on WhatsApp, if one does."""
        entry = await self._ledger.latest(tenant_id, phone, ConsentChannel.WHATSAPP, Purpose.SERVICE)
        return entry if entry is not None and entry.holds_at(self._clock.now()) else None

    async def _keep_consent(self, tenant_id: str, phone: str, call: CallContext, asked: str | None) -> None:
        evidence = {
            "call_id": call.call_id,
            "words": call.request_text,
            "at_ms": call.request_at_ms,
            "reason": call.reason,
        }
        await self._ledger.record(
            tenant_id,
            phone,
            ConsentChannel.WHATSAPP,
            Purpose.SERVICE,
            Decision.GRANTED,
            evidence=evidence,
            language=call.language,
            wording=asked,
        )

    async def _outcome(self, conversation: Conversation, outbox_id: str, wait_seconds: float) -> HandoffResult:
        deadline = self._clock.monotonic() + wait_seconds
        while True:
            row = (await self._outbox.views(conversation.tenant_id, [outbox_id])).get(outbox_id)
            state = row.state if row else OutboxState.UNKNOWN
            if state not in {OutboxState.QUEUED, OutboxState.SENDING} or self._clock.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)
        language = row.language if row else None
        conversation_id = conversation.conversation_id
        if state is OutboxState.FAILED:
            failure = (row.failure if row else None) or "refused"
            status = HandoffStatus.NO_WHATSAPP if failure == "not_on_whatsapp" else HandoffStatus.FAILED
            return HandoffResult(status, failure, conversation_id, outbox_id, language)
        if state in {OutboxState.SENT, OutboxState.DELIVERED, OutboxState.READ, OutboxState.PLAYED}:
            return HandoffResult(HandoffStatus.SENT, "Meta took the message", conversation_id, outbox_id, language)
        return HandoffResult(HandoffStatus.QUEUED, "the message is on its way", conversation_id, outbox_id, language)


def _not_agreed(conversation: Conversation) -> HandoffResult:
    detail = "the contact has not agreed to WhatsApp messages"
    return HandoffResult(HandoffStatus.NO_CONSENT, detail, conversation.conversation_id)
