"""The table of failures over REST: which codes of Meta's they stand for, what the outbox does, what agents read."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.kit.problem import responses
from whatsapp.failures import Remedy, Row, Scope, table

router = APIRouter(prefix="/whatsapp", tags=["whatsapp"], responses=responses(401, 403, 429, 503))
Reader = Annotated[AuthSubject, Depends(holding("conversations:read"))]


class FailureView(BaseModel):
    """A reason for which a message is not delivered."""

    name: str = Field(description="Stable; `delivery.failure` of a message.", examples=["window_closed"])
    codes: list[int] = Field(description="Meta's codes; none: a refusal of our own.", examples=[[131047]])
    code_ranges: list[tuple[int, int]] = Field(description="Further codes, from and to.", examples=[[[200, 299]]])
    remedy: Remedy = Field(description="What the outbox does.")
    scope: Scope | None = Field(description="What a limit or a block holds for.")
    pauses_seconds: list[int] = Field(description="After how long it is tried again, each time.")
    texts: dict[str, str] = Field(description="By language: why, and what may be done instead.")

    @classmethod
    def of(cls, row: Row, texts: dict[str, str]) -> Self:
        """Returns a line of the table as the wire shows it."""
        failure = row.failure
        return cls(
            name=failure.name,
            codes=list(row.codes),
            code_ranges=list(row.ranges),
            remedy=failure.remedy,
            scope=failure.scope,
            pauses_seconds=list(failure.pauses_seconds),
            texts=texts,
        )


class FailureList(BaseModel):
    """The whole table."""

    data: list[FailureView]


@router.get("/failures", operation_id="list_whatsapp_failures", summary="List why messages fail")
async def list_failures(request: Request, subject: Reader) -> FailureList:
    """Lists every reason for which a WhatsApp message is not delivered; codes not listed are `refused`."""
    packs = request.app.state.services.packs
    views = [
        FailureView.of(row, {tag: pack.failures[name] for tag, pack in packs.items()}) for name, row in table().items()
    ]
    return FailureList(data=views)
