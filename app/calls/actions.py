"""What a call's dialogue decides beside speaking, carried out on the rooms below: handing over, opting out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from app.compliance.suppression import EVERY_CHANNEL, Suppressions
from app.conversations.handoff import Handoff
from app.conversations.models import CallContext as HandoffContext
from app.conversations.models import TranscriptLine
from app.conversations.service import ConversationService
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState
from app.errors import MessagingError

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")


@dataclass(frozen=True, slots=True)
class CallSoFar:
    """The call at the moment of an action.

    `request_text` holds the caller's last words, said `request_at_ms` into the audio: the evidence of what was asked.
    """

    call_id: str
    caller_number: str
    language: str
    profile: AgentProfile
    transcript: tuple[TranscriptLine, ...]
    request_text: str
    request_at_ms: int | None
    state: DialogueState


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


class CallActions:
    """Implements `Actions` on conversations and compliance."""

    def __init__(self, handoff: Handoff, suppressions: Suppressions, conversations: ConversationService) -> None:
        self._handoff = handoff
        self._suppressions = suppressions
        self._conversations = conversations

    async def perform(self, call: CallSoFar, action: Action) -> Mapping[str, Any]:
        """Carries out an action; see `Actions`."""
        match action.kind:
            case ActionKind.OPT_OUT:
                return await self._opt_out(call)
            case ActionKind.HANDOFF_WHATSAPP:
                return await self._hand_over(call, action)
            case _:
                return {}

    async def _opt_out(self, call: CallSoFar) -> Mapping[str, Any]:
        """Source: rules IN-08 and US-06; an opt-out on a call holds for every channel."""
        evidence = {"call_id": call.call_id, "words": call.request_text, "at_ms": call.request_at_ms}
        new = await self._suppressions.opt_out(
            call.profile.tenant_id, call.caller_number, EVERY_CHANNEL, evidence, language=call.language
        )
        return {"channels": [channel.value for channel in EVERY_CHANNEL], "new": new}

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

    async def _hand_over(self, call: CallSoFar, action: Action) -> Mapping[str, Any]:
        result = await self._handoff.request(
            call.profile.tenant_id,
            call.caller_number,
            _handoff_context(call, action.reason, action.data),
            entity_name=call.profile.entity_name,
            languages=call.profile.languages,
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
        slots=data.get("slots") or dict(call.state.slots),
        transcript=call.transcript,
        request_text=call.request_text,
        request_at_ms=call.request_at_ms,
    )
