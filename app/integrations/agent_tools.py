"""Gives each agent its tools: the tenant's address and token, the agent's URL, and breakers shared by all its calls."""

import httpx

from app.agents.models import Agent
from app.integrations.http_tools import Breaker, HttpTools, ToolEndpoint
from app.kit.clock import Clock
from app.tenants.credentials import CredentialService

_MAX_TENANTS = 10_000


class ToolFactory:
    """Makes `HttpTools` for a call or a chat of an agent."""

    def __init__(
        self, client: httpx.AsyncClient, credentials: CredentialService, clock: Clock, timeout_seconds: float = 0.2
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._breakers: dict[str, dict[str, Breaker]] = {}

    async def tools_of(self, agent: Agent) -> HttpTools:
        """Returns the agent's tools; without an address they answer that the system failed."""
        account = await self._credentials.tools(agent.tenant_id)
        endpoints = {}
        if account is not None and agent.order_status is not None:
            url = agent.order_status.url or f"{account.base_url}/orders/{{order_id}}"
            endpoints["order_status"] = ToolEndpoint(
                "order_status", url, account.base_url, account.bearer_token, self._timeout_seconds
            )
        if len(self._breakers) >= _MAX_TENANTS and agent.tenant_id not in self._breakers:
            self._breakers.pop(next(iter(self._breakers)))
        breakers = self._breakers.setdefault(agent.tenant_id, {})
        return HttpTools(self._client, endpoints, breakers, self._clock)
