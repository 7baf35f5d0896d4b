"""Self-service sign-up on the wire."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from app.auth.member_schemas import MemberView
from app.auth.schemas import NewApiKeyView, TenantCreate, TenantView

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(\.{_LABEL})+$"
"""What a mail server is asked to deliver to. Source: HTML Standard, "valid e-mail address", with a dot at least."""


class SignUpCreate(TenantCreate):
    """A tenant to be opened, and who will own it."""

    owner_email: str = Field(
        max_length=254, pattern=ADDRESS, description="Where the token goes.", examples=["meena@sundar.example"]
    )
    owner_name: str = Field(min_length=1, max_length=100, examples=["Meena"])


class SignUpView(BaseModel):
    """A token is on its way, if the address may be written to."""

    expires_at: datetime = Field(description="Until when the token is good.")


class SignUpConfirm(BaseModel):
    """The token of the mail, and the password with which the owner will sign in."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=20, max_length=8_000, examples=["AQ3c9b7a51d2e8466c1f0f3c9b7a51d2e8466c1f"])
    password: SecretStr = Field(
        max_length=200,
        description="At least 12 characters; a sentence is a good one.",
        examples=["the monsoon came early"],
    )


class SignUpOpened(TenantView):
    """A tenant just opened, with its owner and its first key."""

    owner: MemberView
    api_key: NewApiKeyView
