"""Lets every POST that names who asks be repeated with an `Idempotency-Key`, without a line in its route.

`mount` sends every router through `taking_keys`. Routes that read the key themselves, and those that anybody may call,
are left alone.
"""

import inspect
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.auth.guard import bearer_of, current_subject, key_service, operator
from app.kit.idempotency import Idempotency, IdempotencyKey, Outcome, fingerprint
from app.kit.mongo import Database
from app.kit.problem import responses

OPERATOR: Final = "operator"
_HEADER: Final = "Idempotency-Key"
_KEPT_HEADERS: Final = ("content-type", "etag")
_WELL_FORMED: Final = re.compile(r"[\x21-\x7e]{8,128}")
_GIVEN: Final = frozenset(inspect.signature(APIRoute.__init__).parameters) - {"self", "path", "endpoint"}
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


async def _declared(idempotency_key: IdempotencyKey = None) -> None:
    """Puts the header, and the form that it must have, into the description of a route."""


class OnceRoute(APIRoute):
    """A route that is carried out once per tenant and key, and then answers as it did."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.scopes = frozenset(_scopes(self.dependant))
        self.is_operators = any(dependant.call is operator for dependant in _all(self.dependant))
        reads_it = "idempotency_key" in inspect.signature(endpoint).parameters
        self.is_once = self.methods == {"POST"} and not reads_it and bool(self.scopes or self.is_operators)
        given = list(options.pop("dependencies", None) or ())
        if self.is_once and not any(depends.dependency is _declared for depends in given):
            known = options.pop("responses", None) or {}
            given.append(Depends(_declared))
            super().__init__(path, endpoint, dependencies=given, responses={**responses(409), **known}, **options)

    def get_route_handler(self) -> _Handler:
        """Returns what answers a request."""
        plain = super().get_route_handler()

        async def once(request: Request) -> Response:
            key = request.headers.get(_HEADER)
            if key is None or not self.is_once or _WELL_FORMED.fullmatch(key) is None:
                return await plain(request)
            tenant_id = await self._asks(request)
            return await plain(request) if tenant_id is None else await _once(request, tenant_id, key, plain)

        return once

    async def _asks(self, request: Request) -> str | None:
        """Returns in whose name a request comes that the route would let in; None: the route refuses it itself."""
        bearer = await bearer_of(request)
        if self.is_operators:
            is_let_in = bearer is not None and key_service(request).is_operator(bearer.credentials)
            return OPERATOR if is_let_in else None
        subject = await current_subject(request, bearer)
        return subject.tenant_id if all(subject.may(scope) for scope in self.scopes) else None


def taking_keys(router: APIRouter) -> APIRouter:
    """Returns a router with the same routes, whose POSTs take keys."""
    taking = APIRouter()
    for route in router.routes:
        if type(route) is APIRoute and route.methods == {"POST"}:
            given = {name: getattr(route, name) for name in _GIVEN if hasattr(route, name)}
            taking.routes.append(OnceRoute(route.path, route.endpoint, **given))
        else:
            taking.routes.append(route)
    return taking


async def _once(request: Request, tenant_id: str, key: str, plain: _Handler) -> Response:
    idempotency: Idempotency = request.app.state.services.idempotency
    database: Database = request.app.state.services.database
    path = request.url.path + ("?" + request.url.query if request.url.query else "")
    mark = fingerprint(request.method, path, await request.body())
    fresh: Response | None = None

    async def work() -> Outcome:
        nonlocal fresh
        fresh = await plain(request)
        headers = {name: fresh.headers[name] for name in _KEPT_HEADERS if name in fresh.headers}
        content = orjson.loads(fresh.body) if fresh.body else None
        return Outcome(fresh.status_code, {"headers": headers, "content": content})

    outcome = await idempotency.run(database.tenant(tenant_id), key, mark, work)
    if fresh is not None:
        return fresh
    content = outcome.body["content"]
    body = b"" if content is None else orjson.dumps(content)
    return Response(body, outcome.status, headers={**outcome.body["headers"], "Idempotency-Replayed": "true"})


def _all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _all(each)


def _scopes(dependant: Dependant) -> Iterator[str]:
    for each in _all(dependant):
        scope = getattr(each.call, "scope", None)
        if isinstance(scope, str):
            yield scope
