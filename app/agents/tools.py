"""What a tenant says of an agent's tools and of verifying callers: values, and their form in the store."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from app.dialogue.verification import Factor, VerificationPolicy
from app.errors import FieldError

DEFAULT_TIMEOUT_MS = 200
DEFAULT_LIMIT_MS = 4000
DEFAULT_RETRIES = 2
ORDER_STATUS = "order_status"


@dataclass(frozen=True, slots=True)
class ToolConfig:
    """One tool of an agent. What is None follows the tool's contract.

    Attributes:
        url: With `{argument}` places, at the tenant's tool origin.
        method: GET, POST, PUT, PATCH or DELETE.
        timeout_ms: What it may take before the caller hears "one moment".
        limit_ms: What it may take at all, retries included.
        retries: After the first try; writes are repeated with the same key.
        cache_seconds: How long a read may be kept.
        restricted: A person must approve each write.
        headers: Further headers; no secrets.
        does: What a tool of the tenant's own is for.
        write: Whether a tool of the tenant's own changes anything.
        account: Whether a tool of the tenant's own gives account data.
        input: JSON Schema of the arguments of a tool of the tenant's own.
        output: JSON Schema of its answers.
    """

    url: str | None = None
    method: str | None = None
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    limit_ms: int = DEFAULT_LIMIT_MS
    retries: int = DEFAULT_RETRIES
    cache_seconds: int | None = None
    restricted: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    does: str | None = None
    write: bool = False
    account: bool = False
    input: Mapping[str, Any] | None = None
    output: Mapping[str, Any] | None = None


class ToolRules(Protocol):
    """What makes a tool's configuration acceptable; `app.integrations.contracts` knows."""

    def problems(self, tools: Mapping[str, ToolConfig], policy: VerificationPolicy | None) -> Sequence[FieldError]:
        """Returns what is wrong, each with its place below `/body`."""
        ...


def tools_document(tools: Mapping[str, ToolConfig]) -> list[dict[str, Any]]:
    """Returns the stored form: schemas and headers as text, since their keys are not the store's to judge."""
    return [
        {
            "name": name,
            "url": tool.url,
            "method": tool.method,
            "timeout_ms": tool.timeout_ms,
            "limit_ms": tool.limit_ms,
            "retries": tool.retries,
            "cache_seconds": tool.cache_seconds,
            "restricted": tool.restricted,
            "headers": json.dumps(dict(tool.headers)),
            "does": tool.does,
            "write": tool.write,
            "account": tool.account,
            "input": None if tool.input is None else json.dumps(tool.input),
            "output": None if tool.output is None else json.dumps(tool.output),
        }
        for name, tool in tools.items()
    ]


def stored_tools(document: Mapping[str, Any]) -> dict[str, ToolConfig]:
    """Returns the tools of a stored agent, also of one from when the order look-up was the only tool."""
    if "tools" not in document:
        legacy = document.get(ORDER_STATUS)
        return {} if legacy is None else {ORDER_STATUS: ToolConfig(url=legacy["url"])}
    found = {}
    for row in document["tools"]:
        values = {key: value for key, value in row.items() if key not in ("name", "headers", "input", "output")}
        values |= {key: None if row[key] is None else json.loads(row[key]) for key in ("input", "output")}
        found[row["name"]] = ToolConfig(headers=json.loads(row["headers"]), **values)
    return found


def policy_document(policy: VerificationPolicy | None) -> dict[str, Any] | None:
    """Returns the stored form of a verification policy."""
    if policy is None:
        return None
    return {
        "factors": [factor.value for factor in policy.factors],
        "tries": policy.tries,
        "lock_minutes": policy.lock_minutes,
        "tools": list(policy.tools),
    }


def stored_policy(stored: Mapping[str, Any] | None) -> VerificationPolicy | None:
    """Returns the verification policy of a stored agent."""
    if stored is None:
        return None
    return replace(
        VerificationPolicy(tries=stored["tries"], lock_minutes=stored["lock_minutes"]),
        factors=tuple(Factor(name) for name in stored["factors"]),
        tools=tuple(stored["tools"]),
    )
