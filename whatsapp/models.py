"""An outbound message as a value: what it carries, and how far it got."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.conversations.models import Author, Media, MessageKind
from app.conversations.ports import OutboxState


class Kind(StrEnum):
    """What a row carries, and which rules its dispatch checks."""

    TEMPLATE = "template"
    TEXT = "text"
    FILE = "file"
    OPT_OUT_CONFIRMATION = "opt_out_confirmation"  # text that an opt-out does not stop


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """The template's values in one language; `code` is Meta's name of it."""

    language: str
    code: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutboundFile:
    """A stored file on its way out; `kind` says as what WhatsApp carries it."""

    kind: MessageKind
    media: Media


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message on its way out.

    `language` and `template_sent` are what was really used, known once it was tried; `template` is what was asked for.
    `left` says of one that is being sent whether the request went out: before, it certainly did not reach Meta.
    `retry_of` names the row that somebody had sent again by this one.
    `business_number` is Meta's id of the number that it leaves from, None in rows of before: the tenant's first.
    """

    outbox_id: str
    tenant_id: str
    conversation_id: str
    phone: str
    kind: Kind
    author: Author
    idempotency_key: str
    created_at: datetime
    updated_at: datetime
    state: OutboxState = OutboxState.QUEUED
    text: str = ""
    template: str | None = None
    template_sent: str | None = None
    versions: tuple[TemplateVersion, ...] = ()
    owner_version: int | None = None
    attempts: int = 0
    wamid: str | None = None
    language: str | None = None
    failure: str | None = None
    error_code: int | None = None
    pricing: Mapping[str, Any] = field(default_factory=dict)
    business_number: str | None = None
    file: OutboundFile | None = None
    retry_of: str | None = None
    left: bool = False
