"""Who uses the service: the tenant and the accounts with providers that it brings; values below every other room."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer of the service; everything else belongs to exactly one of them.

    Attributes:
        tenant_id: `tenant_<ulid>`.
        name: What people call it.
        legal_entity: The name that disclosures speak.
        languages: BCP-47 tags in order of preference; the first is the default, the others the fallback order.
        created_at: Aware UTC.
    """

    tenant_id: str
    name: str
    legal_entity: str
    languages: tuple[str, ...]
    created_at: datetime


class Provider(StrEnum):
    """Whose account a credential opens."""

    PLIVO = "plivo"
    WHATSAPP = "whatsapp"
    TOOLS = "tools"
    LLM = "llm"


@dataclass(frozen=True, slots=True)
class PlivoCredentials:
    """The tenant's Plivo account."""

    auth_id: str
    auth_token: str


@dataclass(frozen=True, slots=True)
class WhatsAppCredentials:
    """The tenant's WhatsApp business number and the app that serves it."""

    phone_number_id: str
    access_token: str
    app_secret: str
    verify_token: str
    business_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class WhatsAppNumber:
    """A further number of the tenant; what it does not name is that of the first, and so stays with it.

    `label` is what people call it.
    """

    phone_number_id: str
    label: str | None = None
    business_account_id: str | None = None
    access_token: str | None = None
    app_secret: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCredentials:
    """Where the tenant's own systems answer; `base_url` is the only origin that tools may call."""

    base_url: str
    bearer_token: str | None = None


@dataclass(frozen=True, slots=True)
class LlmCredentials:
    """A language model behind an OpenAI-compatible endpoint; `limit_ms` is how long it may take."""

    base_url: str
    model: str
    api_key: str
    limit_ms: int = 1_200


Credentials = PlivoCredentials | WhatsAppCredentials | ToolCredentials | LlmCredentials
