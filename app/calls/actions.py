"""What a call's dialogue decides beside speaking, carried out on the rooms below: handing over, opting out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import structlog

from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.compliance.suppression import EVERY_CHANNEL, Suppressions
from app.conversations.handoff import Handoff
from app.conversations.models import CallContext as HandoffContext
from app.conversations.models import Owner, TranscriptLine
from app.conversations.service import ConversationService
from app.dialogue import opt_in
from app.dialogue.draft import CONFIRM_WHATSAPP
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState
from app.errors import MessagingError

_BROKEN_ENDS: Final = frozenset({"failed", "stream_lost", "stream_idle", "stream_blocked"})
_log = structlog.get_logger(__name__)
_E164: Final = re.compile(r"\+[1-9]\d{6,14}")


@dataclass(frozen=True, slots=True)
class CallSoFar:
    """The call at the moment of an action.

    `request_text` holds the caller's last words, said `request_at_ms` into the audio: the evidence of what was asked.
    `trigger` is the rule that brought a person in, of a call that is recalled.
    """

    call_id: str
    caller_number: str
    language: str
    profile: AgentProfile
    transcript: tuple[TranscriptLine, ...]
    request_text: str
    request_at_ms: int | None
    state: DialogueState
    trigger: str | None = None


class Actions(Protocol):
    """Carries out actions, each once."""

    async def perform(self, call: CallSoFar, action: Action) -> Mapping[str, Any]:
        """Carries out an action and returns what became of it, JSON values only.

        Raises:
            AppError: It could not be done; the caller will hear so.
        """
        ...

    async def remember(self, call: CallSoFar, end_reason: str) -> None:
        """Keeps a call that is over in the contact's conversation."""
        ...

    async def recall(self, profile: AgentProfile, caller_number: str, call_id: str) -> CallSoFar | None:
        """Returns a call as it was kept when it was handed over, or None where nothing was kept."""
        ...


def broke_off(end_reason: str) -> bool:
    """Returns whether a call ended by a fault of the line or of ours, rather than by anybody's wish."""
    return end_reason in _BROKEN_ENDS


class CallActions:
    """Implements `Actions` on conversations and compliance."""

    def __init__(
        self,
        handoff: Handoff,
        suppressions: Suppressions,
        conversations: ConversationService,
        ledger: ConsentLedger,
    ) -> None:
        self._handoff = handoff
        self._suppressions = suppressions
        self._conversations = conversations
        self._ledger = ledger

    async def perform(self, call: CallSoFar, action: Action) -> Mapping[str, Any]:
        """Carries out an action; see `Actions`."""
        match action.kind:
            case ActionKind.OPT_OUT:
                return await self._opt_out(call)
            case ActionKind.WHATSAPP_CONSENT:
                return await self._keep_answer(call, action)
            case ActionKind.HANDOFF_WHATSAPP:
                return await self._hand_over(call, action)
            case ActionKind.TRANSFER | ActionKind.CALLBACK | ActionKind.TICKET:
                return await self._keep(call, action)
            case _:
                return {}

    async def _opt_out(self, call: CallSoFar) -> Mapping[str, Any]:
        """Source: rules IN-08 and US-06; an opt-out on a call holds for every channel."""
        evidence = {"call_id": call.call_id, "words": call.request_text, "at_ms": call.request_at_ms}
        new = await self._suppressions.opt_out(
            call.profile.tenant_id, call.caller_number, EVERY_CHANNEL, evidence, language=call.language
        )
        return {"channels": [channel.value for channel in EVERY_CHANNEL], "new": new}

    async def _keep_answer(self, call: CallSoFar, action: Action) -> Mapping[str, Any]:
        """Keeps what was answered to the question whether we may write on WhatsApp, with the evidence of it.

        Source: facts of the platform, 9: opt-in may be given by IVR where the statement names the business.
        """
        evidence = {
            "source": "ivr",
            "call_id": call.call_id,
            "words": action.data["words"],
            "by": action.data["by"],
            "at_ms": call.request_at_ms,
        }
        entry = await self._ledger.record(
            call.profile.tenant_id,
            call.caller_number,
            ConsentChannel.WHATSAPP,
            Purpose.SERVICE,
            Decision.GRANTED if action.reason == opt_in.AGREED else Decision.WITHDRAWN,
            evidence=evidence,
            language=action.data["language"],
            wording=action.data["wording"],
        )
        return {"consent_id": entry.consent_id, "decision": entry.decision.value}

    async def remember(self, call: CallSoFar, end_reason: str) -> None:
        """Keeps the call in the contact's conversation, and its state, so that a chat asks nothing twice."""
        if not _E164.fullmatch(call.caller_number):
            return
        tenant_id = call.profile.tenant_id
        contact = await self._conversations.contact_for(tenant_id, call.caller_number)
        await self._conversations.note_contact(tenant_id, contact.contact_id, language=call.language)
        conversation = await self._conversations.open_for(
            contact, language=call.language, agent_id=call.profile.agent_id
        )
        await self._conversations.attach_call(conversation, _handoff_context(call, end_reason, {}))
        async with self._conversations.exclusive(tenant_id, conversation.conversation_id) as held:
            state = replace(call.state, ended=False)
            await self._conversations.save_dialogue(held, state.to_json(), call.language)
        waiting = call.state.handover if call.state.awaiting == CONFIRM_WHATSAPP else {}
        if waiting:
            context = _handoff_context(call, str(waiting["reason"]), {})
            await self._handoff.keep(tenant_id, call.caller_number, context, ActionKind.TICKET.value)
        elif conversation.owner is Owner.PERSON or conversation.desk.wants_person_since is not None:
            await self._conversations.wait_from(conversation)
        elif broke_off(end_reason) and ActionKind.HANDOFF_WHATSAPP.value not in call.state.done:
            await self._go_on(call, end_reason)

    async def _go_on(self, call: CallSoFar, end_reason: str) -> None:
        """Writes to the caller of a call that broke off, if the tenant and an earlier consent allow it."""
        tenant_id = call.profile.tenant_id
        if not call.transcript or not await self._conversations.continues_dropped_calls(tenant_id):
            return
        result = await self._handoff.go_on(
            tenant_id,
            call.caller_number,
            _handoff_context(call, end_reason, {}),
            template="follow_up",
            entity_name=call.profile.entity_name,
            languages=call.profile.languages,
        )
        _log.info("calls.continued", tenant_id=tenant_id, call_id=call.call_id, status=result.status.value)

    async def recall(self, profile: AgentProfile, caller_number: str, call_id: str) -> CallSoFar | None:
        """Returns a call as it was kept when it was handed over, or None where nothing was kept."""
        contact = await self._conversations.find_contact(profile.tenant_id, caller_number)
        if contact is None:
            return None
        conversation = await self._conversations.open_for(contact)
        kept = await self._conversations.snapshots(profile.tenant_id, conversation.conversation_id)
        context = next((snapshot.context for snapshot in kept if snapshot.context.call_id == call_id), None)
        if context is None or conversation.dialogue is None:
            return None
        return CallSoFar(
            call_id=call_id,
            caller_number=caller_number,
            language=context.language,
            profile=profile,
            transcript=context.transcript,
            request_text=context.request_text,
            request_at_ms=context.request_at_ms,
            state=DialogueState.from_json(conversation.dialogue),
            trigger=str(context.escalation.get("trigger") or "") or None,
        )

    async def _keep(self, call: CallSoFar, action: Action) -> Mapping[str, Any]:
        """Lays everything out for the person before they are joined, or for the one who calls back."""
        context = _handoff_context(call, action.reason, action.data)
        kept = await self._handoff.keep(call.profile.tenant_id, call.caller_number, context, action.kind.value)
        if kept is None and action.kind is not ActionKind.TRANSFER:
            raise MessagingError("the number is withheld: nobody can come back to the caller", code="number_withheld")
        return {"conversation_id": kept.conversation_id if kept is not None else None}

    async def _hand_over(self, call: CallSoFar, action: Action) -> Mapping[str, Any]:
        result = await self._handoff.request(
            call.profile.tenant_id,
            call.caller_number,
            _handoff_context(call, action.reason, action.data),
            entity_name=call.profile.entity_name,
            languages=call.profile.languages,
            requested=None if (wish := action.data.get("requested")) is None else str(wish["wording"]),
        )
        if not result.on_its_way:
            raise MessagingError(result.message, code=f"handoff_{result.status.value}")
        return {"status": result.status.value, "conversation_id": result.conversation_id, "outbox_id": result.outbox_id}


def _handoff_context(call: CallSoFar, reason: str, data: Mapping[str, Any]) -> HandoffContext:
    return HandoffContext(
        call_id=call.call_id,
        language=call.language,
        reason=reason,
        agent_id=call.profile.agent_id,
        entity_name=call.profile.entity_name,
        intent=data.get("intent") or call.state.intent,
        slots=data.get("slots") or {name: value for name, value in call.state.slots.items() if "." not in name},
        transcript=call.transcript,
        request_text=call.request_text,
        request_at_ms=call.request_at_ms,
        fetched=data.get("fetched") or [dict(entry) for entry in call.state.fetched],
        sentiment=data.get("sentiment", round(call.state.mood, 2)),
        escalation=data.get("escalation") or {},
    )
