"""The closed sets that contacts, conversations and messages are described with."""

import re
from enum import StrEnum
from typing import Final

_PHONE: Final = re.compile(r"\+[1-9]\d{6,14}")


def is_phone(address: str) -> bool:
    """Returns whether an address is a telephone number (E.164) rather than WhatsApp's business-scoped user id."""
    return _PHONE.fullmatch(address) is not None


class Channel(StrEnum):
    """Where a message was said or written."""

    CALL = "call"
    WHATSAPP = "whatsapp"


class Direction(StrEnum):
    """Towards us, from us, or between ourselves (notes, events): what the customer never sees."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class Author(StrEnum):
    """Who said it."""

    CUSTOMER = "customer"
    BOT = "bot"
    PERSON = "person"
    SYSTEM = "system"


class MessageKind(StrEnum):
    """What a message is."""

    TEXT = "text"
    TEMPLATE = "template"
    BUTTON = "button"
    INTERACTIVE = "interactive"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACTS = "contacts"
    ORDER = "order"
    UNSUPPORTED = "unsupported"
    NOTE = "note"  # between ourselves
    EVENT = "event"  # what happened to the conversation: taken over, assigned, resolved


class MediaState(StrEnum):
    """Where the file of a message stands."""

    PENDING = "pending"
    STORED = "stored"
    REFUSED = "refused"  # too large, or of a type that is not kept
    LOST = "lost"  # it could not be fetched in time


class Owner(StrEnum):
    """Who answers the customer."""

    BOT = "bot"
    PERSON = "person"


class Status(StrEnum):
    """Whether the conversation goes on."""

    OPEN = "open"
    SNOOZED = "snoozed"
    CLOSED = "closed"


class Reach(StrEnum):
    """What we know about the contact's WhatsApp."""

    UNKNOWN = "unknown"
    YES = "yes"
    NO = "no"


class HandoffStatus(StrEnum):
    """How a handoff to WhatsApp went."""

    SENT = "sent"  # Meta took the message
    QUEUED = "queued"  # stored, on its way, no answer from Meta yet
    NO_WHATSAPP = "no_whatsapp"
    NO_CONSENT = "no_consent"
    FAILED = "failed"
