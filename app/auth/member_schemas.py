"""What the doors of members and sessions take and show."""

from datetime import UTC, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool

from app.auth.members import Member, MemberStatus
from app.auth.roles import ROLE_SCOPES, Role

EMAIL = r"^[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+$"


class MemberInvite(BaseModel):
    """A person who is to join."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"email": "meena@sundar.example", "name": "Meena", "role": "supervisor"}},
    )

    email: str = Field(max_length=254, pattern=EMAIL)
    name: str = Field(min_length=1, max_length=100)
    role: Role


class MemberPatch(BaseModel):
    """What may change of a member."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(default=None, min_length=1, max_length=100)
    role: Role | None = None
    disabled: StrictBool | None = Field(default=None, description="A disabled member is signed out everywhere.")


class MemberView(BaseModel):
    """A member."""

    id: str = Field(examples=["mem_01k4n5c9t2v8x7q6m3b1a0zdef"])
    email: str
    name: str
    role: Role
    scopes: list[str] = Field(description="What the role may do.")
    status: MemberStatus
    has_second_factor: bool
    created_at: datetime
    last_login_at: datetime | None

    @classmethod
    def of(cls, member: Member) -> Self:
        """Returns the wire form."""
        return cls(
            id=member.member_id,
            email=member.email,
            name=member.name,
            role=member.role,
            scopes=sorted(ROLE_SCOPES[member.role]),
            status=member.status,
            has_second_factor=member.has_totp,
            created_at=member.created_at.astimezone(UTC),
            last_login_at=member.last_login_at,
        )


class MemberInvited(MemberView):
    """A member just invited; `invitation` is shown this once, for you to send to them."""

    invitation: str = Field(description="Good for a week, at POST /v1/invitations/accept.")


class InvitationAccept(BaseModel):
    """What an invited person sends."""

    model_config = ConfigDict(extra="forbid")

    invitation: str = Field(min_length=20, max_length=100, examples=["0f3c9b7a51d2e8466c1f"])
    password: SecretStr = Field(
        max_length=200,
        description="At least 12 characters; a sentence is a good one.",
        examples=["the monsoon came early"],
    )


class SignIn(BaseModel):
    """What signs a member in."""

    model_config = ConfigDict(extra="forbid")

    tenant_id: str = Field(min_length=1, max_length=64, examples=["tenant_01k4n5c9t2v8x7q6m3b1a0zdef"])
    email: str = Field(max_length=254, examples=["asha@example.in"])
    password: SecretStr = Field(max_length=200, examples=["the monsoon came early"])
    code: str | None = Field(default=None, pattern=r"^\d{6}$", description="Of the second factor, if there is one.")


class SessionView(BaseModel):
    """A session; the cookie `vs_session` carries it."""

    member: MemberView
    csrf_token: str | None = Field(
        default=None, description="Send it as X-CSRF-Token with everything but GET and HEAD; shown at sign-in only."
    )
    expires_at: datetime | None = None


class TotpView(BaseModel):
    """A second factor to be confirmed by a code of it."""

    secret: str
    uri: str = Field(description="For the QR code that authenticator apps read.")


class TotpCode(BaseModel):
    """Six digits of the second factor."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(pattern=r"^\d{6}$", examples=["123456"])
