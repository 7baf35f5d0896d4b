"""Seeds a demo tenant through the public REST API, as a customer's engineer would: no door but the front one."""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx

from app.errors import ConfigError
from app.integrations.tool_contracts import ToolContracts

ENTITY: Final = "Sundar Stores"
PERSON_NAME: Final = "Meena"
PERSON_EMAIL: Final = "meena@sundar.example"
_FIRST_NUMBER: Final = 918047000001
_RESTRICTED: Final = ("change_address",)
_FOR_VERIFIED_CALLERS: Final = ("change_address", "refund_status", "payment_issue")
_TOOLS: Final = {name: {"restricted": True} if name in _RESTRICTED else {} for name in ToolContracts.load().names}


@dataclass(frozen=True, slots=True)
class Accounts:
    """The demo tenant's accounts at its providers, invented afresh for each demo."""

    plivo_auth_id: str
    plivo_auth_token: str
    whatsapp_token: str
    whatsapp_secret: str
    whatsapp_verify_token: str
    orders_token: str
    phone_number_id: str
    business_account_id: str

    @classmethod
    def invent(cls) -> Self:
        """Returns accounts with random ids and secrets."""
        return cls(
            plivo_auth_id="MA" + secrets.token_hex(9).upper(),
            plivo_auth_token=secrets.token_urlsafe(24),
            whatsapp_token=secrets.token_urlsafe(24),
            whatsapp_secret=secrets.token_urlsafe(24),
            whatsapp_verify_token=secrets.token_urlsafe(24),
            orders_token=secrets.token_urlsafe(24),
            phone_number_id=str(10**14 + secrets.randbelow(10**14)),
            business_account_id=str(10**14 + secrets.randbelow(10**14)),
        )


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """How to reach the demo: what `vaanisetu call` needs while `vaanisetu run` is up.

    Attributes:
        url: The server.
        api_key: A key of the tenant.
        auth_id: Its Plivo account.
        auth_token: That account's token, which signs webhooks.
        numbers: Language -> the number of the agent that greets in it.
        graph_url: The Graph API stand-in.
        tenant_id: The company's id, for signing in to the console.
        email: The demo person's; made up, as everything here.
        password: Theirs, made for this demo.
    """

    url: str
    api_key: str
    auth_id: str
    auth_token: str
    numbers: Mapping[str, str]
    graph_url: str
    tenant_id: str = ""
    email: str = ""
    password: str = ""

    def save(self, data_dir: Path) -> None:
        """Writes `demo.json`, for its owner's eyes only."""
        path = data_dir / "demo.json"
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)

    @classmethod
    def read(cls, data_dir: Path) -> Self | None:
        """Returns what `save` wrote, or None if no demo was started here."""
        try:
            return cls(**json.loads((data_dir / "demo.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{data_dir / 'demo.json'}: not readable ({error}); remove it") from error


class Seeder:
    """Talks to the API. Use as an async context manager."""

    def __init__(self, url: str, operator_key: str) -> None:
        self._url = url
        self._operator_key = operator_key
        self._http = httpx.AsyncClient(base_url=url, timeout=20, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def seed(
        self,
        accounts: Accounts,
        languages: Sequence[str],
        *,
        orders_url: str,
        graph_url: str,
        earlier: DemoTenant | None = None,
    ) -> DemoTenant:
        """Creates the tenant, its credentials, per language an agent and its number, and a person for the inbox.

        Args:
            accounts: What the stand-ins know too.
            languages: BCP-47 tags.
            orders_url: The tenant's order system.
            graph_url: Kept for the phone view.
            earlier: The tenant of an earlier start on the same data; taken up again if its key still opens the door.

        Raises:
            ConfigError: The API refused something.
        """
        known = earlier is not None and await self._opens(earlier.api_key)
        if earlier is not None and known:
            key, numbers = earlier.api_key, dict(earlier.numbers)
        else:
            key, numbers = await self._new_tenant(languages), {}
        await self._hand_in(accounts, key, orders_url)
        first = _FIRST_NUMBER + secrets.randbelow(900_000)
        for index, tag in enumerate(languages):
            if tag not in numbers:
                numbers[tag] = f"+{first + index}"
                await self._new_line(key, tag, languages, numbers[tag])
        await self._go_live(key)
        if earlier is not None and known and earlier.password:
            person = (earlier.tenant_id, earlier.email, earlier.password)
        else:
            person = await self._new_person(key, languages)
        auth = (accounts.plivo_auth_id, accounts.plivo_auth_token)
        return DemoTenant(self._url, key, *auth, numbers, graph_url, *person)

    async def _opens(self, key: str) -> bool:
        answer = await self._http.get("/v1/tenant", headers={"Authorization": f"Bearer {key}"})
        return answer.status_code == 200

    async def _new_tenant(self, languages: Sequence[str]) -> str:
        tenant = await self._send(
            "POST", "/v1/tenants", self._operator_key, name="Demo", legal_entity=ENTITY, languages=list(languages)
        )
        return str(tenant["api_key"]["key"])

    async def _hand_in(self, accounts: Accounts, key: str, orders_url: str) -> None:
        plivo = {"auth_id": accounts.plivo_auth_id, "auth_token": accounts.plivo_auth_token}
        await self._send("PUT", "/v1/credentials/plivo", key, **plivo)
        whatsapp = {
            "phone_number_id": accounts.phone_number_id,
            "access_token": accounts.whatsapp_token,
            "app_secret": accounts.whatsapp_secret,
            "verify_token": accounts.whatsapp_verify_token,
            "business_account_id": accounts.business_account_id,
        }
        await self._send("PUT", "/v1/credentials/whatsapp", key, **whatsapp)
        await self._send("POST", "/v1/whatsapp/templates/submissions", key)
        await self._send("POST", "/v1/whatsapp/templates/sync", key)
        tools = {"base_url": orders_url, "bearer_token": accounts.orders_token}
        await self._send("PUT", "/v1/credentials/tools", key, **tools)

    async def _new_line(self, key: str, tag: str, languages: Sequence[str], number: str) -> None:
        agent = await self._send(
            "POST",
            "/v1/agents",
            key,
            name=f"Support, {tag}",
            entity_name=ENTITY,
            languages=[tag, *(other for other in languages if other != tag)],
            default_language=tag,
            tools=_TOOLS,
            verification={"factors": ["pin"], "tools": _FOR_VERIFIED_CALLERS},
        )
        await self._send("POST", "/v1/phone-numbers", key, number=number, agent_id=agent["id"])

    async def _new_person(self, key: str, languages: Sequence[str]) -> tuple[str, str, str]:
        """Invites somebody who answers customers in every language; returns what they sign in with."""
        password = secrets.token_urlsafe(15)
        invited = await self._send("POST", "/v1/members", key, email=PERSON_EMAIL, name=PERSON_NAME, role="owner")
        await self._send("POST", "/v1/invitations/accept", key, invitation=invited["invitation"], password=password)
        await self._send("PUT", f"/v1/inbox/people/{invited['id']}", key, languages=list(languages), capacity=20)
        answer = await self._http.get("/v1/tenant", headers={"Authorization": f"Bearer {key}"})
        if answer.status_code != 200:
            raise ConfigError(f"GET /v1/tenant answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()["id"], PERSON_EMAIL, password

    async def _go_live(self, key: str) -> None:
        answer = await self._http.get("/v1/onboarding", headers={"Authorization": f"Bearer {key}"})
        if answer.status_code != 200:
            raise ConfigError(f"GET /v1/onboarding answered {answer.status_code}: {answer.text[:500]}")
        for agent in answer.json()["agents"]:
            if agent["state"] == "draft":
                await self._send("POST", f"/v1/agents/{agent['agent_id']}/go-live", key)

    async def _send(self, method: str, path: str, key: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": secrets.token_hex(16)}
        try:
            answer = await self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ConfigError(f"{method} {path}: {error!r}") from error
        if answer.status_code >= 300:
            raise ConfigError(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found
