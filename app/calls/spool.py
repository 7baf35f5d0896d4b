"""What the store did not take of an ended call waits here, on disk and sealed, until the store is back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from app.calls.events import CallEvent, CallEventKind
from app.errors import AppError, NotFound
from app.kit.vault import Vault

_SUFFIX: Final = ".sealed"
_TIMES: Final = ("answered_at", "ended_at")
_log = structlog.get_logger("calls")


@dataclass(frozen=True, slots=True)
class LeftOver:
    """The unwritten end of one call.

    Attributes:
        tenant_id: Whose call.
        call_id: Which.
        events: The events that are not stored, with their numbers.
        fields: What the call's record shall say; JSON values and aware times.
        told: What webhooks are told of the end; None: nothing.
    """

    tenant_id: str
    call_id: str
    events: Sequence[tuple[int, CallEvent]]
    fields: Mapping[str, Any]
    told: Mapping[str, Any] | None = None


class CallSpool:
    """Files of left-overs: `<directory>/<tenant>/<call>.sealed`, under the tenant's key."""

    def __init__(self, directory: Path, vault: Vault) -> None:
        self._directory = directory
        self._vault = vault

    async def put(self, left: LeftOver) -> None:
        """Writes a left-over so that a crash cannot take it.

        Raises:
            AppError: It cannot be sealed: this process does not know the tenant's key.
            OSError: The disk does not take it.
        """
        content = orjson.dumps(
            {
                "events": [[number, event.kind, event.at_ms, dict(event.data)] for number, event in left.events],
                "fields": dict(left.fields),
                "told": None if left.told is None else dict(left.told),
            }
        )
        sealed = await self._vault.seal(left.tenant_id, content, _bound_to(left.call_id))
        await asyncio.to_thread(write_atomically, self._path(left.tenant_id, left.call_id), sealed)

    async def waiting(self) -> list[tuple[str, str]]:
        """Returns tenant and call of every left-over."""
        found = await asyncio.to_thread(lambda: sorted(self._directory.glob(f"*/*{_SUFFIX}")))
        return [(path.parent.name, path.name.removesuffix(_SUFFIX)) for path in found]

    async def read(self, tenant_id: str, call_id: str) -> LeftOver | None:
        """Returns a left-over; None if it is gone, or can never be read again, which is logged.

        Raises:
            Unavailable: The tenant's key cannot be fetched now.
        """
        path = self._path(tenant_id, call_id)
        try:
            sealed = await asyncio.to_thread(path.read_bytes)
            content = orjson.loads(await self._vault.open(tenant_id, sealed, _bound_to(call_id)))
        except FileNotFoundError:
            return None
        except NotFound:
            await self.remove(tenant_id, call_id)
            _log.warning("calls.spool_forgotten", tenant_id=tenant_id, call_id=call_id)
            return None
        except AppError as error:
            if error.retryable:
                raise
            await asyncio.to_thread(path.rename, path.with_suffix(".unreadable"))
            _log.error("calls.spool_unreadable", tenant_id=tenant_id, call_id=call_id, code=error.code)
            return None
        events = [
            (number, CallEvent(CallEventKind(kind), at_ms, data)) for number, kind, at_ms, data in content["events"]
        ]
        fields = {
            name: datetime.fromisoformat(value) if name in _TIMES and value is not None else value
            for name, value in content["fields"].items()
        }
        return LeftOver(tenant_id, call_id, events, fields, content["told"])

    async def remove(self, tenant_id: str, call_id: str) -> None:
        """Forgets a left-over that is stored."""
        await asyncio.to_thread(self._path(tenant_id, call_id).unlink, missing_ok=True)

    def _path(self, tenant_id: str, call_id: str) -> Path:
        return self._directory / tenant_id / f"{call_id}{_SUFFIX}"


def _bound_to(call_id: str) -> bytes:
    return f"spool:{call_id}".encode()


def write_atomically(path: Path, content: bytes) -> None:
    """Puts a file in its place whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(content)
    draft.replace(path)
