"""The whole application of the web root in this process, speech workers and all, on stores that a test may stop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from app.config import Settings
from app.kit.embedded import EmbeddedServices
from app.main import create_app

OPERATOR_KEY = "operator-key-of-the-tests"
UNBOUNDED: dict[str, Any] = {
    "require_signatures": False,
    "api_requests_per_second": 10_000,
    "api_burst": 100_000,
    "key_guesses": 100_000,
}
NOBODY = "http://127.0.0.1:9"
"""Where no provider answers."""
LANGUAGES = ("hi-IN", "en-IN")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass
class Tenant:
    id: str
    key: str
    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**bearer(self.key), **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.ask(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def agent(self, **changes: Any) -> dict[str, Any]:
        body = {
            "name": "Support",
            "entity_name": "Sundar Stores",
            "languages": list(LANGUAGES),
            "default_language": "hi-IN",
            **changes,
        }
        created: dict[str, Any] = await self.ok("POST", "/v1/agents", json=body)
        return created


@dataclass
class Whole:
    app: FastAPI
    http: httpx.AsyncClient
    stores: EmbeddedServices
    settings: Settings

    async def tenant(self, name: str) -> Tenant:
        body = {"name": name, "legal_entity": f"{name} Stores", "languages": list(LANGUAGES)}
        answer = await self.http.post("/v1/tenants", json=body, headers=bearer(OPERATOR_KEY))
        assert answer.status_code == 201, answer.text
        return Tenant(answer.json()["id"], answer.json()["api_key"]["key"], self.http)


@asynccontextmanager
async def whole_service(data_dir: Path, models_dir: Path, **changes: Any) -> AsyncIterator[Whole]:
    """Runs the service; its stores are not revived by themselves."""
    (data_dir / "models").symlink_to(models_dir)
    async with EmbeddedServices(data_dir, revive=False) as stores:
        settings = Settings(
            environment="test",
            data_dir=data_dir,
            mongodb_url=stores.mongodb_url,
            redis_url=stores.redis_url,
            plivo_api_url=NOBODY,
            graph_api_url=NOBODY,
            operator_key=SecretStr(OPERATOR_KEY),
            master_key=SecretStr("master-key-of-the-tests-0123456789"),
            **{
                "require_signatures": False,
                "api_requests_per_second": 10_000,
                "api_burst": 100_000,
                "key_guesses": 100_000,
                **changes,
            },
        )
        with mock.patch("app.main.setup_logging"):
            app = create_app(settings)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as http:
                yield Whole(app, http, stores, settings)
