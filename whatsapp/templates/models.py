"""A message template in one language as a value: what Meta knows of it, and what it is used for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self


class _Known(StrEnum):
    @classmethod
    def read(cls, value: object) -> Self:
        """Returns what Meta wrote; a word that nobody documented is UNKNOWN, which permits nothing."""
        word = str(value or "").upper()
        return cls(word) if word in cls.__members__ else cls("UNKNOWN")


class TemplateStatus(_Known):
    """Meta's verdict. Only APPROVED is ever sent. DELETED is ours: it left Meta's list."""

    APPROVED = "APPROVED"
    PENDING = "PENDING"
    REJECTED = "REJECTED"
    PAUSED = "PAUSED"
    DISABLED = "DISABLED"
    FLAGGED = "FLAGGED"
    IN_APPEAL = "IN_APPEAL"
    ARCHIVED = "ARCHIVED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    PENDING_DELETION = "PENDING_DELETION"
    DELETED = "DELETED"
    UNKNOWN = "UNKNOWN"


class Category(_Known):
    """What Meta bills it as; Meta may change it at any time."""

    MARKETING = "MARKETING"
    UTILITY = "UTILITY"
    AUTHENTICATION = "AUTHENTICATION"
    UNKNOWN = "UNKNOWN"


class Quality(_Known):
    """How customers took it."""

    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Facts:
    """What Meta says of a template, in its list or in an update.

    Attributes:
        name: Meta's name of it.
        language: Meta's code: `hi`, `en_IN` ...
        category: As of now.
        status: As of now.
        quality: As of now.
        components: As Meta writes them: HEADER, BODY, FOOTER, BUTTONS.
        named: Whether its variables have names, else numbers.
        provider_id: Meta's id.
        reason: Why it was rejected or paused; "" if Meta says none.
    """

    name: str
    language: str
    category: Category = Category.UNKNOWN
    status: TemplateStatus = TemplateStatus.UNKNOWN
    quality: Quality = Quality.UNKNOWN
    components: tuple[Mapping[str, Any], ...] = ()
    named: bool = False
    provider_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A template of one business account in one language.

    Attributes:
        template_id: Ours, `wtpl_<ulid>`.
        tenant_id: Whose.
        account_id: Meta's id of the business account.
        facts: What Meta said last.
        status_at: Meta's time of the status; of a list the time at which it was asked for.
        seen: The status updates that were applied, `STATUS@seconds`, newest last.
        created_at: When it was first heard of.
        updated_at: When it last changed.
        version: Counts the changes.
    """

    template_id: str
    tenant_id: str
    account_id: str
    facts: Facts
    status_at: datetime
    created_at: datetime
    updated_at: datetime
    seen: tuple[str, ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True)
class Use:
    """Which template serves a purpose, and which ones step in while Meta does not let it be sent.

    Attributes:
        purpose: A template's name in the packs' contract.
        template: The name at Meta.
        alternates: Further names, in order; of the same category and the same values.
    """

    purpose: str
    template: str
    alternates: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order of preference."""
        return (self.template, *self.alternates)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A template as it is to be submitted."""

    name: str
    language: str
    category: Category
    components: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
    named: bool = False

    def wire(self) -> dict[str, Any]:
        """Returns the body of Meta's request."""
        return {
            "name": self.name,
            "language": self.language,
            "category": self.category.value,
            "parameter_format": "NAMED" if self.named else "POSITIONAL",
            "components": [dict(component) for component in self.components],
        }
