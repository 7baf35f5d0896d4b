"""What the inbox's routes share: who may what, the services behind them, and `If-Match`."""

import re
from typing import Annotated

from fastapi import Depends, Header, Request

from app.auth.guard import holding
from app.auth.models import AuthSubject
from app.conversations.inbox import Inbox
from app.conversations.ports import MessageOutbox
from app.conversations.service import ConversationService
from app.errors import FieldError, Unprocessable
from app.kit.clock import Clock
from app.kit.wiring import service

Read = Annotated[AuthSubject, Depends(holding("conversations:read"))]
Write = Annotated[AuthSubject, Depends(holding("conversations:write"))]
Supervise = Annotated[AuthSubject, Depends(holding("inbox:write"))]
SeeInbox = Annotated[AuthSubject, Depends(holding("inbox:read"))]
_ETAG = re.compile(r'(?:W/)?"?(\d{1,9})"?')


async def _expected(
    if_match: Annotated[
        str | None, Header(alias="If-Match", max_length=20, description='The version that you saw: "7".')
    ] = None,
) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        detail = 'must be the conversation\'s version in quotes, such as "7"'
        raise Unprocessable("If-Match is not a version", errors=[FieldError("/header/If-Match", detail)])
    return int(found[1])


Expected = Annotated[int | None, Depends(_expected)]
"""A route's parameter: the version that the client saw; None: whatever holds."""


conversations_of = service("conversations", ConversationService)
inbox_of = service("inbox", Inbox)


def outbox_of(request: Request) -> MessageOutbox:
    """Returns the way out to WhatsApp."""
    outbox: MessageOutbox = request.app.state.services.whatsapp_outbox
    return outbox


def clock_of(request: Request) -> Clock:
    """Returns the service's clock."""
    clock: Clock = request.app.state.services.clock
    return clock
