"""Lists over REST: `{data, has_more, next_cursor}` in pages of at most 100, walked with `starting_after`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from app.kit.mongo import StorePage

MAX_LIMIT = 100

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list, newest first."""

    data: list[T]
    has_more: bool = Field(description="Whether another page follows.")
    next_cursor: str | None = Field(description="Pass it as `starting_after` for the next page; null on the last.")


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page a client asks for."""

    limit: int = 20
    starting_after: str | None = None


def _page_query(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many entries, at most 100.")] = 20,
    starting_after: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The last id of the page before.")
    ] = None,
) -> PageQuery:
    return PageQuery(limit, starting_after)


Paging = Annotated[PageQuery, Depends(_page_query)]
"""A route's parameter: `paging: Paging`."""


def to_page(found: StorePage, convert: Callable[[dict[str, Any]], T]) -> Page[T]:
    """Returns a store's page as the wire shows it.

    Args:
        found: The documents, each with a string `_id`.
        convert: Document to wire model.
    """
    cursor = found.data[-1]["_id"] if found.has_more and found.data else None
    return Page(data=[convert(document) for document in found.data], has_more=found.has_more, next_cursor=cursor)
