"""How a route reaches what the composition root built: one typed getter per service, for `Depends` or a plain call."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from fastapi import Request

T = TypeVar("T")


def service(place: str, kind: type[T]) -> Callable[[Request], T]:
    """Returns a getter of one of the application's services.

    Args:
        place: Its name in `app.state.services`, dotted where it is part of another: `tools.approvals`.
        kind: What it is, for the reader and the type checker; fakes may stand in its place.

    Use: `_agents = service("agents", AgentService)`, then `_agents(request)` or
    `Annotated[AgentService, Depends(_agents)]`.
    """
    names = place.split(".")

    def get(request: Request) -> T:
        found: Any = request.app.state.services
        for name in names:
            found = getattr(found, name)
        return cast(T, found)

    return get
