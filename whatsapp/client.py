"""pywa's client with one correction: a business-scoped id goes where Meta expects it, never out as a group's."""

import re
from typing import Any, Final

from pywa_async.api import GraphAPIAsync
from pywa_async.client import WhatsApp

BSUID: Final = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
"""Source: Meta, "Business-scoped user IDs": a country, a point, up to 128 letters and digits."""


class _Api(GraphAPIAsync):
    async def send_message(  # type: ignore[override]  # pywa's own override of its blocking one
        self, sender: str, to: str | None, recipient: str | None, recipient_type: str, *rest: Any, **named: Any
    ) -> dict[str, Any]:
        """Sends as pywa does, with ids of letters as the `recipient` that they are."""
        if to is not None and BSUID.fullmatch(to):
            to, recipient, recipient_type = None, to, "individual"
        taken: dict[str, Any] = await super().send_message(sender, to, recipient, recipient_type, *rest, **named)
        return taken


class Client(WhatsApp):
    """One number and its token."""

    _api_cls = _Api
