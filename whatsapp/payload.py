"""Walks Meta's webhook: every entry, change, message, status and preference, one item each; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ItemKind(StrEnum):
    """What an item of a webhook is."""

    MESSAGE = "message"
    STATUS = "status"
    PREFERENCE = "preference"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Item:
    """One update. `place` is its JSON pointer in the webhook; `name` the customer's profile name, if it was told."""

    kind: ItemKind
    place: str
    phone_number_id: str
    body: Mapping[str, Any]
    name: str | None = None


_LISTS = {
    "messages": ItemKind.MESSAGE,
    "statuses": ItemKind.STATUS,
    "user_preferences": ItemKind.PREFERENCE,
}


def items(payload: Any) -> Iterator[Item]:
    """Yields every item of a webhook; parts of an unexpected shape are passed over, never fatal."""
    for entry_place, entry in _objects(payload, "entry", ""):
        for change_place, change in _objects(entry, "changes", entry_place):
            value = change.get("value")
            if not isinstance(value, Mapping):
                continue
            number = _phone_number_id(value)
            names = _names(value)
            place = f"{change_place}/value"
            found = False
            for key, kind in _LISTS.items():
                for item_place, body in _objects(value, key, place):
                    found = True
                    yield Item(kind, item_place, number, body, names.get(str(body.get("from", ""))))
            if not found:
                yield Item(ItemKind.OTHER, place, number, value)


def phone_number_ids(payload: Any) -> frozenset[str]:
    """Returns the business numbers that a webhook speaks of; empty strings left out."""
    return frozenset(item.phone_number_id for item in items(payload)) - {""}


def text_of(message: Mapping[str, Any]) -> tuple[str, bool]:
    """Returns a message's words and whether they are the customer's own text.

    What has no words becomes a placeholder: `[image]`, followed by its caption.
    """
    kind = str(message.get("type", "unknown"))
    part = message.get(kind)
    part = part if isinstance(part, Mapping) else {}
    if kind == "text" and isinstance(part.get("body"), str):
        return part["body"], True
    if kind == "button" and isinstance(part.get("text"), str):
        return part["text"], True
    if kind == "interactive":
        chosen = part.get(str(part.get("type", "")))
        if isinstance(chosen, Mapping) and isinstance(chosen.get("title"), str):
            return chosen["title"], True
    if kind == "reaction":
        return f"[reaction {part.get('emoji', '')}]".replace(" ]", "]"), False
    caption = part.get("caption")
    return (f"[{kind}] {caption}" if isinstance(caption, str) else f"[{kind}]"), False


def opens_window(message: Mapping[str, Any]) -> bool:
    """Returns whether a message is one that opens the 24-hour window: written by the user, and not a mere reaction."""
    return str(message.get("type", "unknown")) not in {"system", "reaction", "unsupported", "unknown"}


def _objects(holder: Any, key: str, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = holder.get(key) if isinstance(holder, Mapping) else None
    if isinstance(listed, list):
        for index, value in enumerate(listed):
            if isinstance(value, Mapping):
                yield f"{place}/{key}/{index}", value


def _phone_number_id(value: Mapping[str, Any]) -> str:
    metadata = value.get("metadata")
    number = metadata.get("phone_number_id") if isinstance(metadata, Mapping) else None
    return number if isinstance(number, str) else ""


def _names(value: Mapping[str, Any]) -> dict[str, str]:
    names = {}
    for _, contact in _objects(value, "contacts", ""):
        profile = contact.get("profile")
        name = profile.get("name") if isinstance(profile, Mapping) else None
        if isinstance(name, str) and isinstance(contact.get("wa_id"), str):
            names[contact["wa_id"]] = name
    return names
