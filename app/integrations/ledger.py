"""The ledger of writes: a row before every write leaves, one key for ever, and the outcome beside it.

A row that is `started` or `unknown` may have been done: it is only ever sent again with the same key, until the
tenant's system says what became of it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson

from app.errors import Conflict, ToolError
from app.integrations.http_calls import Outcome
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec
from app.kit.sealed import SealedText

COLLECTION: Final = "tool_writes"
INDEXES: Final = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("key", 1)), unique=True),
    IndexSpec(COLLECTION, (("state", 1), ("next_at", 1)), across_tenants="the sweep over writes without an outcome"),
)
LEASE: Final = timedelta(seconds=30)
MOST_ATTEMPTS: Final = 8
_FIRST_WAIT: Final = timedelta(seconds=30)
_LONGEST_WAIT: Final = timedelta(hours=1)


class WriteState(StrEnum):
    """How far a write has come."""

    STARTED = "started"
    UNKNOWN = "unknown"
    DONE = "done"
    REFUSED = "refused"
    GIVEN_UP = "given_up"

    @property
    def is_final(self) -> bool:
        """Whether nothing is tried any more."""
        return self in (WriteState.DONE, WriteState.REFUSED, WriteState.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class WriteOrder:
    """What is to be written, once.

    Attributes:
        tenant_id: Whose system.
        agent_id: The agent that decided.
        reference: The call or conversation.
        tool: Its name.
        arguments: As the contract types them.
        key: The `Idempotency-Key`.
        caller: The caller's number, E.164, or "".
        approval_id: The approval it waited for.
    """

    tenant_id: str
    agent_id: str
    reference: str
    tool: str
    arguments: Mapping[str, Any]
    key: str
    caller: str = ""
    approval_id: str | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A row of the ledger.

    Attributes:
        write_id: `write_<ulid>`.
        order: What.
        state: How far.
        attempts: Rounds so far; each may have sent more than once.
        owed: The caller has not heard what became of it.
        data: The answer, when done.
        found: False: done, but there was no such thing.
        error: Why not.
        created_at: Aware UTC.
    """

    write_id: str
    order: WriteOrder
    state: WriteState
    attempts: int
    owed: bool
    data: Mapping[str, Any]
    found: bool
    error: str | None
    created_at: datetime


def write_key(tenant_id: str, reference: str, key: str) -> str:
    """Returns the `Idempotency-Key` of a write: the same for the same decision, whoever asks."""
    return "vs-" + hashlib.sha256(f"{tenant_id}\n{reference}\n{key}".encode()).hexdigest()[:48]


class WriteLedger:
    """Rows and their states; every change is a compare-and-set."""

    def __init__(self, database: Database, sealed: SealedText, clock: Clock) -> None:
        self._database = database
        self._sealed = sealed
        self._clock = clock

    async def begin(self, order: WriteOrder) -> tuple[Write, bool]:
        """Stores a row that this caller may send at once, or returns the one with the same key.

        Returns:
            The row, and whether it is new.

        Raises:
            ToolError: The key was used for another write.
        """
        now = self._clock.now()
        write_id = new_id("write")
        secret = orjson.dumps({"arguments": dict(order.arguments), "caller": order.caller}).decode()
        document = {
            "_id": write_id,
            "key": order.key,
            "fingerprint": _fingerprint(order),
            "agent_id": order.agent_id,
            "reference": order.reference,
            "tool": order.tool,
            "approval_id": order.approval_id,
            "sealed": await self._sealed.seal(order.tenant_id, write_id, secret),
            "state": WriteState.STARTED.value,
            "attempts": 1,
            "owed": True,
            "result": None,
            "found": True,
            "error": None,
            "next_at": now + LEASE,
            "created_at": now,
            "updated_at": now,
        }
        rows = self._rows(order.tenant_id)
        try:
            await rows.insert_one(document)
        except Conflict:
            found = await rows.find_one({"key": order.key})
            if found is None:
                raise
            if found["fingerprint"] != _fingerprint(order):
                raise ToolError("the key was used for another write", code="key_reused") from None
            return await self._write(found), False
        return await self._write({**document, "tenant_id": order.tenant_id}), True

    async def claim(self, write: Write) -> Write | None:
        """Takes a row without an outcome for another try; None: it is final, or somebody else is at it."""
        now = self._clock.now()
        changed = await self._rows(write.order.tenant_id).find_one_and_update(
            {
                "_id": write.write_id,
                "attempts": write.attempts,
                "$or": [
                    {"state": WriteState.UNKNOWN.value},
                    {"state": WriteState.STARTED.value, "next_at": {"$lte": now}},
                ],
            },
            {
                "$set": {"state": WriteState.STARTED.value, "next_at": now + LEASE, "updated_at": now},
                "$inc": {"attempts": 1},
            },
        )
        return await self._write(changed) if changed else None

    async def settle(self, write: Write, outcome: Outcome, *, heard: bool) -> Write:
        """Keeps what became of a round.

        Args:
            write: As begun or claimed.
            outcome: What the system answered.
            heard: Whether a final outcome reaches the caller.
        """
        now = self._clock.now()
        state = WriteState.DONE if outcome.ok else WriteState.REFUSED if outcome.certain else WriteState.UNKNOWN
        if state is WriteState.UNKNOWN and write.attempts >= MOST_ATTEMPTS:
            state = WriteState.GIVEN_UP
        changes: dict[str, Any] = {"state": state.value, "error": outcome.error, "updated_at": now}
        if state is WriteState.DONE:
            text = orjson.dumps(dict(outcome.data or {})).decode()
            changes["result"] = await self._sealed.seal(write.order.tenant_id, write.write_id, text)
            changes["found"] = outcome.data is not None
        if state is WriteState.UNKNOWN:
            changes["next_at"] = now + min(_FIRST_WAIT * 2 ** (write.attempts - 1), _LONGEST_WAIT)
        if state.is_final and heard:
            changes["owed"] = False
        changed = await self._rows(write.order.tenant_id).find_one_and_update(
            {"_id": write.write_id}, {"$set": changes}
        )
        if changed is None:
            raise ToolError(f"the row {write.write_id} is gone")
        return await self._write(changed)

    async def unheard(self, write: Write) -> Write:
        """Notes that an outcome did not reach the caller after all."""
        await self._rows(write.order.tenant_id).update_one({"_id": write.write_id}, {"$set": {"owed": True}})
        return replace(write, owed=True)

    async def told(self, write: Write) -> bool:
        """Notes that the caller is told now; returns whether that was still owed."""
        changed = await self._rows(write.order.tenant_id).find_one_and_update(
            {"_id": write.write_id, "owed": True}, {"$set": {"owed": False}}
        )
        return changed is not None

    async def get(self, tenant_id: str, write_id: str) -> Write | None:
        """Returns a row, or None."""
        found = await self._rows(tenant_id).find_one({"_id": write_id})
        return await self._write(found) if found else None

    async def due(self, limit: int = 50) -> list[Write]:
        """Returns rows of all tenants that are to be tried again."""
        states = [WriteState.STARTED.value, WriteState.UNKNOWN.value]
        found = await (
            self._database.system("writes without an outcome are tried again")
            .collection(COLLECTION)
            .find({"state": {"$in": states}, "next_at": {"$lte": self._clock.now()}}, (("next_at", 1),), limit)
        )
        return [await self._write(document) for document in found]

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)

    async def _write(self, document: Mapping[str, Any]) -> Write:
        tenant_id, write_id = document["tenant_id"], document["_id"]
        secret = orjson.loads(await self._sealed.open(tenant_id, write_id, document["sealed"]))
        result = document["result"]
        return Write(
            write_id=write_id,
            order=WriteOrder(
                tenant_id=tenant_id,
                agent_id=document["agent_id"],
                reference=document["reference"],
                tool=document["tool"],
                arguments=secret["arguments"],
                key=document["key"],
                caller=secret["caller"],
                approval_id=document["approval_id"],
            ),
            state=WriteState(document["state"]),
            attempts=document["attempts"],
            owed=document["owed"],
            data=orjson.loads(await self._sealed.open(tenant_id, write_id, result)) if result else {},
            found=document["found"],
            error=document["error"],
            created_at=document["created_at"],
        )


def _fingerprint(order: WriteOrder) -> str:
    content = orjson.dumps([order.tool, dict(order.arguments)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(order.key.encode() + content).hexdigest()
