"""What the Graph stand-in tells the business: inbound messages and statuses, in the shape of Meta's webhooks; pure.

Source: Meta, "WhatsApp Business Platform: messages webhook", "Business-scoped user IDs".
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

DISPLAY_NUMBER: Final = "15550001111"
TITLES: Final[Mapping[int, str]] = {
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131050: "User has stopped receiving marketing messages from this business",
}


@dataclass(frozen=True, slots=True)
class Person:
    """A customer with a phone.

    Attributes:
        wa_id: Digits of the number.
        generation: How often the number changed; each change makes another business-scoped id.
        name: As in the profile.
        hides_number: Updates tell the business-scoped id only.
        reachable: Whether messages arrive; otherwise they fail with 131026.
        takes_marketing: Otherwise marketing templates fail with 131050.
    """

    wa_id: str
    generation: int = 0
    name: str = "Customer"
    hides_number: bool = False
    reachable: bool = True
    takes_marketing: bool = True

    @property
    def user_id(self) -> str:
        """The business-scoped id."""
        digest = hashlib.sha256(f"{self.wa_id}:{self.generation}".encode()).hexdigest()
        return f"IN.{int(digest[:15], 16)}"


def webhook(account_id: str, phone_number_id: str, value: Mapping[str, Any]) -> bytes:
    """Returns the bytes of one webhook as Meta writes them: one entry, one change of the field `messages`."""
    metadata = {"display_phone_number": DISPLAY_NUMBER, "phone_number_id": phone_number_id}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return entry(account_id, {"changes": [change]})


def entry(account_id: str, content: Mapping[str, Any]) -> bytes:
    """Returns the bytes of a webhook with one entry."""
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": account_id, **content}]}).encode()


def inbound(person: Person, wamid: str, at: datetime, tells_ids: bool, content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the value of a change that holds one message of a person.

    Args:
        person: Who writes.
        wamid: The message.
        at: When.
        tells_ids: Whether business-scoped ids are told beside numbers.
        content: `type`, the member of that name, and perhaps `context`.
    """
    message: dict[str, Any] = {"id": wamid, "timestamp": str(int(at.timestamp())), **content}
    contact: dict[str, Any] = {"profile": {"name": person.name}}
    if not person.hides_number:
        message["from"] = contact["wa_id"] = person.wa_id
    if tells_ids or person.hides_number:
        message["from_user_id"] = contact["user_id"] = person.user_id
    return {"contacts": [contact], "messages": [message]}


def status(
    person: Person,
    wamid: str,
    state: str,
    at: datetime,
    *,
    category: str,
    tracker: Any = None,
    error: int | None = None,
    tells_ids: bool = False,
) -> dict[str, Any]:
    """Returns the value of a change that holds one status.

    Args:
        person: To whom the message went.
        wamid: The message.
        state: `sent`, `delivered`, `read`, `played`, `failed`.
        at: When.
        category: What it is billed as.
        tracker: `biz_opaque_callback_data` of the message.
        error: Why it failed.
        tells_ids: Whether business-scoped ids are told beside numbers.
    """
    update: dict[str, Any] = {"id": wamid, "status": state, "timestamp": str(int(at.timestamp()))}
    if not person.hides_number:
        update["recipient_id"] = person.wa_id
    if tells_ids or person.hides_number:
        update["recipient_user_id"] = person.user_id
    if tracker:
        update["biz_opaque_callback_data"] = tracker
    if error is None:
        update["pricing"] = {"billable": True, "pricing_model": "PMP", "category": category, "type": "regular"}
    else:
        title = TITLES.get(error, "Message failed to send")
        update["errors"] = [{"code": error, "title": title, "message": title, "error_data": {"details": title}}]
    return {"statuses": [update]}
