"""Tenants, credentials and keys on the wire."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

import httpx
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from app.auth.models import ApiKey
from app.tenants.credentials import MaskedCredentials
from app.tenants.models import LlmCredentials, PlivoCredentials, Tenant, ToolCredentials, WhatsAppCredentials
from app.tenants.verification import Check, CheckState

LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$", examples=["hi-IN"])]
Secret = Annotated[
    str,
    Field(min_length=8, max_length=1000, pattern=r"^[\x21-\x7e]+$", examples=["a-secret-of-your-provider"]),
]
"""What a header can carry. Source: RFC 6750, section 2.1, and RFC 9110, section 5.5."""


def _origin(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"is no URL: {error}") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo or parsed.query or parsed.fragment:
        raise ValueError("must be an http(s) URL without user name, query and fragment")
    return url.rstrip("/")


class TenantCreate(BaseModel):
    """A new tenant."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, examples=["Sundar Stores"])
    legal_entity: str = Field(
        min_length=1,
        max_length=100,
        description="The name that disclosures speak.",
        examples=["Sundar Stores Private Limited"],
    )
    languages: list[LanguageTag] = Field(
        min_length=1, max_length=20, description="In order of preference.", examples=[["hi-IN", "en-IN"]]
    )


class TenantView(BaseModel):
    """A tenant."""

    id: str = Field(examples=["tenant_01k4n5c9t2v8x7q6m3b1a0zdef"])
    name: str
    legal_entity: str
    languages: list[str]
    created_at: datetime

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """Returns the wire form."""
        return cls(
            id=tenant.tenant_id,
            name=tenant.name,
            legal_entity=tenant.legal_entity,
            languages=list(tenant.languages),
            created_at=tenant.created_at,
        )


class ApiKeyCreate(BaseModel):
    """A new API key."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, examples=["CRM connector"])
    scopes: list[str] | None = Field(default=None, description="None: everything.", examples=[["conversations:read"]])
    expires_at: AwareDatetime | None = None
    test: StrictBool = Field(default=False, description="Makes a `vs_test_...` key.")


class KeyRotation(BaseModel):
    """How long the old key works beside the new one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"overlap_hours": 24}})

    overlap_hours: StrictInt = Field(default=24, ge=0, le=720)


class ApiKeyView(BaseModel):
    """An API key, without the key."""

    id: str = Field(examples=["key_01k4n5c9t2v8x7q6m3b1a0zdef"])
    name: str
    scopes: list[str]
    last_four: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """Returns the wire form."""
        return cls(
            id=key.key_id,
            name=key.name,
            scopes=sorted(key.scopes),
            last_four=key.last_four,
            created_at=key.created_at,
            expires_at=key.expires_at.astimezone(UTC) if key.expires_at else None,
            last_used_at=key.last_used_at,
            revoked_at=key.revoked_at,
        )


class NewApiKeyView(ApiKeyView):
    """A key just made; `key` is shown this once."""

    key: str = Field(examples=["vs_live_..."])


class TenantCreated(TenantView):
    """A tenant just made, with its first key."""

    api_key: NewApiKeyView


class PlivoInput(BaseModel):
    """A Plivo account."""

    model_config = ConfigDict(extra="forbid")

    auth_id: str = Field(min_length=4, max_length=64, examples=["MAXXXXXXXXXXXXXXXXXX"])
    auth_token: Secret

    def credentials(self) -> PlivoCredentials:
        """Returns the value to store."""
        return PlivoCredentials(self.auth_id, self.auth_token)


class WhatsAppInput(BaseModel):
    """A WhatsApp business number and its app."""

    model_config = ConfigDict(extra="forbid")

    phone_number_id: str = Field(
        pattern=r"^\d{5,32}$", description="Meta's id of the number, not the number.", examples=["106540352242922"]
    )
    access_token: Secret
    app_secret: Secret
    verify_token: Secret
    business_account_id: str | None = Field(default=None, pattern=r"^\d{5,32}$")

    def credentials(self) -> WhatsAppCredentials:
        """Returns the value to store."""
        return WhatsAppCredentials(
            self.phone_number_id, self.access_token, self.app_secret, self.verify_token, self.business_account_id
        )


class ToolsInput(BaseModel):
    """Where the tenant's own systems answer; tools call no other origin."""

    model_config = ConfigDict(extra="forbid")

    base_url: Annotated[str, Field(max_length=300, examples=["https://shop.example.in/api"]), AfterValidator(_origin)]
    bearer_token: Secret | None = None

    def credentials(self) -> ToolCredentials:
        """Returns the value to store."""
        return ToolCredentials(self.base_url, self.bearer_token)


class LlmInput(BaseModel):
    """A language model that gives a second opinion on words that understanding is unsure of."""

    model_config = ConfigDict(extra="forbid")

    base_url: Annotated[
        str,
        Field(
            max_length=300,
            description="Of an OpenAI-compatible API, without /chat/completions.",
            examples=["https://api.example.com/v1"],
        ),
        AfterValidator(_origin),
    ]
    model: str = Field(min_length=1, max_length=100, examples=["a-small-model"])
    api_key: Secret
    limit_ms: StrictInt = Field(
        default=1_200, ge=200, le=3_000, description="Then the call goes on without its answer."
    )

    def credentials(self) -> LlmCredentials:
        """Returns the value to store."""
        return LlmCredentials(self.base_url, self.model, self.api_key, self.limit_ms)


class CredentialsCheck(BaseModel):
    """Whether the provider let us in: `unverified` where it was not asked or did not answer."""

    state: CheckState
    reason: str = Field(examples=["Plivo let us in"])
    checked_at: datetime | None

    @classmethod
    def of(cls, check: Check) -> Self:
        """Returns the wire form."""
        return cls(state=check.state, reason=check.reason, checked_at=check.checked_at)


class CredentialsView(BaseModel):
    """Stored credentials: identifiers in full, secrets masked."""

    provider: Literal["plivo", "whatsapp", "tools", "llm"]
    values: dict[str, str | None] = Field(examples=[{"auth_id": "MAXXXXXXXX", "auth_token": "...3f9c"}])
    updated_at: datetime
    check: CredentialsCheck = Field(description="What the provider said when it was asked.")

    @classmethod
    def of(cls, masked: MaskedCredentials) -> Self:
        """Returns the wire form."""
        return cls(
            provider=masked.provider.value,
            values=dict(masked.values),
            updated_at=masked.updated_at,
            check=CredentialsCheck.of(masked.check),
        )
