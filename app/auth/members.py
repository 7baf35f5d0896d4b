"""The people of a tenant: invited, with a role, a password and a second factor; the last owner stays."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.audit.log import AuditLog
from app.auth.roles import Role
from app.errors import Conflict, FieldError, NotFound, Unprocessable
from app.kit.clock import Clock
from app.kit.crypto import MasterKey, mint_token
from app.kit.ids import new_id
from app.kit.mongo import Collection, Database, IndexSpec, StorePage
from app.tenants.limits import Kept, TenantLimits

COLLECTION: Final = "members"
INDEXES = (
    IndexSpec(COLLECTION, (("tenant_id", 1), ("email", 1)), unique=True),
    IndexSpec(
        COLLECTION,
        (("invitation", 1),),
        unique=True,
        if_string="invitation",
        across_tenants="an invitation is accepted before the tenant is known",
    ),
)
INVITED_FOR: Final = timedelta(days=7)
FEWEST_PASSWORD_LETTERS: Final = 12
_MOST: Final = 1_000
_hasher = PasswordHasher()
"""Argon2id with the library's parameters. Source: RFC 9106, section 4, second recommended option."""


class MemberStatus(StrEnum):
    """Whether a member can sign in."""

    INVITED = "invited"
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Member:
    """A person of a tenant. Password and second factor stay in the store."""

    member_id: str
    tenant_id: str
    email: str
    name: str
    role: Role
    status: MemberStatus
    has_totp: bool
    created_at: datetime
    last_login_at: datetime | None = None


class MemberService:
    """Invites, changes and removes members."""

    def __init__(
        self, database: Database, master: MasterKey, limits: TenantLimits, audit: AuditLog, clock: Clock
    ) -> None:
        self._limits = limits
        self._database = database
        self._master = master
        self._audit = audit
        self._clock = clock

    async def invite(self, tenant_id: str, actor: str, email: str, name: str, role: Role) -> tuple[Member, str]:
        """Adds a member who has yet to choose a password.

        Returns:
            The member, and the invitation's token, to be sent to them; it is shown this once and good for a week.

        Raises:
            Conflict: The tenant has a member with this address, or as many as it may (`limit_reached`).
        """
        token, now = mint_token(), self._clock.now()
        document = {
            "_id": new_id("mem"),
            "email": email.strip().lower(),
            "name": name,
            "role": role.value,
            "status": MemberStatus.INVITED.value,
            "password_hash": None,
            "totp": None,
            "totp_confirmed": False,
            "totp_used_step": 0,
            "failures": 0,
            "locked_until": None,
            "invitation": self._master.digest(token),
            "invited_until": now + INVITED_FOR,
            "created_at": now,
            "last_login_at": None,
        }
        try:
            await self._limits.insert(tenant_id, Kept.MEMBERS, document)
        except Conflict as error:
            if error.code == "limit_reached":
                raise
            raise Conflict("there is a member with this e-mail address", code="member_exists") from error
        member = member_of({**document, "tenant_id": tenant_id})
        await self._audit.record(tenant_id, actor, "member.invited", member.member_id, {"role": role.value})
        return member, token

    async def accept(self, token: str, password: str) -> Member:
        """Sets the password of an invited member, who may sign in from then on.

        Raises:
            NotFound: The invitation does not exist, was used or has expired.
            Unprocessable: The password is too short.
        """
        check_password(password)
        store = self._database.system("an invitation names no tenant").collection(COLLECTION)
        found = await store.find_one({"invitation": self._master.digest(token)})
        if found is None or found["invited_until"] < self._clock.now():
            raise NotFound("this invitation does not exist, was used or has expired", code="no_invitation")
        hashed = await asyncio.to_thread(_hasher.hash, password)
        accepted = await self._members(found["tenant_id"]).update_one(
            {"_id": found["_id"], "status": MemberStatus.INVITED.value},
            {
                "$set": {"status": MemberStatus.ACTIVE.value, "password_hash": hashed},
                "$unset": {"invitation": ""},
            },
        )
        if not accepted:
            raise NotFound("this invitation does not exist, was used or has expired", code="no_invitation")
        await self._audit.record(found["tenant_id"], found["_id"], "member.joined", found["_id"])
        return await self.get(found["tenant_id"], found["_id"])

    async def get(self, tenant_id: str, member_id: str) -> Member:
        """Returns a member.

        Raises:
            NotFound: Not this tenant's.
        """
        return member_of(await self.document(tenant_id, member_id))

    async def document(self, tenant_id: str, member_id: str) -> dict[str, Any]:
        """Returns a member as stored, for the sessions of this room.

        Raises:
            NotFound: Not this tenant's.
        """
        found = await self._members(tenant_id).find_one({"_id": member_id})
        if found is None:
            raise NotFound(f"no member {member_id}")
        return found

    async def find_by_email(self, tenant_id: str, email: str) -> dict[str, Any] | None:
        """Returns a member as stored, or None."""
        return await self._members(tenant_id).find_one({"email": email.strip().lower()})

    async def page(self, tenant_id: str, limit: int, starting_after: str | None) -> StorePage:
        """Returns one page of members as stored, newest first; `member_of` reads them."""
        return await self._members(tenant_id).page({}, limit, starting_after)

    async def change(
        self,
        tenant_id: str,
        actor: str,
        member_id: str,
        *,
        name: str | None = None,
        role: Role | None = None,
        disabled: bool | None = None,
    ) -> Member:
        """Changes what is given.

        Raises:
            Conflict: It would leave the tenant without an active owner.
            NotFound: Not this tenant's.
        """
        document = await self.document(tenant_id, member_id)
        if (role is not None and role is not Role.OWNER) or disabled:
            await self._keep_an_owner(tenant_id, document)
        fields: dict[str, Any] = {}
        if name is not None:
            fields["name"] = name
        if role is not None:
            fields["role"] = role.value
        if disabled is not None:
            joined = document["password_hash"] is not None
            back = MemberStatus.ACTIVE if joined else MemberStatus.INVITED
            fields["status"] = (MemberStatus.DISABLED if disabled else back).value
        if fields:
            await self.update(tenant_id, member_id, fields)
            changed = {key: value for key, value in fields.items() if key != "name"}
            await self._audit.record(tenant_id, actor, "member.changed", member_id, changed)
        return await self.get(tenant_id, member_id)

    async def remove(self, tenant_id: str, actor: str, member_id: str) -> None:
        """Deletes a member.

        Raises:
            Conflict: It would leave the tenant without an active owner.
            NotFound: Not this tenant's.
        """
        await self._keep_an_owner(tenant_id, await self.document(tenant_id, member_id))
        await self._members(tenant_id).delete_one({"_id": member_id})
        await self._audit.record(tenant_id, actor, "member.removed", member_id)

    async def update(self, tenant_id: str, member_id: str, fields: Mapping[str, Any]) -> None:
        """Sets stored fields of a member."""
        await self._members(tenant_id).update_one({"_id": member_id}, {"$set": dict(fields)})

    async def take_totp_step(self, tenant_id: str, member_id: str, step: int) -> bool:
        """Uses a time step of the second factor up; returns False if it, or a later one, was used before."""
        return await self._members(tenant_id).update_one(
            {"_id": member_id, "totp_used_step": {"$lt": step}}, {"$set": {"totp_used_step": step}}
        )

    async def count_failure(self, tenant_id: str, member_id: str) -> int:
        """Counts a failed sign-in; returns how many there were in a row."""
        changed = await self._members(tenant_id).find_one_and_update({"_id": member_id}, {"$inc": {"failures": 1}})
        return int(changed["failures"]) if changed else 0

    async def _keep_an_owner(self, tenant_id: str, leaving: Mapping[str, Any]) -> None:
        if leaving["role"] != Role.OWNER.value or leaving["status"] != MemberStatus.ACTIVE.value:
            return
        query = {"role": Role.OWNER.value, "status": MemberStatus.ACTIVE.value}
        owners = await self._members(tenant_id).find(query, limit=_MOST, projection=[])
        if not any(owner["_id"] != leaving["_id"] for owner in owners):
            raise Conflict("a tenant keeps at least one active owner", code="last_owner")

    def _members(self, tenant_id: str) -> Collection:
        return self._database.tenant(tenant_id).collection(COLLECTION)


def check_password(password: str) -> None:
    """Refuses what is too short to be a password.

    Raises:
        Unprocessable: It is. Source: NIST SP 800-63B: length is what counts, composition rules do not.
    """
    if len(password) < FEWEST_PASSWORD_LETTERS:
        detail = f"must have at least {FEWEST_PASSWORD_LETTERS} characters; a sentence is a good one"
        raise Unprocessable("the password is too short", errors=[FieldError("/body/password", detail)])


_NOBODYS_HASH: Final = _hasher.hash(mint_token())


def password_fits(hashed: str | None, password: str) -> bool:
    """Returns whether a password fits; takes as long where there is none, so that nothing is learnt from the time."""
    try:
        return _hasher.verify(hashed or _NOBODYS_HASH, password) and hashed is not None
    except (VerificationError, InvalidHashError):
        return False


def member_of(document: Mapping[str, Any]) -> Member:
    """Returns the member that a stored document holds."""
    return Member(
        document["_id"],
        document["tenant_id"],
        document["email"],
        document["name"],
        Role(document["role"]),
        MemberStatus(document["status"]),
        document["totp_confirmed"],
        document["created_at"],
        document["last_login_at"],
    )
