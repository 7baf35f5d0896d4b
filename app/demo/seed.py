"""Seeds a demo tenant through the public REST API, as a customer's engineer would: no door but the front one."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx

from app.errors import ConfigError

ENTITY: Final = "Sundar Stores"
PHONE_NUMBER_ID: Final = "104251098765432"


@dataclass(frozen=True, slots=True)
class Accounts:
    """The demo tenant's accounts at its providers, invented afresh for each demo."""

    plivo_auth_id: str
    plivo_auth_token: str
    whatsapp_token: str
    whatsapp_secret: str
    whatsapp_verify_token: str
    orders_token: str

    @classmethod
    def invent(cls) -> Self:
        """Returns accounts with random secrets."""
        auth_id = "MA" + secrets.token_hex(9).upper()
        return cls(auth_id, *(secrets.token_urlsafe(24) for _ in range(5)))


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
    """

    url: str
    api_key: str
    auth_id: str
    auth_token: str
    numbers: Mapping[str, str]
    graph_url: str

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
        self, accounts: Accounts, numbers: Mapping[str, str], *, orders_url: str, graph_url: str
    ) -> DemoTenant:
        """Creates the tenant, its credentials, and per language an agent and its number.

        Args:
            accounts: What the stand-ins know too.
            numbers: BCP-47 tag -> E.164.
            orders_url: The tenant's order system.
            graph_url: Kept for the phone view.

        Raises:
            ConfigError: The API refused something.
        """
        tags = list(numbers)
        tenant = await self._send(
            "POST", "/v1/tenants", self._operator_key, name="Demo", legal_entity=ENTITY, languages=tags
        )
        key = str(tenant["api_key"]["key"] if isinstance(tenant["api_key"], dict) else tenant["api_key"])
        await self._send(
            "PUT",
            "/v1/credentials/plivo",
            key,
            auth_id=accounts.plivo_auth_id,
            auth_token=accounts.plivo_auth_token,
        )
        await self._send(
            "PUT",
            "/v1/credentials/whatsapp",
            key,
            phone_number_id=PHONE_NUMBER_ID,
            access_token=accounts.whatsapp_token,
            app_secret=accounts.whatsapp_secret,
            verify_token=accounts.whatsapp_verify_token,
        )
        await self._send("PUT", "/v1/credentials/tools", key, base_url=orders_url, bearer_token=accounts.orders_token)
        for tag, number in numbers.items():
            agent = await self._send(
                "POST",
                "/v1/agents",
                key,
                name=f"Support, {tag}",
                entity_name=ENTITY,
                languages=[tag, *(other for other in tags if other != tag)],
                default_language=tag,
                tools={"order_status": {}},
            )
            await self._send("POST", "/v1/phone-numbers", key, number=number, agent_id=agent["id"])
        return DemoTenant(self._url, key, accounts.plivo_auth_id, accounts.plivo_auth_token, dict(numbers), graph_url)

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
