"""What ships beside the code and is read once per process: the contracts of packs and tools, and the calling rules."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from app.compliance.calling_rules import CallingRules, load_rules
from app.integrations.tool_contracts import ToolContracts
from app.language.contract import Contract, load_contract


@dataclass(frozen=True, slots=True)
class Shipped:
    """What no tenant changes.

    Attributes:
        packs: What every language pack must have.
        tools: The tools that every agent may use.
        calling: Hours, series, consent and registrations of each country.
    """

    packs: Contract
    tools: ToolContracts
    calling: CallingRules

    @classmethod
    def load(cls, packs_dir: Path) -> Self:
        """Reads and checks all of it.

        Raises:
            ConfigError: Contracts of tools or the calling rules are wrong.
            PackError: The packs' contract is wrong.
        """
        return cls(load_contract(packs_dir), ToolContracts.load(), load_rules())
