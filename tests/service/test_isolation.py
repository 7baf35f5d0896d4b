"""Every route of the API, asked by one tenant for what another owns, answers as if it did not exist."""

import re
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.service.bodies import body_of, properties_of
from tests.service.landlord import MARK, Belongings, belongings
from tests.service.whole import OPERATOR_KEY, Tenant, Whole, bearer, whole_service

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

OWN_BY_NAME = {"name", "version", "provider"}
"""Path parameters that every tenant may use for itself: they name nobody's property."""
WITHOUT_KEY = {"get_health", "get_readiness", "sign_in", "accept_invitation", "verify_whatsapp_webhook"} | {
    "receive_whatsapp_webhook",
    "ask_sign_up",
    "confirm_sign_up",
}
ENDLESS = {"stream_events"}
REPEATS = 7


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    operation: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.operation["operationId"])

    @property
    def names(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


@dataclass
class Street:
    whole: Whole
    document: dict[str, Any]
    owned: Belongings
    stranger: Tenant

    def routes(self) -> Iterator[Route]:
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if operation["operationId"] not in ENDLESS:
                    yield Route(method.upper(), path, operation)

    def body(self, route: Route) -> dict[str, Any]:
        """Returns the request's options: a valid body, naming the owner's things wherever a body can name one."""
        body = body_of(self.document, route.operation)
        if not isinstance(body, dict):
            return {} if body is None else {"json": body}
        for name in properties_of(self.document, route.operation):
            if name in self.owned.values and name not in OWN_BY_NAME:
                body = {**body, name: self.owned.values[name]}
        return {"json": body}

    def headers(self, route: Route) -> dict[str, str]:
        wanted = [item for item in route.operation.get("parameters", []) if item["in"] == "header"]
        return {item["name"]: "walk-" + route.id for item in wanted if item.get("required")}

    def query(self, route: Route) -> dict[str, str]:
        given = {item["name"] for item in route.operation.get("parameters", []) if item["in"] == "query"}
        return {name: self.owned.values[name] for name in given & self.owned.values.keys() - OWN_BY_NAME}

    async def ask(self, who: Tenant, route: Route, values: dict[str, str]) -> httpx.Response:
        return await who.ask(
            route.method,
            self.owned.fill(route.path, values),
            headers=self.headers(route),
            params=self.query(route),
            **self.body(route),
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> AsyncIterator[Street]:
    async with whole_service(tmp_path_factory.mktemp("street"), models_dir) as whole:
        owner, stranger = await whole.tenant("Owner"), await whole.tenant("Stranger")
        yield Street(whole, whole.app.openapi(), await belongings(whole, owner), stranger)


def nobodys(value: str) -> str:
    """Returns an id of the same form that nobody has."""
    if value.isdigit():
        return "9" * len(value)
    prefix, mark, _ = value.rpartition("_")
    return f"{prefix}{mark}01k0000000000000000000zzzz" if mark else "nobodys"


def told(answer: httpx.Response, *asked: str) -> str:
    """Returns a body without what differs in any case: the request's id, and the id that was asked for."""
    text = answer.text.replace(answer.headers["request-id"], "REQUEST")
    for value in asked:
        text = text.replace(value, "ASKED")
    return text


async def test_every_parameter_of_every_path_has_a_real_owner(street: Street) -> None:
    missing = {name for route in street.routes() for name in route.names} - street.owned.values.keys()
    assert not missing, f"create these in tests/service/landlord.py: {sorted(missing)}"


async def test_what_a_tenant_owns_answers_to_its_owner(street: Street) -> None:
    for route in street.routes():
        if route.method == "GET" and route.names and "recording" not in route.path:
            answer = await street.ask(street.owned.owner, route, street.owned.values)
            assert answer.status_code in (200, 401, 409), f"{route.path}: {answer.status_code} {answer.text}"


async def test_a_stranger_finds_nothing_and_changes_nothing(street: Street) -> None:
    before = await everything_owned(street)
    values = street.owned.values
    elsewhere = {name: value if name in OWN_BY_NAME else nobodys(value) for name, value in values.items()}
    for route in street.routes():
        answer = await street.ask(street.stranger, route, values)
        place = f"{route.method} {route.path}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500, place
        owned = [values[name] for name in route.names if name not in OWN_BY_NAME]
        assert MARK not in told(answer, *values.values()), place
        if not owned:
            continue
        assert answer.status_code in (401, 403, 404), place
        absent = await street.ask(street.stranger, route, elsewhere)
        assert told(answer, *owned) == told(absent, *(nobodys(value) for value in owned)), place
    assert await everything_owned(street) == before


async def everything_owned(street: Street) -> dict[str, str]:
    """Returns what the owner sees of everything it owns."""
    seen = {}
    for route in street.routes():
        if route.method == "GET" and route.names and "deliver" not in route.path:
            answer = await street.ask(street.owned.owner, route, street.owned.values)
            seen[route.path] = told(answer)
    return seen


async def test_no_body_names_what_another_owns(street: Street) -> None:
    for route in street.routes():
        named = [name for name in properties_of(street.document, route.operation) if name in street.owned.values]
        if route.method in ("POST", "PUT", "PATCH") and set(named) - OWN_BY_NAME and not route.names:
            answer = await street.ask(street.stranger, route, street.owned.values)
            assert not answer.is_success, f"{route.path} took another tenant's {named}: {answer.text}"


async def test_nobody_gets_in_without_a_key_or_with_one_that_was_made_up(street: Street) -> None:
    for route in street.routes():
        if route.id in WITHOUT_KEY:
            continue
        for headers in ({}, bearer("vs_live_" + "0" * 38), bearer("not-a-key")):
            answer = await street.whole.http.request(
                route.method, street.owned.fill(route.path), headers=headers, **street.body(route)
            )
            assert answer.status_code == 401, f"{route.method} {route.path}: {answer.status_code} {answer.text}"


async def test_the_operators_key_opens_no_tenants_door(street: Street) -> None:
    operators = Tenant("operator", OPERATOR_KEY, street.whole.http)
    for route in street.routes():
        if route.names and "tenant_id" not in route.names:
            answer = await street.ask(operators, route, street.owned.values)
            assert MARK not in told(answer, *street.owned.values.values()), f"{route.path}: {answer.text}"


async def test_a_foreign_id_takes_as_long_as_one_that_nobody_has(street: Street) -> None:
    values = street.owned.values
    elsewhere = {name: value if name in OWN_BY_NAME else nobodys(value) for name, value in values.items()}
    foreign, absent = [], []
    for route in street.routes():
        if route.method == "GET" and set(route.names) - OWN_BY_NAME:
            for _ in range(REPEATS):
                foreign.append(await timed(street, route, values))
                absent.append(await timed(street, route, elsewhere))
    assert statistics.median(foreign) < 2 * statistics.median(absent) + 0.005


async def timed(street: Street, route: Route, values: dict[str, str]) -> float:
    started = time.perf_counter()
    await street.ask(street.stranger, route, values)
    return time.perf_counter() - started
