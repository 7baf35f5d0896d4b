"""The doors to holds: what Meta made us spare, and letting messages leave again."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.kit.pagination import Page, Paging, to_page
from app.kit.problem import responses
from app.kit.wiring import service
from whatsapp.failures import Scope
from whatsapp.holds import Hold, Holds, hold_of

router = APIRouter(prefix="/whatsapp", tags=["whatsapp"], responses=responses(401, 403, 422, 429, 503))
Reader = Annotated[AuthSubject, Depends(holding("inbox:read"))]
Writer = Annotated[AuthSubject, Depends(holding("inbox:write"))]
Kept = Annotated[Holds, Depends(service("whatsapp_holds", Holds))]


class HoldView(BaseModel):
    """A number or an account from which nothing leaves for now."""

    id: str
    scope: Scope
    subject: str = Field(description="Meta's id of the number or the account; empty for the app.")
    failure: str = Field(description="Why, as a name of the table of failures.", examples=["number_frozen"])
    error_code: int = Field(description="Meta's code.", examples=[131048])
    since: datetime
    until: datetime | None = Field(description="Null: until a person lifts it.")

    @classmethod
    def of(cls, hold: Hold) -> Self:
        """Returns the wire form."""
        return cls(
            id=hold.hold_id,
            scope=hold.scope,
            subject=hold.subject,
            failure=hold.failure,
            error_code=hold.error_code,
            since=hold.since,
            until=hold.until,
        )


@router.get("/holds", operation_id="list_whatsapp_holds", summary="List what may not send")
async def list_holds(subject: Reader, holds: Kept, paging: Paging) -> Page[HoldView]:
    """Lists numbers and accounts that Meta slowed down or blocked; pauses that are over stay until the next one."""
    found = await holds.page(subject.tenant_id, paging.limit, paging.starting_after)
    return to_page(found, lambda document: HoldView.of(hold_of(document)))


@router.delete(
    "/holds/{hold_id}",
    operation_id="lift_whatsapp_hold",
    summary="Let messages leave again",
    status_code=204,
    responses=responses(404),
)
async def lift_hold(hold_id: str, subject: Writer, holds: Kept) -> Response:
    """Lifts a hold, once Meta's block is settled; if it is not, Meta's next refusal brings it back."""
    await holds.lift(subject.tenant_id, subject.key_id, hold_id)
    return Response(status_code=204)
