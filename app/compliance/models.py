"""Consent and objection as values: who allowed or forbade what, on which channel, and how we know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class ConsentChannel(StrEnum):
    """A way of reaching a person; consent to one is not consent to another."""

    CALL = "call"
    WHATSAPP = "whatsapp"


class Purpose(StrEnum):
    """Why the person is reached; consent to one is not consent to another."""

    SERVICE = "service"
    MARKETING = "marketing"


class Decision(StrEnum):
    """What the person decided."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """One line of the ledger; lines are added, never changed.

    `evidence` says how we know: call id, offset in the audio, the words, or the message id. `wording` is what the
    person was told or asked, when anything was. A grant may end at `expires_at`;
    `given_at` is when it was given, where that was before `at`, when it was recorded.
    """

    consent_id: str
    identity: str
    channel: ConsentChannel
    purpose: Purpose
    decision: Decision
    at: datetime
    language: str | None = None
    wording: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    given_at: datetime | None = None

    def holds_at(self, now: datetime) -> bool:
        """Returns whether it is a grant that has not run out."""
        return self.decision is Decision.GRANTED and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Suppression:
    """That a person must not be reached on a channel, since when, and how they said so."""

    phone: str
    channel: ConsentChannel
    since: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)
