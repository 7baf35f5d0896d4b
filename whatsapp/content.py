"""What a WhatsApp message holds, read from the shape that Meta writes it in; pure, and no shape is fatal.

Source: Meta, "messages webhook reference", one page for each type.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from app.conversations.models import Media, MediaState, MessageKind

_MEDIA: Final = frozenset({"image", "video", "audio", "document", "sticker"})
_LOCATION: Final = ("latitude", "longitude", "name", "address", "url")
_REFERRAL: Final = (
    "source_url",
    "source_type",
    "source_id",
    "headline",
    "body",
    "media_type",
    "image_url",
    "video_url",
    "thumbnail_url",
    "ctwa_clid",
)
_MOST_CARDS: Final = 20
_LONGEST_CAPTION: Final = 4096


class Change(StrEnum):
    """What a message may do to an earlier one instead of saying something."""

    REACTION = "reaction"
    EDIT = "edit"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says.

    Attributes:
        kind: What it is.
        text: Its words; a placeholder such as `[image]`, with the caption after it, for what has none.
        own_words: Whether the text is nothing but what the customer wrote or chose.
        media: Its file, still to be fetched.
        extra: What else it holds, as JSON values.
        reply_to: The message that it answers.
    """

    kind: MessageKind
    text: str
    own_words: bool
    media: Media | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    reply_to: str | None = None


def change_of(message: Mapping[str, Any]) -> tuple[Change, str] | None:
    """Returns what a message does to which earlier one, None if it is a message of its own.

    Raises:
        ValueError: It changes a message but does not say which.
    """
    kind = str(message.get("type", ""))
    if kind not in set(Change):
        return None
    part = _mapping(message.get(kind))
    target = part.get("message_id") if kind == Change.REACTION else part.get("original_message_id")
    if not isinstance(target, str) or not target:
        raise ValueError(f"the {kind} names no message")
    return Change(kind), target


def emoji_of(message: Mapping[str, Any]) -> str:
    """Returns the emoji of a reaction; "" takes it away."""
    emoji = _mapping(message.get("reaction")).get("emoji")
    return emoji if isinstance(emoji, str) else ""


def edited(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the message that an edit puts in the place of the earlier one."""
    return _mapping(_mapping(message.get("edit")).get("message"))


def content_of(message: Mapping[str, Any]) -> Content:
    """Returns what a message holds; what nobody knows is `unsupported` with Meta's word for it."""
    kind = str(message.get("type", "unknown"))
    part = _mapping(message.get(kind))
    about = _about(message)
    if kind in _MEDIA:
        found: Content | None = _media(kind, part)
    elif kind == "contacts":
        found = _cards(message)
    else:
        read = _READERS.get(kind)
        found = read(part) if read is not None else None
    if found is None:
        unsupported = _mapping(message.get("unsupported")).get("type")
        what = {"type": unsupported if isinstance(unsupported, str) else kind, **_errors(message)}
        found = Content(MessageKind.UNSUPPORTED, f"[{kind}]", False, extra=what)
    return replace(found, extra={**found.extra, **about}, reply_to=_reply_to(message))


def opens_window(message: Mapping[str, Any]) -> bool:
    """Returns whether a message opens the 24-hour window: said by the user, and no mere reaction or correction."""
    kind = str(message.get("type", "unknown"))
    return kind not in {"system", "unsupported", "unknown", *Change}


def _media(kind: str, part: Mapping[str, Any]) -> Content:
    voice = kind == "audio" and part.get("voice") is True
    caption = part.get("caption")
    caption = caption[:_LONGEST_CAPTION] if isinstance(caption, str) and caption else ""
    name, provider_id = part.get("filename"), part.get("id")
    media = Media(
        MediaState.PENDING,
        str(part.get("mime_type", "")),
        file_name=name[:200] if isinstance(name, str) else None,
        provider_id=provider_id if isinstance(provider_id, str) else None,
    )
    label = "voice" if voice else kind
    extra: dict[str, Any] = {"caption": caption} if caption else {}
    if kind == "sticker" and part.get("animated") is True:
        extra["animated"] = True
    text = f"[{label}] {caption}" if caption else f"[{label}]"
    return Content(MessageKind(label), text, False, media, extra)


def _text(part: Mapping[str, Any]) -> Content | None:
    body = part.get("body")
    return Content(MessageKind.TEXT, body, True) if isinstance(body, str) else None


def _button(part: Mapping[str, Any]) -> Content | None:
    text = part.get("text")
    extra = {"payload": part["payload"]} if isinstance(part.get("payload"), str) else {}
    return Content(MessageKind.BUTTON, text, True, extra=extra) if isinstance(text, str) else None


def _interactive(part: Mapping[str, Any]) -> Content | None:
    kind = str(part.get("type", ""))
    chosen = _mapping(part.get(kind))
    title, extra = chosen.get("title"), {"interactive": kind, **_named(chosen, ("id", "description", "response_json"))}
    if isinstance(title, str):
        return Content(MessageKind.INTERACTIVE, title, True, extra=extra)
    body = chosen.get("body")
    label = body if isinstance(body, str) and body else kind
    return Content(MessageKind.INTERACTIVE, f"[{label or 'interactive'}]", False, extra=extra)


def _location(part: Mapping[str, Any]) -> Content:
    named = [part[name] for name in ("name", "address") if isinstance(part.get(name), str)]
    return Content(MessageKind.LOCATION, " ".join(("[location]", *named)), False, extra=_named(part, _LOCATION))


def _order(part: Mapping[str, Any]) -> Content:
    items = part.get("product_items")
    known = {"product_retailer_id", "quantity", "item_price", "currency"}
    listed = [
        {key: value for key, value in item.items() if key in known}
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, Mapping)
    ]
    note = part.get("text")
    words = f"[order] {note}" if isinstance(note, str) and note else "[order]"
    return Content(MessageKind.ORDER, words, False, extra={"items": listed[:_MOST_CARDS]})


_READERS: Final = {
    "text": _text,
    "button": _button,
    "interactive": _interactive,
    "location": _location,
    "order": _order,
}


def _cards(message: Mapping[str, Any]) -> Content:
    """Returns contact cards; they lie in a list, where other types have an object."""
    listed = message.get("contacts")
    cards = [_card(entry) for entry in (listed if isinstance(listed, list) else ()) if isinstance(entry, Mapping)]
    names = ", ".join(card["name"] for card in cards if card["name"])
    return Content(MessageKind.CONTACTS, f"[contacts] {names}".strip(), False, extra={"contacts": cards[:_MOST_CARDS]})


def _card(entry: Mapping[str, Any]) -> dict[str, Any]:
    name = _mapping(entry.get("name")).get("formatted_name")
    phones = entry.get("phones")
    numbers = [
        phone["phone"]
        for phone in (phones if isinstance(phones, list) else ())
        if isinstance(phone, Mapping) and isinstance(phone.get("phone"), str)
    ]
    return {"name": name if isinstance(name, str) else "", "phones": numbers[:_MOST_CARDS]}


def _about(message: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what stands beside any content: where the customer came from, whether it was forwarded."""
    context, referral = _mapping(message.get("context")), _mapping(message.get("referral"))
    about: dict[str, Any] = {}
    if referral:
        about["referral"] = _named(referral, _REFERRAL)
    if context.get("forwarded") is True or context.get("frequently_forwarded") is True:
        about["forwarded"] = True
    product = _mapping(context.get("referred_product"))
    if product:
        about["product"] = _named(product, ("catalog_id", "product_retailer_id"))
    return about


def _errors(message: Mapping[str, Any]) -> dict[str, Any]:
    listed = message.get("errors")
    first = _mapping(listed[0]) if isinstance(listed, list) and listed else {}
    return {"error": _named(first, ("code", "title"))} if first else {}


def _reply_to(message: Mapping[str, Any]) -> str | None:
    target = _mapping(message.get("context")).get("id")
    return target if isinstance(target, str) else None


def _named(part: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: part[name] for name in names if isinstance(part.get(name), str | int | float)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
