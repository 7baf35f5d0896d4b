"""What flows must know of the tools' contracts: a flow that does not fit its tool is refused when it is read."""

from collections.abc import Mapping
from typing import Any

from app.agents.service import AgentService
from app.dialogue.flow_source import ToolFacts
from app.integrations.tool_contracts import CALLER_PHONE, CUSTOMER_ID, ToolContract, ToolContracts

_FILLED_IN = frozenset({CALLER_PHONE, CUSTOMER_ID})


def flow_facts(contracts: ToolContracts) -> Mapping[str, ToolFacts]:
    """Returns the facts of every tool that ships; what the port fills in itself is not asked of flows."""
    shipped = {name: contracts.shipped(name) for name in contracts.names}
    return {name: facts_of(contract) for name, contract in shipped.items() if contract is not None}


def facts_of(contract: ToolContract) -> ToolFacts:
    """Returns the facts of one tool."""
    answers = contract.output.get("properties", {})
    return ToolFacts(
        write=contract.write,
        arguments=contract.takes - _FILLED_IN,
        required=frozenset(contract.input.get("required", ())) - _FILLED_IN,
        answers={name: values for name, rule in answers.items() if (values := _values(rule))},
        fields=frozenset(answers),
    )


def _values(rule: Mapping[str, Any]) -> frozenset[str]:
    if rule.get("type") == "boolean":
        return frozenset({"true", "false"})
    return frozenset(str(value) for value in rule.get("enum", ()))


class TenantToolFacts:
    """The tools of a tenant: those that ship, and those that its agents have of their own."""

    def __init__(self, contracts: ToolContracts, agents: AgentService) -> None:
        self._contracts = contracts
        self._agents = agents

    async def __call__(self, tenant_id: str) -> Mapping[str, ToolFacts]:
        """Returns the tools by name."""
        found = dict(flow_facts(self._contracts))
        after, more = None, True
        while more:
            agents, more = await self._agents.page(tenant_id, 100, after)
            for agent in agents:
                own = ((name, self._contracts.of(name, tool)) for name, tool in agent.tools.items())
                found |= {name: facts_of(contract) for name, contract in own if contract is not None and contract.own}
            after = agents[-1].agent_id if agents else None
        return found
