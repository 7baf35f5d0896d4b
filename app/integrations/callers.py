"""Who is verified and who is locked out, per tenant: counted over all calls of a number, under its digest."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from app.dialogue.agents import Caller, ChannelKind
from app.dialogue.verification import Factor, FactorCheck, VerificationPolicy, canonical
from app.errors import Conflict
from app.kit.clock import Clock
from app.kit.crypto import MasterKey
from app.kit.mongo import Collection, Database

COLLECTION: Final = "caller_checks"
VERIFIED_FOR: Final = timedelta(minutes=30)


class CallerChecks:
    """Compares factors in constant time, few times, and remembers for a while who passed.

    Only digests of numbers are stored, and no factor at all. A chat takes over what a call of the same number has
    proved, since WhatsApp vouches for its numbers; a call takes over nothing, since caller ids can be forged.
    """

    def __init__(self, database: Database, master: MasterKey, clock: Clock) -> None:
        self._database = database
        self._master = master
        self._clock = clock

    async def passed(self, tenant_id: str, caller: Caller) -> frozenset[Factor]:
        """Returns the factors that this conversation, or the call before this chat, has proved."""
        found = await self._rows(tenant_id).find_one({"_id": self._passed_id(tenant_id, caller)})
        if found is None or found["until"] <= self._clock.now():
            return frozenset()
        return frozenset(Factor(name) for name in found["passed"])

    async def compare(
        self,
        tenant_id: str,
        caller: Caller,
        policy: VerificationPolicy,
        factor: Factor,
        given: str,
        identity: Mapping[str, Any] | None,
    ) -> FactorCheck:
        """Compares one factor; a try counts before it is compared, so that parallel calls gain nothing.

        Args:
            tenant_id: Whose caller.
            caller: Who.
            policy: How often.
            factor: What is compared.
            given: As heard.
            identity: What the tenant's system says of the number; None: it knows nobody.
        """
        if caller.kind is ChannelKind.CHAT or not caller.number:
            return FactorCheck.UNKNOWN_CALLER
        if not await self._take_try(tenant_id, caller, policy):
            return FactorCheck.LOCKED
        known = (identity or {}).get("verification") or {}
        expected = known.get(factor.value)
        matched = same_value(factor, given, expected)
        if expected is None:
            return FactorCheck.UNKNOWN_CALLER
        if not matched:
            return FactorCheck.MISMATCHED
        complete = await self._keep(tenant_id, caller, factor, policy)
        await self._give_tries_back(tenant_id, caller, all_of_them=complete)
        return FactorCheck.MATCHED

    async def forget(self, tenant_id: str, number: str) -> int:
        """Forgets what is kept under a number (E.164): tries and proofs; returns how many rows there were."""
        caller = Caller(number, "")
        rows = self._rows(tenant_id)
        ids = (self._number_id(tenant_id, caller), self._tries_id(tenant_id, caller))
        return sum([await rows.delete_one({"_id": row_id}) for row_id in ids])

    async def _take_try(self, tenant_id: str, caller: Caller, policy: VerificationPolicy) -> bool:
        rows, now = self._rows(tenant_id), self._clock.now()
        row = {"_id": self._tries_id(tenant_id, caller)}
        until = now + timedelta(minutes=policy.lock_minutes)
        if await rows.find_one(row) is None:
            try:
                await rows.insert_one({**row, "tries": 0, "until": until})
            except Conflict:
                pass
        await rows.find_one_and_update({**row, "until": {"$lte": now}}, {"$set": {"tries": 0, "until": until}})
        taken = await rows.find_one_and_update(
            {**row, "tries": {"$lt": policy.tries}}, {"$inc": {"tries": 1}, "$set": {"until": until}}
        )
        return taken is not None

    async def _give_tries_back(self, tenant_id: str, caller: Caller, *, all_of_them: bool) -> None:
        change: dict[str, Any] = {"$set": {"tries": 0}} if all_of_them else {"$inc": {"tries": -1}}
        query = {"_id": self._tries_id(tenant_id, caller), "tries": {"$gt": 0}}
        await self._rows(tenant_id).find_one_and_update(query, change)

    async def _keep(self, tenant_id: str, caller: Caller, factor: Factor, policy: VerificationPolicy) -> bool:
        passed = {*await self.passed(tenant_id, caller), factor}
        fields = {"passed": sorted(name.value for name in passed), "until": self._clock.now() + VERIFIED_FOR}
        rows = self._rows(tenant_id)
        complete = passed.issuperset(policy.factors)
        ids = [self._passed_id(tenant_id, caller), *([self._number_id(tenant_id, caller)] if complete else [])]
        for row_id in ids:
            await rows.replace_one({"_id": row_id}, {"_id": row_id, **fields}, upsert=True)
        return complete

    def _passed_id(self, tenant_id: str, caller: Caller) -> str:
        if caller.kind is ChannelKind.CHAT:
            return self._number_id(tenant_id, caller)
        return f"passed:{tenant_id}:{caller.reference}"

    def _number_id(self, tenant_id: str, caller: Caller) -> str:
        return f"proved:{tenant_id}:{self._digest(caller)}"

    def _tries_id(self, tenant_id: str, caller: Caller) -> str:
        return f"tries:{tenant_id}:{self._digest(caller)}"

    def _digest(self, caller: Caller) -> str:
        return self._master.digest(f"caller:{caller.number}")

    def _rows(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def same_value(factor: Factor, given: str, expected: str | None) -> bool:
    """Returns whether two values are the same, in a time that depends on neither."""
    heard = hashlib.sha256((canonical(factor, given) or "").encode()).digest()
    known = hashlib.sha256((canonical(factor, expected or "") or "-").encode()).digest()
    return hmac.compare_digest(heard, known) and expected is not None
