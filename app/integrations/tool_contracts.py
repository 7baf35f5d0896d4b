"""The contracts of tools: those every agent may have, as data in `contracts/`, and those that tenants write."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Any, Final, Self

import httpx
from jsonschema import Draft202012Validator

from app.agents.tools import ToolConfig
from app.dialogue.verification import VerificationPolicy
from app.errors import ConfigError, FieldError, ToolError
from app.integrations.contract_files import contract_entries
from app.integrations.schema_rules import schema_problems

CONTRACTS_DIR: Final = Path(__file__).parent / "contracts"
IDENTIFY_CALLER: Final = "identify_caller"
CALLER_PHONE: Final = "caller_phone"
CUSTOMER_ID: Final = "customer_id"
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,47}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{0,500}")
_SECRET_HEADER: Final = re.compile(r"auth|cookie|token|secret|password|api-?key|signature", re.IGNORECASE)
_OWN_HEADERS: Final = frozenset(
    "host content-length content-type transfer-encoding connection te trailer upgrade accept accept-encoding "
    "idempotency-key expect".split()
)


@dataclass(frozen=True)
class ToolContract:
    """What goes into a tool and what comes out.

    Attributes:
        name: `order_status` and alike.
        does: For people.
        write: Changes something: needs a key, is never speculative.
        account: Gives account data.
        method: HTTP method.
        path: Below the tenant's base URL, with `{argument}` places.
        cache_seconds: How long a read may be kept.
        input: JSON Schema of the arguments.
        output: JSON Schema of the answer.
        not_done: The values of an answer's `status` that say that it was not done.
        own: Written by the tenant.
    """

    name: str
    does: str
    write: bool
    account: bool
    method: str
    path: str
    cache_seconds: int
    input: Mapping[str, Any] = field(repr=False)
    output: Mapping[str, Any] = field(repr=False)
    not_done: tuple[str, ...] = ()
    own: bool = False

    @property
    def takes(self) -> frozenset[str]:
        """The names of the arguments."""
        return frozenset(self.input.get("properties", {}))

    @cached_property
    def _input(self) -> Draft202012Validator:
        return Draft202012Validator({**self.input, "type": "object", "additionalProperties": False})

    @cached_property
    def _output(self) -> Draft202012Validator:
        return Draft202012Validator({**self.output, "type": "object"})

    def arguments(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Returns the arguments in the types of the contract.

        Args:
            given: Slot values; empty ones are left out.

        Raises:
            ToolError: They are outside the contract; the detail names the argument, never its value.
        """
        properties = self.input.get("properties", {})
        typed = {name: _typed(name, value, properties.get(name, {})) for name, value in given.items() if value != ""}
        self.check(typed)
        return typed

    def check(self, typed: Mapping[str, Any]) -> None:
        """Checks arguments that have their types.

        Raises:
            ToolError: They are outside the contract; the detail names the argument, never its value.
        """
        problem = next(iter(self._input.iter_errors(typed)), None)
        if problem is not None:
            place = problem.json_path.removeprefix("$.")
            named = "" if problem.validator not in ("required", "additionalProperties") else f": {problem.message}"
            raise ToolError(f"arguments outside the contract at {place}: {problem.validator}{named}"[:300])

    def answer(self, data: Any) -> dict[str, Any]:
        """Returns an answer that is inside the contract.

        Raises:
            ToolError: It is not; the detail names the place, never the value.
        """
        problem = next(iter(self._output.iter_errors(data)), None)
        if problem is not None:
            named = f" ({problem.message})" if problem.validator == "required" else ""
            raise ToolError(f"answered outside its contract at {problem.json_path}: {problem.validator}{named}"[:300])
        found: dict[str, Any] = data
        return found


def _typed(name: str, value: str, rule: Mapping[str, Any]) -> Any:
    kind = rule.get("type")
    try:
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
        if kind == "boolean":
            return {"true": True, "false": False}[value.lower()]
    except (ValueError, KeyError) as error:
        raise ToolError(f"arguments outside the contract at {name}: no {kind}") from error
    return value


class ToolContracts:
    """All contracts that ship, and the rules for those of tenants. Implements `app.agents.tools.ToolRules`."""

    def __init__(self, contracts: Mapping[str, ToolContract]) -> None:
        self._contracts = dict(contracts)

    @classmethod
    def load(cls, folder: Path = CONTRACTS_DIR) -> Self:
        """Reads every file of a folder.

        Raises:
            ConfigError: A file is wrong: which, on which line, where, and what would be right.
        """
        found: dict[str, ToolContract] = {}
        for file in sorted(folder.glob("*.yaml")):
            for contract, place in _read(file):
                if contract.name in found:
                    raise ConfigError(f"{place}: {contract.name}: stands in two files; remove one")
                found[contract.name] = contract
        return cls(found)

    @property
    def names(self) -> tuple[str, ...]:
        """The tools that ship."""
        return tuple(self._contracts)

    def shipped(self, name: str) -> ToolContract | None:
        """Returns the contract of a tool that ships, or None."""
        return self._contracts.get(name)

    def of(self, name: str, tool: ToolConfig) -> ToolContract | None:
        """Returns the contract of an agent's tool; None if it has none."""
        shipped = self._contracts.get(name)
        if shipped is not None or tool.input is None or tool.output is None:
            return shipped
        return ToolContract(
            name=name,
            does=tool.does or name,
            write=tool.write,
            account=tool.account,
            method=tool.method or ("POST" if tool.write else "GET"),
            path=f"/{name}",
            cache_seconds=tool.cache_seconds or 0,
            input=tool.input,
            output=tool.output,
            own=True,
        )

    def problems(self, tools: Mapping[str, ToolConfig], policy: VerificationPolicy | None) -> Sequence[FieldError]:
        """Returns what is wrong; see `ToolRules`."""
        found = [problem for name, tool in tools.items() for problem in self._tool(name, tool)]
        if policy is not None:
            if IDENTIFY_CALLER not in tools:
                cure = f"needs the tool {IDENTIFY_CALLER}: it says whose a number is"
                found.append(FieldError("/body/verification", cure))
            for index, name in enumerate(policy.tools):
                if name not in self._contracts and name not in tools:
                    found.append(FieldError(f"/body/verification/tools/{index}", f"{name} is no tool of this agent"))
        return found

    def _tool(self, name: str, tool: ToolConfig) -> Iterator[FieldError]:
        place = f"/body/tools/{name}"
        if not _NAME.fullmatch(name):
            yield FieldError(place, "a tool's name is 2 to 48 lower-case letters, digits and _, a letter first")
            return
        yield from _headers(place, tool.headers)
        if name in self._contracts:
            given = [key for key in ("input", "output", "does") if getattr(tool, key) is not None]
            yield from (FieldError(f"{place}/{key}", "is fixed for this tool; leave it out") for key in given)
        else:
            problems = list(_own(place, name, tool, self.names))
            yield from problems
            if problems:
                return
        contract = self.of(name, tool)
        if contract is None:
            return
        if contract.write and tool.cache_seconds:
            yield FieldError(f"{place}/cache_seconds", "only reads are kept")
        if contract.write and tool.method == "GET":
            yield FieldError(f"{place}/method", "a write is not a GET")
        if tool.restricted and not contract.write:
            yield FieldError(f"{place}/restricted", "only writes are approved; require verification for reads instead")
        if tool.url is not None:
            yield from _url(f"{place}/url", tool.url, contract)


def _read(file: Path) -> Iterator[tuple[ToolContract, str]]:
    for entry in contract_entries(file):
        contract = ToolContract(name=entry.name, **entry.values)
        for problem in _url(entry.name, f"http://h{contract.path}", contract):
            raise ConfigError(f"{entry.path_place}: {entry.name}.path: {problem.detail}")
        yield contract, entry.place


def _own(place: str, name: str, tool: ToolConfig, shipped: Sequence[str]) -> Iterator[FieldError]:
    for side, schema in (("input", tool.input), ("output", tool.output)):
        if schema is None:
            cure = f"{name} is none of {', '.join(shipped)}; a tool of your own gives input and output schemas"
            yield FieldError(f"{place}/{side}", cure)
            continue
        for pointer, cure in schema_problems(schema, arguments=side == "input"):
            yield FieldError(f"{place}/{side}{pointer}", cure)


def _headers(place: str, headers: Mapping[str, str]) -> Iterator[FieldError]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            yield FieldError(f"{place}/headers/{name[:64]}", "must be a plain HTTP header")
        elif name.lower() in _OWN_HEADERS:
            yield FieldError(f"{place}/headers/{name}", "is set by the service; leave it out")
        elif _SECRET_HEADER.search(name):
            yield FieldError(f"{place}/headers/{name}", "secrets are handed in by PUT /v1/credentials/tools")


def _url(place: str, url: str, contract: ToolContract) -> Iterator[FieldError]:
    """Checks a URL with places; only whole arguments may stand in it, and only those that are always given."""
    try:
        parts = list(Formatter().parse(url))
    except ValueError as error:
        yield FieldError(place, f"braces do not match: {error}")
        return
    names = [name for _, name, _, _ in parts if name is not None]
    if any(spec or conversion for _, _, spec, conversion in parts) or not contract.takes.issuperset(names):
        yield FieldError(place, f"places are {{{'}, {'.join(sorted(contract.takes)) or 'none'}}}, and no other braces")
        return
    if CUSTOMER_ID in names:
        yield FieldError(place, f"{{{CUSTOMER_ID}}} is not known for every call; take it from the query or the body")
        return
    needed = set(_places(contract.path)) & set(contract.input.get("required", ()))
    if contract.method == "GET" and not contract.own and not needed.issubset(names):
        yield FieldError(place, f"must hold {{{'}, {'.join(sorted(needed))}}}")
        return
    try:
        parsed = httpx.URL(url.format_map(dict.fromkeys(names, "0")))
    except (httpx.InvalidURL, ValueError, KeyError, IndexError) as error:
        yield FieldError(place, f"is no URL: {error}")
        return
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo or parsed.fragment:
        yield FieldError(place, "must be an http(s) URL without a user name or fragment")
    elif "{" in url.partition("://")[2].partition("/")[0]:
        yield FieldError(place, "the host is fixed; places stand in the path or query")


def _places(path: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(path) if name is not None]
