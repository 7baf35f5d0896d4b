"""Exchanges the master key: wraps every tenant's data key anew under the current one, resumable at any point."""

from dataclasses import dataclass
from typing import Final

import structlog

from app.errors import AppError
from app.kit.mongo import Database
from app.kit.wrapping import COLLECTION, KeyRing

_BATCH: Final = 200
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did.

    Attributes:
        key: The name of the key that wraps now.
        rewrapped: The tenants whose data key was wrapped anew in this run.
        already: How many were under the current key before.
        failed: Tenant -> error code of those that no key of the ring opens; they stay as they are.
    """

    key: str
    rewrapped: tuple[str, ...]
    already: int
    failed: dict[str, str]


async def rotate(database: Database, ring: KeyRing) -> Rotated:
    """Wraps anew what another key than the current one wrapped. A run that was cut off is simply run again.

    Args:
        database: The store.
        ring: The new key as current, the old one accepted.

    Raises:
        Unavailable: The store or the key's service does not answer; what was done stays done.
    """
    keys = database.system("the operator exchanges the master key").collection(COLLECTION)
    rewrapped: list[str] = []
    failed: dict[str, str] = {}
    already, after = 0, ""
    while page := await keys.find({"_id": {"$gt": after}}, limit=_BATCH):
        after = page[-1]["_id"]
        for document in page:
            tenant_id = document["tenant_id"]
            if document.get("wrapped") is None:
                continue
            if document.get("wrapped_by") == ring.current.name:
                already += 1
                continue
            try:
                fields = await ring.wrap(await ring.unwrap(document, tenant_id), tenant_id)
            except AppError as error:
                if error.retryable:
                    raise
                failed[tenant_id] = error.code
                _log.error("keys.not_rewrapped", tenant_id=tenant_id, code=error.code)
                continue
            unchanged = {"_id": document["_id"], "wrapped_by": document.get("wrapped_by"), "forgotten_at": None}
            if await keys.update_one(unchanged, {"$set": fields}):
                rewrapped.append(tenant_id)
    return Rotated(ring.current.name, tuple(rewrapped), already, failed)
