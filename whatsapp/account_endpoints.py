"""The door to what Meta told about accounts and numbers: quality, limits, reviews, restrictions."""

from datetime import datetime
from typing import Annotated, Any, Self

import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.kit.pagination import Page, Paging, to_page
from app.kit.problem import responses
from app.kit.wiring import service
from whatsapp.account import AccountUpdate, AccountUpdates, update_of

router = APIRouter(prefix="/whatsapp", tags=["whatsapp"], responses=responses(401, 403, 422, 429, 503))
Reader = Annotated[AuthSubject, Depends(holding("inbox:read"))]
_updates = service("whatsapp_account", AccountUpdates)
Updates = Annotated[AccountUpdates, Depends(_updates)]


class AccountUpdateView(BaseModel):
    """What Meta told about a business account or one of its numbers."""

    id: str
    field: str = Field(description="Meta's name of the update.", examples=["phone_number_quality_update"])
    account_id: str = Field(description="Meta's id of the business account.")
    phone_number_id: str | None = Field(description="Meta's id of the number, if it concerns one.")
    value: dict[str, Any] | None = Field(description="As Meta wrote it; null where that was very long.")
    received_at: datetime

    @classmethod
    def of(cls, update: AccountUpdate) -> Self:
        """Returns an update as the wire shows it."""
        return cls(
            id=update.update_id,
            field=update.field,
            account_id=update.account_id,
            phone_number_id=update.phone_number_id or None,
            value=orjson.loads(update.value) if update.value else None,
            received_at=update.received_at,
        )


@router.get("/account-updates", operation_id="list_whatsapp_account_updates", summary="List what Meta told of accounts")
async def list_updates(subject: Reader, updates: Updates, paging: Paging) -> Page[AccountUpdateView]:
    """Lists updates of business accounts and their numbers, newest first."""
    found = await updates.page(subject.tenant_id, paging.limit, paging.starting_after)
    return to_page(found, lambda document: AccountUpdateView.of(update_of(document)))
