"""What follows a call of ours that nobody answered: a message, where the person agreed to messages before."""

from typing import Final

import structlog

from app.agents.service import AgentService
from app.compliance.calling_rules import CallPurpose
from app.conversations.handoff import Handoff
from app.conversations.models import CallContext
from app.conversations.service import ConversationService
from app.errors import AppError
from app.outbound.models import OutboundCall

TEMPLATE: Final = "missed_call"
_log = structlog.get_logger("outbound")


class MissedCalls:
    """Writes the template `missed_call`: once per call, never for an advertisement, never without consent."""

    def __init__(self, handoff: Handoff, conversations: ConversationService, agents: AgentService) -> None:
        self._handoff = handoff
        self._conversations = conversations
        self._agents = agents

    async def follow(self, call: OutboundCall) -> None:
        """Writes to the person, if the tenant lets calls go on in WhatsApp; a failure is logged, the call is over."""
        if call.purpose is CallPurpose.PROMOTIONAL:
            return
        try:
            if not await self._conversations.continues_dropped_calls(call.tenant_id):
                return
            agent = await self._agents.get(call.tenant_id, call.agent_id)
        except AppError as error:
            _log.warning("outbound.not_followed", tenant_id=call.tenant_id, call_id=call.call_id, code=error.code)
            return
        context = CallContext(
            call.call_id,
            call.language,
            "nobody answered our call",
            agent_id=call.agent_id,
            entity_name=agent.entity_name,
            slots=call.variables,
        )
        result = await self._handoff.go_on(
            call.tenant_id,
            call.to_number,
            context,
            template=TEMPLATE,
            entity_name=agent.entity_name,
            languages=agent.languages,
            about=call.about,
        )
        _log.info("outbound.followed", tenant_id=call.tenant_id, call_id=call.call_id, status=result.status.value)
