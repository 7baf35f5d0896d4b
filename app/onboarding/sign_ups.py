"""Self-service sign-up: who proves an e-mail address opens a tenant, as its owner; until then nothing is kept.

What was asked for travels sealed in the token that the mail brings. The token names the tenant that it opens, so the
store's own rule, one tenant of an id, makes it good once.
"""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import orjson
import structlog

from app.audit.log import AuditLog
from app.auth.members import COLLECTION as MEMBERS
from app.auth.members import Member, MemberService, check_password
from app.auth.models import ApiKey
from app.auth.roles import Role
from app.auth.service import COLLECTION as KEYS
from app.auth.service import KeyService
from app.config import Settings
from app.errors import AppError, Conflict, Forbidden, NotFound
from app.kit.clock import Clock
from app.kit.crypto import MasterKey, open_sealed, seal
from app.kit.ids import new_id
from app.kit.mail import Mail, SmtpMail, SmtpServer
from app.kit.mongo import Database
from app.kit.vault import Vault
from app.tenants.models import Tenant
from app.tenants.service import COLLECTION as TENANTS
from app.tenants.service import TenantService

ACTOR: Final = "sign-up"
GOOD_FOR: Final = timedelta(hours=24)
_PURPOSE: Final = "sign-up"
_log = structlog.get_logger(__name__)
_SUBJECT: Final = "Confirm your e-mail address for VaaniSetu"
_TEXT: Final = """\
Somebody, probably you, asked to open an account at {url} with this e-mail address.

To open it, send this token and a password of your own to POST {url}/v1/sign-ups/confirm
by {until:%d %B %Y, %H:%M} UTC. It works once.

{token}

If it was not you, you need do nothing: without the token nothing is opened, and nothing is kept about you.
"""
"""No word in it is the asking person's: else strangers could have us send what they like to whom they like."""


@dataclass(frozen=True, slots=True)
class SignUp:
    """What a token holds; `expires_at` is aware UTC."""

    tenant_id: str
    name: str
    legal_entity: str
    languages: tuple[str, ...]
    owner_email: str
    owner_name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """A tenant just opened: its owner, its first key, and the key itself, shown this once."""

    tenant: Tenant
    owner: Member
    key: ApiKey
    secret: str


class SignUps:
    """Sends tokens, and opens a tenant for each that comes back.

    Args:
        settings: Whether strangers may sign up, and how mail leaves.
        database: The store.
        master: Seals tokens.
        vault: Knows which tenants were forgotten.
        tenants: Creates the tenant.
        members: Creates its owner.
        keys: Creates its key.
        audit: Who opened what.
        clock: Time.
        mail: None: the server that the settings name.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        master: MasterKey,
        vault: Vault,
        tenants: TenantService,
        members: MemberService,
        keys: KeyService,
        audit: AuditLog,
        clock: Clock,
        mail: Mail | None = None,
    ) -> None:
        self._url = settings.public_url.rstrip("/")
        self._database = database
        self._key = master.derive(_PURPOSE)
        self._digest = master.digest
        self._vault = vault
        self._tenants = tenants
        self._members = members
        self._keys = keys
        self._audit = audit
        self._clock = clock
        self._mail = (mail or smtp_of(settings)) if settings.self_sign_up else None

    def check_open(self) -> None:
        """Refuses where the operator alone creates tenants.

        Raises:
            Forbidden: `sign_up_closed`.
        """
        if self._mail is None:
            detail = "this service takes no sign-ups; its operator creates tenants"
            raise Forbidden(detail, code="sign_up_closed")

    def mark(self, email: str) -> str:
        """Returns a keyed hash of an address, to count by without knowing whose it is."""
        return self._digest(f"{_PURPOSE}:{email.lower()}")

    async def ask(
        self, name: str, legal_entity: str, languages: Sequence[str], owner_email: str, owner_name: str
    ) -> datetime:
        """Sends the owner a token; nothing is looked up and nothing stored.

        Args:
            name: What people call the tenant.
            legal_entity: The name that disclosures speak.
            languages: BCP-47 tags in order of preference.
            owner_email: Where the token goes.
            owner_name: Who will own the tenant.

        Returns:
            Until when the token is good, aware UTC.

        Raises:
            Forbidden: `sign_up_closed`.
            Unavailable: The mail server takes nothing now.
        """
        self.check_open()
        assert self._mail is not None
        until = self.expiry()
        sign_up = SignUp(new_id("tenant"), name, legal_entity, tuple(languages), owner_email.lower(), owner_name, until)
        text = _TEXT.format(url=self._url, until=until, token=self._token(sign_up))
        taken = await self._mail.send(owner_email, _SUBJECT, text)
        _log.info("sign_up.asked", mail_taken=taken)
        return until

    def expiry(self) -> datetime:
        """Returns until when a token sent now is good."""
        return (self._clock.now() + GOOD_FOR).replace(microsecond=0)

    def read(self, token: str) -> SignUp:
        """Returns what a token holds.

        Raises:
            Forbidden: `sign_up_closed`.
            NotFound: It is none of ours, or has expired (`no_sign_up`).
        """
        self.check_open()
        try:
            sealed = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
            held = orjson.loads(open_sealed(self._key, sealed, _PURPOSE.encode()))
        except (UnicodeEncodeError, binascii.Error, AppError) as error:
            raise _unknown() from error
        until = datetime.fromisoformat(held.pop("expires_at"))
        sign_up = SignUp(languages=tuple(held.pop("languages")), expires_at=until, **held)
        if until <= self._clock.now():
            raise _unknown()
        return sign_up

    async def open(self, sign_up: SignUp, password: str) -> Opened:
        """Opens the tenant, with its owner and its first key.

        Args:
            sign_up: As `read` returned it.
            password: The owner's.

        Raises:
            NotFound: It was opened before (`no_sign_up`).
            Unprocessable: The password is too short.
        """
        check_password(password)
        tenant_id = sign_up.tenant_id
        try:
            await self._vault.blind_key(tenant_id, _PURPOSE)
            tenant = await self._tenants.create(
                sign_up.name, sign_up.legal_entity, sign_up.languages, tenant_id=tenant_id
            )
        except (Conflict, NotFound) as error:
            raise _unknown() from error
        try:
            return await self._furnish(tenant, sign_up, password)
        except BaseException:
            await asyncio.shield(self._discard(tenant_id))
            raise

    async def _furnish(self, tenant: Tenant, sign_up: SignUp, password: str) -> Opened:
        tenant_id = tenant.tenant_id
        await self._audit.record(tenant_id, ACTOR, "tenant.created", tenant_id, {"name": tenant.name})
        invited = await self._members.invite(tenant_id, ACTOR, sign_up.owner_email, sign_up.owner_name, Role.OWNER)
        owner = await self._members.accept(invited[1], password)
        key, secret = await self._keys.create(tenant_id, owner.member_id, "first key")
        return Opened(tenant, owner, key, secret)

    async def _discard(self, tenant_id: str) -> None:
        """Takes a tenant back that could not be furnished, so that its token is good again."""
        store = self._database.tenant(tenant_id)
        for name in (KEYS, MEMBERS, TENANTS):
            await store.collection(name).delete_many({})

    def _token(self, sign_up: SignUp) -> str:
        held = {name: getattr(sign_up, name) for name in SignUp.__dataclass_fields__}
        return base64.urlsafe_b64encode(seal(self._key, orjson.dumps(held), _PURPOSE.encode())).decode()


def smtp_of(settings: Settings) -> SmtpMail:
    """Returns the way mail leaves by the settings, which name a server wherever sign-up is on."""
    assert settings.smtp_host is not None and settings.mail_from is not None
    return SmtpMail(
        SmtpServer(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_security,
            settings.mail_from,
            settings.smtp_user,
            settings.smtp_password.get_secret_value(),
        )
    )


def _unknown() -> NotFound:
    return NotFound("this sign-up does not exist, was used or has expired; ask for another", code="no_sign_up")
