"""Walks Meta's webhook: every entry, change, message, echo, status and preference, one item each; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class ItemKind(StrEnum):
    """What an item of a webhook is."""

    MESSAGE = "message"
    STATUS = "status"
    PREFERENCE = "preference"
    ECHO = "echo"
    USER_ID = "user_id"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Item:
    """One update.

    Attributes:
        kind: What it is.
        place: Its JSON pointer in the webhook.
        phone_number_id: The business number that it concerns; "" where it concerns the whole account.
        body: As Meta wrote it.
        name: The customer's profile name, if it was told.
        bsuid: The customer's business-scoped user id, if it was told.
        account_id: The business account.
        field: What Meta calls the change: `messages`, `message_template_status_update` ...
        at: Meta's time of the entry, seconds since 1970; None where it tells none.
    """

    kind: ItemKind
    place: str
    phone_number_id: str
    body: Mapping[str, Any]
    name: str | None = None
    bsuid: str | None = None
    account_id: str = ""
    field: str = "messages"
    at: int | None = None

    @property
    def route(self) -> str:
        """Under which name its tenant is found: the number, or the account where no number is named; "" if neither."""
        return self.phone_number_id or (f"{ACCOUNT}{self.account_id}" if self.account_id else "")


ACCOUNT = "account:"
"""Stands before an account's id where numbers and accounts are named side by side."""
_LISTS = {
    "messages": ItemKind.MESSAGE,
    "statuses": ItemKind.STATUS,
    "user_preferences": ItemKind.PREFERENCE,
    "message_echoes": ItemKind.ECHO,
    "user_id_update": ItemKind.USER_ID,
}


def items(payload: Any) -> Iterator[Item]:
    """Yields every item of a webhook; parts of an unexpected shape are passed over, never fatal."""
    for entry_place, entry in _objects(payload, "entry", ""):
        account, at = entry.get("id"), entry.get("time")
        for change_place, change in _objects(entry, "changes", entry_place):
            value = change.get("value")
            if isinstance(value, Mapping):
                about = Item(
                    ItemKind.OTHER,
                    f"{change_place}/value",
                    _phone_number_id(value),
                    value,
                    account_id=account if isinstance(account, str) else "",
                    field=str(change.get("field", "")),
                    at=at if isinstance(at, int) else None,
                )
                yield from _of_change(about)


def _of_change(about: Item) -> Iterator[Item]:
    """Yields the items of one change; `about` is the change itself, and the only item where it lists none."""
    people = _people(about.body)
    found = False
    for key, kind in _LISTS.items():
        listed = list(_objects(about.body, key, about.place))
        for place, body in listed:
            found = True
            name, bsuid = _person(body, people, alone=len(listed) == 1)
            yield replace(about, kind=kind, place=place, body=body, name=name, bsuid=bsuid)
    if not found:
        yield about


def addressed(payload: Any) -> Mapping[str, str]:
    """Returns whom a webhook speaks of: the route of every item, with the account that it came under."""
    return {item.route: item.account_id for item in items(payload) if item.route}


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


def _people(value: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Returns the contacts of a change, each under its number and under its business-scoped id."""
    people: dict[str, Mapping[str, Any]] = {}
    for _, contact in _objects(value, "contacts", ""):
        for key in ("wa_id", "user_id"):
            if isinstance(contact.get(key), str):
                people[contact[key]] = contact
    return people


def _person(
    body: Mapping[str, Any], people: Mapping[str, Mapping[str, Any]], *, alone: bool
) -> tuple[str | None, str | None]:
    """Returns what else is known of the customer that an item is of: name and business-scoped id.

    Numbers and ids stand under several names, by the kind of the item; each is optional. An item that names nobody is
    the one contact's, if it stands `alone`.
    """
    told = [body.get(field) for field in ("from_user_id", "to_user_id", "recipient_user_id", "user_id")]
    bsuid = next((value for value in told if isinstance(value, str) and value), None)
    shown = (bsuid, *(body.get(field) for field in ("from", "to", "recipient_id", "wa_id")))
    contact = next((people[value] for value in shown if isinstance(value, str) and value in people), None)
    if contact is None and not any(shown) and alone and len({id(person) for person in people.values()}) == 1:
        contact = next(iter(people.values()))
    profile = contact.get("profile") if contact else None
    name = profile.get("name") if isinstance(profile, Mapping) else None
    known = contact.get("user_id") if contact else None
    own = bsuid or (known if isinstance(known, str) and known else None)
    return (name if isinstance(name, str) else None), own
