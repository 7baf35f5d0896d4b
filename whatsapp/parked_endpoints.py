"""The doors to parked items of webhooks: see what was left and why, work it off again, discard it."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.kit.pagination import Page, Paging, to_page
from app.kit.problem import responses
from app.kit.wiring import service
from whatsapp.inbox import RawInbox
from whatsapp.ingest import REPLAY
from whatsapp.parked import ParkedItem, parked_of
from whatsapp.payload import ItemKind

router = APIRouter(prefix="/whatsapp", tags=["whatsapp"], responses=responses(401, 403, 422, 429, 503))
Reader = Annotated[AuthSubject, Depends(holding("inbox:read"))]
Writer = Annotated[AuthSubject, Depends(holding("inbox:write"))]
_inbox = service("whatsapp_inbox", RawInbox)
Inbox = Annotated[RawInbox, Depends(_inbox)]


class ParkedItemView(BaseModel):
    """An item of a webhook of Meta's that could not be worked off."""

    id: str
    kind: ItemKind = Field(description="What the item is.")
    place: str = Field(description="JSON pointer of the item in its webhook.")
    webhook_id: str = Field(description="The webhook it came in.")
    phone_number_id: str = Field(description="Meta's id of the business number.")
    reason: str = Field(description="Why it was left: an error's code, or what is wrong with the item.")
    parked_at: datetime
    replays: int = Field(description="How often it was tried again since.")

    @classmethod
    def of(cls, item: ParkedItem) -> Self:
        """Returns an item as the wire shows it."""
        return cls(
            id=item.item_id,
            kind=item.kind,
            place=item.place,
            webhook_id=item.raw_id,
            phone_number_id=item.phone_number_id,
            reason=item.reason,
            parked_at=item.parked_at,
            replays=item.replays,
        )


@router.get("/parked-items", operation_id="list_parked_whatsapp_items", summary="List updates that were left")
async def list_parked(subject: Reader, inbox: Inbox, paging: Paging) -> Page[ParkedItemView]:
    """Lists updates of Meta's that could not be worked off, newest first, with the reason and without the content."""
    found = await inbox.parked.page(subject.tenant_id, paging.limit, paging.starting_after)
    return to_page(found, lambda document: ParkedItemView.of(parked_of(document)))


@router.post(
    "/parked-items/{item_id}/replay",
    operation_id="replay_parked_whatsapp_item",
    summary="Work an update off again",
    status_code=202,
    responses=responses(404),
)
async def replay(item_id: str, request: Request, subject: Writer, inbox: Inbox) -> ParkedItemView:
    """Works an update off again, in a job; it leaves the list if that succeeds, else its reason and count change."""
    item = await inbox.parked.get(subject.tenant_id, item_id)
    services = request.app.state.services
    await services.audit.record(
        subject.tenant_id, subject.key_id, "whatsapp.item_replayed", item_id, {"place": item.place}
    )
    await services.jobs.enqueue(REPLAY, {"tenant_id": subject.tenant_id, "item_id": item_id})
    return ParkedItemView.of(item)


@router.delete(
    "/parked-items/{item_id}",
    operation_id="discard_parked_whatsapp_item",
    summary="Discard an update",
    status_code=204,
    responses=responses(404),
)
async def discard(item_id: str, request: Request, subject: Writer, inbox: Inbox) -> Response:
    """Forgets an update for good."""
    item = await inbox.parked.get(subject.tenant_id, item_id)
    await inbox.parked.remove(subject.tenant_id, item_id)
    await request.app.state.services.audit.record(
        subject.tenant_id, subject.key_id, "whatsapp.item_discarded", item_id, {"reason": item.reason}
    )
    return Response(status_code=204)
