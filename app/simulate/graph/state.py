"""What the Graph stand-in remembers: phones and their messages, who wrote when, who a person is."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.simulate.graph.updates import Person


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message as the customer's phone shows it."""

    wamid: str
    from_business: bool
    text: str
    at: datetime
    phone_number_id: str
    template: str | None = None
    language: str | None = None
    kind: str = "text"
    media_id: str | None = None
    category: str = "service"
    tracker: str | None = None


@dataclass(slots=True)
class GraphState:
    """Everything this Meta remembers.

    Attributes:
        phones: wa_id -> what the phone shows, oldest first.
        last_inbound: (phone_number_id, wa_id) -> when the window was last opened.
        requests: Every message that was asked for.
        people: wa_id -> person; everybody else is an ordinary one.
        progress: wamid -> the last status told.
        dropped: Bodies that named a business-scoped id as `to`: taken, and never delivered.
        read: Messages of customers that the business marked as read.
    """

    phones: dict[str, list[Bubble]] = field(default_factory=dict)
    last_inbound: dict[tuple[str, str], datetime] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    people: dict[str, Person] = field(default_factory=dict)
    progress: dict[str, str] = field(default_factory=dict)
    dropped: list[dict[str, Any]] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    _reactions: dict[tuple[str, bool], str] = field(default_factory=dict)

    def person(self, wa_id: str) -> Person:
        """Returns who has this number."""
        return self.people.setdefault(wa_id, Person(wa_id))

    def by_user_id(self, user_id: str) -> Person | None:
        """Returns whose business-scoped id this is at present, or None."""
        return next((person for person in self.people.values() if person.user_id == user_id), None)

    def number_of(self, wa_id: str) -> str | None:
        """Returns the business number that a person last had to do with, or None."""
        bubbles = self.phones.get(wa_id)
        return bubbles[-1].phone_number_id if bubbles else None

    def bubble(self, wamid: str) -> tuple[str, Bubble] | None:
        """Returns on which phone a message is, and it."""
        return next(
            ((wa_id, bubble) for wa_id, shown in self.phones.items() for bubble in shown if bubble.wamid == wamid), None
        )

    def react(self, wamid: str, by_business: bool, emoji: str) -> None:
        """Puts a reaction on a message, in the place of the one before; "" takes it away."""
        self._reactions[wamid, by_business] = emoji

    def reactions_to(self, wamid: str) -> list[str]:
        """Returns the reactions that a message has."""
        both = (self._reactions.get((wamid, by_business), "") for by_business in (False, True))
        return [emoji for emoji in both if emoji]
