"""A test call that the agent places: to a phone whose holder has just tried the agent, through the same gate as any."""

from datetime import datetime, timedelta
from typing import Final

from app.agents.lifecycle import PROVEN_FOR, Lifecycle
from app.agents.service import AgentService
from app.compliance.calling_rules import CallPurpose
from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.conversations.topics import PackTopics
from app.errors import Conflict, FieldError
from app.kit.clock import Clock
from app.kit.mongo import Database
from app.outbound.models import OutboundCall
from app.outbound.service import CallRequest, OutboundService

CONSENT_LASTS: Final = timedelta(hours=24)
_CALLS: Final = "calls"


class TestRings:
    """Rings testers. Who answered an expected test call from a phone holds that phone, and asked for the tests."""

    __test__ = False

    def __init__(
        self,
        database: Database,
        agents: AgentService,
        lifecycle: Lifecycle,
        consents: ConsentLedger,
        outbound: OutboundService,
        topics: PackTopics,
        clock: Clock,
    ) -> None:
        self._database = database
        self._agents = agents
        self._lifecycle = lifecycle
        self._consents = consents
        self._outbound = outbound
        self._topics = topics
        self._clock = clock

    async def ring(
        self, tenant_id: str, actor: str, agent_id: str, number: str, language: str | None = None
    ) -> OutboundCall:
        """Has an agent, live or not, ring a phone that is proven.

        Args:
            tenant_id: Whose.
            actor: Who asks.
            agent_id: Who speaks.
            number: The phone, E.164.
            language: Of the opening, BCP-47; None: the agent's default.

        Raises:
            NotFound: The agent is not this tenant's.
            Unprocessable: The agent does not speak the language.
            Conflict: `phone_not_proven`, or refused now and allowed later (`call_not_now`).
            Forbidden: Refused (`call_refused`); every reason stands in `errors`.
        """
        agent = await self._agents.get(tenant_id, agent_id)
        proven_at = await self._proven(tenant_id, agent_id, number)
        tag = language or agent.default_language
        about = {tag: self._topics.phrase(tag, None, {})} if tag in agent.languages else {}
        await self._lifecycle.expect_test(tenant_id, actor, agent_id, number, proven_at=proven_at)
        await self._note_consent(tenant_id, actor, agent_id, number, tag, proven_at)
        request = CallRequest(number, agent_id, CallPurpose.SERVICE, about, language=tag)
        return await self._outbound.place(tenant_id, actor, request)

    async def _proven(self, tenant_id: str, agent_id: str, number: str) -> datetime:
        """Returns when the phone was proven: an expected test call came from it and was answered."""
        tester, now = await self._lifecycle.tester(tenant_id, agent_id, number), self._clock.now()
        if tester is not None and tester.proven_at is not None and now - tester.proven_at < PROVEN_FOR:
            return tester.proven_at
        if tester is not None:
            query = {
                "contact_number": number,
                "agent_id": agent_id,
                "direction": "inbound",
                "created_at": {"$gte": tester.since, "$lte": tester.until},
                "answered_at": {"$ne": None},
            }
            found = await self._database.tenant(tenant_id).collection(_CALLS).find_one(query, ["created_at"])
            if found is not None:
                proven_at: datetime = found["created_at"]
                return proven_at
        cure = f"POST /v1/agents/{agent_id}/test-calls with this number, then ring the agent from it"
        detail = f"no expected test call came from this phone within {PROVEN_FOR.days} days"
        raise Conflict(detail, code="phone_not_proven", errors=[FieldError("/body/to_number", cure)])

    async def _note_consent(
        self, tenant_id: str, actor: str, agent_id: str, number: str, language: str, proven_at: datetime
    ) -> None:
        """Who tries an agent consents to its test calls for a day; that lifts no withdrawal and no opt-out."""
        now = self._clock.now()
        known = await self._consents.latest(tenant_id, number, ConsentChannel.CALL, Purpose.SERVICE)
        if known is not None and (
            known.decision is not Decision.GRANTED or known.expires_at is None or known.expires_at > now
        ):
            return
        await self._consents.record(
            tenant_id,
            number,
            ConsentChannel.CALL,
            Purpose.SERVICE,
            Decision.GRANTED,
            evidence={
                "source": "test_call",
                "agent_id": agent_id,
                "asked_by": actor,
                "proven_at": proven_at.isoformat(),
            },
            language=language,
            expires_at=now + CONSENT_LASTS,
            given_at=now,
        )
