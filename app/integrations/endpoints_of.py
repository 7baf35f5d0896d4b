"""Where an agent's tools are: what the agent says, else the contract, at the tenant's origin."""

from collections.abc import Mapping
from typing import Any

from app.agents.models import Agent
from app.agents.tools import ToolConfig
from app.integrations.http_calls import Endpoint
from app.integrations.tool_contracts import ToolContract, ToolContracts
from app.tenants.credentials import CredentialService
from app.tenants.models import ToolCredentials


class Endpoints:
    """Builds the endpoints of agents."""

    def __init__(self, contracts: ToolContracts, credentials: CredentialService) -> None:
        self._contracts = contracts
        self._credentials = credentials

    def fulfilled(self, tool: str, data: Mapping[str, Any]) -> bool:
        """Returns whether an answer says that what was asked for is done; `too_late` is an answer, too."""
        contract = self._contracts.shipped(tool)
        return contract is None or data.get("status") not in contract.not_done

    async def of(self, agent: Agent) -> Mapping[str, Endpoint]:
        """Returns an agent's endpoints by tool; none while the tenant has not said where its systems are."""
        account = await self._credentials.tools(agent.tenant_id)
        if account is None:
            return {}
        return {
            name: _endpoint(contract, tool, account)
            for name, tool in agent.tools.items()
            if (contract := self._contracts.of(name, tool)) is not None
        }


def _endpoint(contract: ToolContract, tool: ToolConfig, account: ToolCredentials) -> Endpoint:
    return Endpoint(
        contract=contract,
        url=tool.url or account.base_url + contract.path,
        origin=account.base_url,
        method=tool.method or contract.method,
        bearer_token=account.bearer_token,
        headers=tool.headers,
        limit_seconds=tool.limit_ms / 1_000,
        retries=tool.retries,
        cache_seconds=0
        if contract.write
        else contract.cache_seconds
        if tool.cache_seconds is None
        else tool.cache_seconds,
        restricted=tool.restricted and contract.write,
    )
