"""Who looked at people's words: routes that show content leave a line in the audit log before they show it."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from app.audit.log import AuditLog
from app.auth.models import AuthSubject
from app.kit.clock import Clock

CONTENT: Final[Mapping[str, tuple[str, str | None]]] = {
    "get_call_transcript": ("call.transcript_read", "call_id"),
    "list_call_events": ("call.events_read", "call_id"),
    "get_call_recording": ("call.recording_heard", "call_id"),
    "list_approvals": ("restricted_write.read", None),
    "get_approval": ("restricted_write.read", "approval_id"),
    "list_consents": ("consents.read", None),
}
"""Operation id -> the action in the log, and the path's parameter that names what was looked at."""
_AGAIN_SECONDS: Final = 600.0
_MOST_REMEMBERED: Final = 10_000
_ID: Final = re.compile(r"[a-z]{2,16}_[0-9a-z]{26}")


class AccessLog:
    """Writes the lines; the same look by the same subject counts once in ten minutes, since consoles refetch."""

    def __init__(self, audit: AuditLog, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._recent: OrderedDict[tuple[str, ...], float] = OrderedDict()

    async def note(self, subject: AuthSubject, operation_id: str, path: Mapping[str, str]) -> None:
        """Writes a look down, before it happens. An id that none of ours can be is left to the route's 404.

        Raises:
            Unavailable: The log does not take it: nothing is shown then.
        """
        shown = CONTENT.get(operation_id)
        if shown is None:
            return
        action, parameter = shown
        target = path.get(parameter, "") if parameter is not None else subject.tenant_id
        if not _ID.fullmatch(target):
            return
        look, now = (subject.tenant_id, subject.key_id, action, target), self._clock.monotonic()
        if now - self._recent.get(look, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
            return
        await self._audit.record(subject.tenant_id, subject.key_id, action, target)
        self._recent[look] = now
        self._recent.move_to_end(look)
        while len(self._recent) > _MOST_REMEMBERED:
            self._recent.popitem(last=False)
