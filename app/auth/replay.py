"""Carries out an authorised POST once per `Idempotency-Key`, remembered in the tenant's own store."""

from fastapi import Request
from fastapi.responses import JSONResponse

from app.kit.idempotency import Handler, Idempotency
from app.kit.mongo import Database


async def respond(request: Request, tenant_id: str, key: str | None, handler: Handler) -> JSONResponse:
    """Returns the response of `handler`, or the one that the same key had before.

    Raises:
        Unprocessable: The key came with other parameters.
        Conflict: The first request is still being carried out.
    """
    idempotency: Idempotency = request.app.state.services.idempotency
    database: Database = request.app.state.services.database
    return await idempotency.respond(request, database.tenant(tenant_id), key, handler)
