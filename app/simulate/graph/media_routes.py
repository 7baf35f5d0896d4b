"""The Graph stand-in's routes for files and numbers: upload, look up, fetch, delete."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, File, Form, Header, Request, UploadFile
from fastapi.responses import JSONResponse, Response

from app.simulate.graph.errors import GraphError
from app.simulate.graph.media import MediaShelf


class Account(Protocol):
    """What the routes need of the stand-in."""

    media: MediaShelf

    def now(self) -> datetime:
        """Returns Meta's time."""
        ...

    def authorise(self, phone_number_id: str | None, authorization: str) -> None:
        """Checks a token; raises GraphError."""
        ...


def media_routes(account: Account) -> APIRouter:
    """Returns `/{version}/{number}/media`, `/{version}/{id}` of numbers and files, and the files' addresses."""
    router = APIRouter()

    def answered(number: str | None, authorization: str, work: Callable[[], Response]) -> Response:
        try:
            account.authorise(number, authorization)
            return work()
        except GraphError as error:
            return JSONResponse(error.body(), status_code=error.status)

    @router.post("/{version}/{phone_number_id}/media")
    async def upload(
        phone_number_id: str,
        file: Annotated[UploadFile, File()],
        messaging_product: Annotated[str, Form()] = "",
        mime_type: Annotated[str, Form(alias="type")] = "",
        authorization: str = Header(default=""),
    ) -> Response:
        content = await file.read()

        def work() -> Response:
            if messaging_product != "whatsapp":
                raise GraphError(100, "messaging_product must be whatsapp")
            kind = mime_type or file.content_type or ""
            kept = account.media.upload(phone_number_id, content, kind, file.filename or "file", account.now())
            return JSONResponse({"id": kept.media_id})

        return answered(phone_number_id, authorization, work)

    @router.get("/_media/{ticket}")
    async def fetch(ticket: str, authorization: str = Header(default="")) -> Response:
        def work() -> Response:
            found = account.media.at(ticket, account.now())
            return Response(found.content, media_type=found.mime_type)

        return answered(None, authorization, work)

    @router.get("/{version}/{object_id}")
    async def look_up(object_id: str, request: Request, authorization: str = Header(default="")) -> Response:
        def number() -> Response:
            return JSONResponse({"id": object_id, "display_phone_number": "+91 80470 00001"})

        def file() -> Response:
            return JSONResponse(account.media.facts(object_id, str(request.base_url), account.now()))

        if object_id in account.media.files:
            return answered(None, authorization, file)
        return answered(object_id, authorization, number)

    @router.delete("/{version}/{media_id}")
    async def delete(media_id: str, authorization: str = Header(default="")) -> Response:
        def work() -> Response:
            account.media.delete(media_id, account.now())
            return JSONResponse({"success": True})

        return answered(None, authorization, work)

    return router
