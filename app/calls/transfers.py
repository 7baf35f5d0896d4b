"""Transfers to a person after the session has ended: the whisper before they are joined, and what if nobody comes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from app.calls.actions import Actions, CallSoFar
from app.calls.briefing import caller_of
from app.calls.ports import Announcement
from app.calls.repository import CallRepository, find_by_carrier_id
from app.calls.thinking import Thinker
from app.dialogue.agents import AgentDirectory
from app.dialogue.turn import Action, ActionKind, Reply
from app.errors import AppError
from app.kit.mongo import Database

_WAYS_TO_A_PERSON: Final = 3
_log = structlog.get_logger("calls")


class Transfers:
    """Recalls a conversation whose call is at the carrier.

    Args:
        database: The store.
        calls_of: The calls of a tenant.
        agents: Who answers.
        actions: What a call does outside itself.
        thinker: The present mind.
    """

    def __init__(
        self,
        database: Database,
        calls_of: Callable[[str], CallRepository],
        agents: AgentDirectory,
        actions: Actions,
        thinker: Callable[[], Thinker],
    ) -> None:
        self._database = database
        self._calls_of = calls_of
        self._agents = agents
        self._actions = actions
        self._thinker = thinker

    async def whisper(self, carrier_call_id: str) -> Announcement | None:
        """Returns what the person hears before the caller is joined to them; see `CallRegistry`."""
        kept = await self._recall(carrier_call_id)
        if kept is None:
            return None
        return Announcement(*self._thinker().dialogue.whisper(kept.state, kept.trigger))

    async def on_ended(self, carrier_call_id: str, *, reached: bool) -> Announcement | None:
        """Takes the end of a transfer: where nobody took the call, WhatsApp or a ticket does; see `CallRegistry`."""
        if reached or (kept := await self._recall(carrier_call_id)) is None:
            return None
        dialogue, state = self._thinker().dialogue, kept.state
        transfer = Action(ActionKind.TRANSFER, "transfer")
        reply, state = dialogue.on_action_failed(state, kept.profile, transfer, heard=False)
        for _ in range(_WAYS_TO_A_PERSON):
            failed = await self._perform_all(replace(kept, state=state), reply)
            if failed is None:
                break
            reply, state = dialogue.on_action_failed(state, kept.profile, failed, heard=False)
        await self._calls_of(kept.profile.tenant_id).update(kept.call_id, {"end_reason": "transfer_unanswered"})
        return Announcement(" ".join(say.text for say in reply.says), state.language)

    async def _recall(self, carrier_call_id: str) -> CallSoFar | None:
        call = await find_by_carrier_id(self._database, carrier_call_id)
        if call is None:
            return None
        setup = await self._agents.setup(call.tenant_id, call.agent_id, caller_of(call))
        return await self._actions.recall(setup.profile, call.contact_number, call.id)

    async def _perform_all(self, call: CallSoFar, reply: Reply) -> Action | None:
        """Carries a reply's actions out without a session; returns the first that failed."""
        for action in reply.actions:
            try:
                await self._actions.perform(call, action)
            except AppError as error:
                _log.warning("calls.action_failed", action=action.kind, code=error.code)
                return action
        return None
