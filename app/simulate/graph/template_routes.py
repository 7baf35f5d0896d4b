"""The Graph stand-in's routes `/{version}/{account}/message_templates`: list in pages, create, delete."""

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response

from app.simulate.graph.errors import GraphError
from app.simulate.graph.templates import TemplateShelf

_MOST_LISTED: Final = 250


def template_routes(
    shelf: TemplateShelf, account_id: str, tokens: frozenset[str], tell: Callable[[Mapping[str, Any]], None]
) -> APIRouter:
    """Returns the routes `/{version}/{account}/message_templates`: list, create, delete.

    Args:
        shelf: The account's templates.
        account_id: The only account there is.
        tokens: Any of them opens it.
        tell: Sends a change to the business.
    """
    router = APIRouter(prefix="/{version}/{account}/message_templates")

    def authorise(account: str, authorization: str) -> None:
        known = (hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()) for token in tokens)
        if account != account_id or not any(known):
            raise GraphError(190, "Invalid OAuth access token", 401)

    def answered(account: str, authorization: str, work: Callable[[], dict[str, Any]]) -> Response:
        try:
            authorise(account, authorization)
            return JSONResponse(work())
        except GraphError as error:
            return JSONResponse(error.body(), status_code=error.status)

    def created(raw: bytes) -> dict[str, Any]:
        try:
            wanted = json.loads(raw)
        except ValueError as error:
            raise GraphError(100, "The body is not JSON") from error
        template, change = shelf.create(wanted)
        if change is not None:
            tell(change)
        return {"id": template.template_id, "status": "PENDING", "category": template.category}

    def deleted(name: str) -> dict[str, Any]:
        if not shelf.delete(name):
            raise GraphError(100, f"no template {name}", 404)
        return {"success": True}

    @router.get("")
    async def listed(
        account: str, limit: int = 25, after: str | None = None, authorization: str = Header(default="")
    ) -> Response:
        return answered(account, authorization, lambda: shelf.page(max(1, min(limit, _MOST_LISTED)), after))

    @router.post("")
    async def create(account: str, request: Request, authorization: str = Header(default="")) -> Response:
        raw = await request.body()
        return answered(account, authorization, lambda: created(raw))

    @router.delete("")
    async def delete(account: str, name: str, authorization: str = Header(default="")) -> Response:
        return answered(account, authorization, lambda: deleted(name))

    return router
