"""`ETag` and `If-Match`: a client changes what it saw, or is told that somebody else was faster."""

import hashlib
from typing import Annotated, Final

from fastapi import Depends, Header, Response
from pydantic import BaseModel

from app.errors import PreconditionFailed

_MOST_TAGS: Final = 20


def etag_of(view: BaseModel) -> str:
    """Returns the strong entity tag of a resource as it is shown, quotes included."""
    return f'"{hashlib.sha256(view.model_dump_json().encode()).hexdigest()[:24]}"'


def tag(response: Response, view: BaseModel) -> None:
    """Puts a resource's entity tag on the response that shows it."""
    response.headers["ETag"] = etag_of(view)


class Seen:
    """What the client saw last: the tags of its `If-Match`, or nothing."""

    def __init__(self, if_match: str | None) -> None:
        given = [part.strip() for part in (if_match or "").split(",", _MOST_TAGS) if part.strip()]
        self._tags = None if not given or "*" in given else frozenset(given)

    @property
    def asked(self) -> bool:
        """Whether the client names what it saw."""
        return self._tags is not None

    def check(self, view: BaseModel) -> None:
        """Lets a change of the resource as it is now go on.

        Raises:
            PreconditionFailed: The client saw another version.
        """
        if self._tags is not None and etag_of(view) not in self._tags:
            raise PreconditionFailed("somebody changed it since; read it again, then send the ETag that you get")


def _seen(
    if_match: Annotated[
        str | None,
        Header(alias="If-Match", max_length=600, description="The ETag that you saw; without one, whatever holds."),
    ] = None,
) -> Seen:
    return Seen(if_match)


IfMatch = Annotated[Seen, Depends(_seen)]
"""A route's parameter: the version that the client saw."""
