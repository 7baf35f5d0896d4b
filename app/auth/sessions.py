"""Signing in: password, second factor, lock-out; then a cookie, and a token that unsafe requests must repeat."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pyotp
import structlog

from app.audit.log import AuditLog
from app.auth.members import Member, MemberService, MemberStatus, member_of, password_fits
from app.auth.models import AuthSubject
from app.auth.roles import ROLE_SCOPES
from app.errors import Conflict, Forbidden, Unauthorized, Unprocessable
from app.kit.clock import Clock
from app.kit.crypto import MasterKey, mint_token
from app.kit.mongo import Database, IndexSpec
from app.kit.sealed import SealedText

COLLECTION: Final = "sessions"
INDEXES = (IndexSpec(COLLECTION, (("tenant_id", 1), ("member_id", 1))),)
SESSION_LASTS: Final = timedelta(hours=12)
IDLE_FOR: Final = timedelta(hours=1)
FAILURES_TO_LOCK: Final = 5
LOCKED_FOR: Final = timedelta(minutes=15)
_TOUCH: Final = timedelta(minutes=1)
_STEP_SECONDS: Final = 30
_ISSUER: Final = "VaaniSetu"
_log = structlog.get_logger("auth")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session just begun: `token` is the cookie's value, `csrf_token` is what unsafe requests repeat."""

    member: Member
    token: str
    csrf_token: str
    expires_at: datetime


class SessionService:
    """Begins, checks and ends sessions; each lies in the store under a keyed hash of its token."""

    def __init__(
        self,
        database: Database,
        members: MemberService,
        sealed: SealedText,
        master: MasterKey,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._members = members
        self._sealed = sealed
        self._master = master
        self._audit = audit
        self._clock = clock

    async def sign_in(self, tenant_id: str, email: str, password: str, code: str | None) -> SignedIn:
        """Begins a session.

        Args:
            tenant_id: Of which tenant.
            email: The member's address.
            password: Theirs.
            code: Six digits of the second factor, where the member has one.

        Raises:
            Unauthorized: Something of it is wrong, or the member is locked out (`second_factor_needed` only after a
                right password); the answer is the same for members who do not exist.
        """
        found = await self._members.find_by_email(tenant_id, email)
        hashed = found["password_hash"] if found else None
        right = await asyncio.to_thread(password_fits, hashed, password)
        if found is None or found["status"] != MemberStatus.ACTIVE.value or self._is_locked(found):
            raise _refused()
        if not right:
            await self._count_failure(found)
            raise _refused()
        if found["totp_confirmed"]:
            if code is None:
                raise Unauthorized("give the six digits of the second factor", code="second_factor_needed")
            if not await self._takes_code(found, code):
                await self._count_failure(found)
                raise _refused()
        return await self._begin(found)

    async def authenticate(self, token: str, csrf_token: str | None, *, is_safe: bool) -> AuthSubject:
        """Returns who a cookie belongs to and what their role may do.

        Args:
            token: The cookie's value.
            csrf_token: The `X-CSRF-Token` header.
            is_safe: Whether the request changes nothing (GET, HEAD).

        Raises:
            Unauthorized: No such session, or it has ended.
            Forbidden: An unsafe request does not repeat the session's token.
        """
        identity, now = self._master.digest(token), self._clock.now()
        store = self._database.system("a cookie names a session before its tenant").collection(COLLECTION)
        session = await store.find_one({"_id": identity})
        if session is None or session["expires_at"] <= now or session["seen_at"] + IDLE_FOR <= now:
            raise Unauthorized("the session has ended; sign in again", code="session_ended")
        if not is_safe and not (csrf_token and self._master.matches(csrf_token, session["csrf"])):
            raise Forbidden("send the session's token as X-CSRF-Token", code="csrf")
        if now - session["seen_at"] > _TOUCH:
            await store.update_one({"_id": identity}, {"$set": {"seen_at": now}})
        member = await self._members.get(session["tenant_id"], session["member_id"])
        if member.status is not MemberStatus.ACTIVE:
            raise Unauthorized("the session has ended; sign in again", code="session_ended")
        return AuthSubject(member.tenant_id, member.member_id, ROLE_SCOPES[member.role])

    async def sign_out(self, token: str) -> None:
        """Ends a session; fine if it has ended."""
        store = self._database.system("a cookie names a session before its tenant").collection(COLLECTION)
        await store.delete_one({"_id": self._master.digest(token)})

    async def end_all(self, tenant_id: str, member_id: str) -> int:
        """Ends every session of a member; returns how many there were."""
        sessions = self._database.tenant(tenant_id).collection(COLLECTION)
        return await sessions.delete_many({"member_id": member_id})

    async def begin_totp(self, tenant_id: str, member_id: str) -> tuple[str, str]:
        """Makes a second factor, in force once `confirm_totp` has seen a code of it; returns secret and otpauth URI.

        Raises:
            Conflict: The member has one.
        """
        found = await self._members.document(tenant_id, member_id)
        if found["totp_confirmed"]:
            raise Conflict("there is a second factor; remove it first", code="totp_exists")
        secret = pyotp.random_base32()
        sealed = await self._sealed.seal(tenant_id, member_id, secret)
        await self._members.update(tenant_id, member_id, {"totp": sealed})
        uri = pyotp.TOTP(secret).provisioning_uri(name=found["email"], issuer_name=_ISSUER)
        return secret, uri

    async def confirm_totp(self, tenant_id: str, member_id: str, code: str) -> None:
        """Puts the second factor in force.

        Raises:
            Unprocessable: The code does not fit.
        """
        found = await self._members.document(tenant_id, member_id)
        if found["totp"] is None or not await self._takes_code(found, code):
            raise Unprocessable("the code does not fit; check the clock of the device", code="wrong_code")
        await self._members.update(tenant_id, member_id, {"totp_confirmed": True})
        await self._audit.record(tenant_id, member_id, "member.totp_added", member_id)

    async def remove_totp(self, tenant_id: str, actor: str, member_id: str) -> None:
        """Removes a second factor: the member's own wish, or an administrator's for a lost device."""
        await self._members.update(tenant_id, member_id, {"totp": None, "totp_confirmed": False})
        await self._audit.record(tenant_id, actor, "member.totp_removed", member_id)

    def _is_locked(self, found: dict[str, Any]) -> bool:
        return found["locked_until"] is not None and found["locked_until"] > self._clock.now()

    async def _count_failure(self, found: dict[str, Any]) -> None:
        tenant_id, member_id = found["tenant_id"], found["_id"]
        _log.warning("auth.sign_in_refused", tenant_id=tenant_id, member_id=member_id)
        if await self._members.count_failure(tenant_id, member_id) >= FAILURES_TO_LOCK:
            until = self._clock.now() + LOCKED_FOR
            await self._members.update(tenant_id, member_id, {"locked_until": until, "failures": 0})
            await self._audit.record(tenant_id, "system", "member.locked", member_id)

    async def _takes_code(self, found: dict[str, Any], code: str) -> bool:
        """Checks a code of now or half a minute around it, each good once. Source: RFC 6238, section 5.2."""
        secret = await self._sealed.open(found["tenant_id"], found["_id"], found["totp"])
        totp, now = pyotp.TOTP(secret), int(self._clock.now().timestamp())
        for step in (now // _STEP_SECONDS + drift for drift in (0, -1, 1)):
            if pyotp.utils.strings_equal(totp.generate_otp(step), code):
                return await self._members.take_totp_step(found["tenant_id"], found["_id"], step)
        return False

    async def _begin(self, found: dict[str, Any]) -> SignedIn:
        token, csrf_token, now = mint_token(), mint_token(), self._clock.now()
        tenant_id, member_id = found["tenant_id"], found["_id"]
        session = {
            "_id": self._master.digest(token),
            "member_id": member_id,
            "csrf": self._master.digest(csrf_token),
            "created_at": now,
            "seen_at": now,
            "expires_at": now + SESSION_LASTS,
        }
        await self._database.tenant(tenant_id).collection(COLLECTION).insert_one(session)
        await self._members.update(tenant_id, member_id, {"failures": 0, "locked_until": None, "last_login_at": now})
        await self._audit.record(tenant_id, member_id, "member.signed_in", member_id)
        return SignedIn(member_of(found), token, csrf_token, now + SESSION_LASTS)


def _refused() -> Unauthorized:
    return Unauthorized("e-mail address, password or code is wrong, or the member is locked", code="sign_in_refused")
