"""What the business may send through the Graph stand-in: the shapes of messages, as Meta documents them.

Source: Meta, "Cloud API: Messages".
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from app.simulate.graph.errors import GraphError
from app.simulate.graph.media import TYPES

NUMBER: Final = re.compile(r"\+?\d{7,15}")
USER_ID: Final = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
_LONGEST: Final = 4096
_LONGEST_CAPTION: Final = 1024
_MOST_BUTTONS: Final = 3
_BUTTON_LETTERS: Final = 20
_KINDS: Final = frozenset({"text", "template", "reaction", "interactive", "location", "contacts", *TYPES})


def parsed(raw: bytes) -> dict[str, Any]:
    """Returns the body of a request to `/messages`, its envelope checked.

    Raises:
        GraphError: It is not what Meta takes.
    """
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise GraphError(100, "The body is not JSON") from error
    if not isinstance(body, dict) or body.get("messaging_product") != "whatsapp":
        raise GraphError(100, "messaging_product must be whatsapp")
    if body.get("status") == "read":
        return body
    if body.get("recipient_type", "individual") != "individual":
        raise GraphError(100, "recipient_type must be individual")
    to, recipient = body.get("to"), body.get("recipient")
    if to is None and recipient is None:
        raise GraphError(100, "to or recipient is required")
    if to is not None and not NUMBER.fullmatch(str(to)) and not USER_ID.fullmatch(str(to)):
        raise GraphError(131009, "to must be a phone number")
    if to is None and not USER_ID.fullmatch(str(recipient)):
        raise GraphError(131009, "recipient must be a business-scoped user id")
    kind = body.get("type")
    wanted = list if kind == "contacts" else dict
    if kind not in _KINDS or not isinstance(body.get(kind), wanted):
        raise GraphError(100, f"type must be one of {', '.join(sorted(_KINDS))}, with a member of that name")
    return body


def recipient_of(body: Mapping[str, Any]) -> tuple[str, bool]:
    """Returns whom a body names, and whether Meta drops it without a word: a business-scoped id given as `to`."""
    to = body.get("to")
    if to is None:
        return str(body["recipient"]), False
    return str(to).removeprefix("+"), USER_ID.fullmatch(str(to)) is not None


def shown(body: Mapping[str, Any], mime_type: Callable[[str], str]) -> str:
    """Returns a message's words as the phone shows them; templates are filled elsewhere.

    Args:
        body: As `parsed` returned it.
        mime_type: Returns the type of a media id; raises GraphError where there is none.

    Raises:
        GraphError: Its contents are not what Meta takes.
    """
    kind, part = body["type"], body[body["type"]]
    if kind == "text":
        return _text(part, "body", _LONGEST, "text.body")
    if kind in TYPES:
        return _media(kind, part, mime_type)
    if kind == "reaction":
        if not isinstance(part.get("message_id"), str) or not isinstance(part.get("emoji"), str):
            raise GraphError(131009, "reaction needs message_id and emoji")
        return str(part["emoji"])
    if kind == "interactive":
        return _interactive(part)
    if kind == "location":
        if not all(isinstance(part.get(name), int | float) for name in ("latitude", "longitude")):
            raise GraphError(131009, "location needs latitude and longitude")
        return f"{part['latitude']}, {part['longitude']} {part.get('name', '')}".strip()
    names = [str(contact.get("name", {}).get("formatted_name", "")) for contact in part]
    if not names or not all(names):
        raise GraphError(131009, "contacts need name.formatted_name")
    return ", ".join(names)


def _media(kind: str, part: Mapping[str, Any], mime_type: Callable[[str], str]) -> str:
    if ("id" in part) is ("link" in part):
        raise GraphError(100, f"{kind} needs either id or link")
    if "id" in part and mime_type(str(part["id"])).partition(";")[0].strip() not in TYPES[kind][1]:
        raise GraphError(131053, f"{kind}: the type of the file does not fit")
    caption = part.get("caption", "")
    if not isinstance(caption, str) or len(caption) > _LONGEST_CAPTION or (caption and kind in {"audio", "sticker"}):
        raise GraphError(100, f"{kind}: caption is too long, or not allowed")
    return caption or str(part.get("filename", ""))


def _interactive(part: Mapping[str, Any]) -> str:
    words = _text(part.get("body") or {}, "text", _LONGEST, "interactive.body.text")
    buttons = (part.get("action") or {}).get("buttons") if part.get("type") == "button" else None
    if buttons is None:
        return words
    titles = [str((button.get("reply") or {}).get("title", "")) for button in buttons]
    if not 1 <= len(titles) <= _MOST_BUTTONS or not all(1 <= len(title) <= _BUTTON_LETTERS for title in titles):
        raise GraphError(131009, f"1 to {_MOST_BUTTONS} buttons of 1 to {_BUTTON_LETTERS} characters")
    return "\n".join([words, *(f"[{title}]" for title in titles)])


def _text(part: Mapping[str, Any], name: str, longest: int, place: str) -> str:
    text = part.get(name)
    if not isinstance(text, str) or not 1 <= len(text) <= longest:
        raise GraphError(100, f"{place} must have 1 to {longest} characters")
    return text
