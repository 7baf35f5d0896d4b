"""Dials the wishes to be called that conversations keep: each becomes a call out, through the same gate."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Protocol

import structlog

from app.agents.service import AgentService
from app.compliance.calling_rules import CallPurpose
from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.conversations.callbacks import Callback, Callbacks
from app.errors import AppError, Unprocessable
from app.outbound.service import CallRequest, OutboundService

CUSTOMER: Final = "customer"
CONSENT_DAYS: Final = 7
RETRIES: Final = 1
_MATTER: Final = "callback_later"
_log = structlog.get_logger("outbound")


class TopicWords(Protocol):
    """What a matter is called, in the fixed words of the packs."""

    def phrase(self, language: str, intent: str | None, slots: Mapping[str, str]) -> str:
        """Returns a short noun phrase."""
        ...


class CallbackDialling:
    """Turns wishes that are due into calls out. A wish outside the hours waits for them, as a queued call."""

    def __init__(
        self,
        callbacks: Callbacks,
        service: OutboundService,
        agents: AgentService,
        consents: ConsentLedger,
        topics: TopicWords,
    ) -> None:
        self._callbacks = callbacks
        self._service = service
        self._agents = agents
        self._consents = consents
        self._topics = topics

    async def run(self) -> int:
        """Places a call for every wish that is due; returns how many were taken.

        Raises:
            Unavailable: The store does not answer; the next run goes on.
        """
        taken = 0
        for wish in await self._callbacks.due():
            if not await self._callbacks.claim(wish):
                continue
            taken += 1
            try:
                call_id = await self._place(wish)
            except AppError as error:
                _log.info("outbound.callback_not_placed", callback_id=wish.callback_id, code=error.code)
                await self._callbacks.settle(wish, call_id=None, failure=_failure(error))
            else:
                await self._callbacks.settle(wish, call_id=call_id)
        return taken

    async def _place(self, wish: Callback) -> str:
        if wish.agent_id is None:
            raise Unprocessable("no agent stands behind this conversation", code="no_agent")
        agent = await self._agents.get(wish.tenant_id, wish.agent_id)
        if wish.asked_by == CUSTOMER:
            await self._note_consent(wish)
        language = wish.language if wish.language in agent.languages else agent.default_language
        request = CallRequest(
            to_number=wish.phone,
            agent_id=agent.agent_id,
            purpose=CallPurpose.SERVICE,
            about={language: self._topics.phrase(language, _MATTER, {})},
            language=language,
            wait_for_window=True,
            retries=RETRIES,
        )
        return (await self._service.place(wish.tenant_id, wish.callback_id, request)).call_id

    async def _note_consent(self, wish: Callback) -> None:
        """Who asks to be called consents to that call, for a week; it lifts no opt-out."""
        await self._consents.record(
            wish.tenant_id,
            wish.phone,
            ConsentChannel.CALL,
            Purpose.SERVICE,
            Decision.GRANTED,
            evidence={"callback_id": wish.callback_id, "conversation_id": wish.conversation_id},
            language=wish.language,
            expires_at=wish.created_at + timedelta(days=CONSENT_DAYS),
            given_at=wish.created_at,
        )


def _failure(error: AppError) -> str:
    """Returns the first reason of the gate, or the error's code."""
    first = error.errors[0].detail.split(" ") if error.errors else []
    return first[1].rstrip(":") if error.code in ("call_refused", "call_not_now") and len(first) > 1 else error.code
