"""Calls that we place: the question after the opening, what yes and no mean to it, and the message on a machine."""

from dataclasses import dataclass
from typing import Final

from app.dialogue.draft import CONFIRM_TALK, Draft
from app.dialogue.framing import NO, YES
from app.dialogue.turn import ActionKind
from app.language.numbers import spoken_digits

VOICEMAIL: Final = "voicemail"
"""The reason of a call's end after a message was left."""
_INDIA: Final = "+91"


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked after the opening: response key, and the intents that yes and no stand for ("": none)."""

    key: str
    yes: str
    no: str


_SERVICE: Final = _Question("outbound_ask", "", "callback_later")
_OFFER: Final = _Question("outbound_ask_offer", "interested", "not_interested")


def ask(draft: Draft) -> None:
    """Asks what fits the call's purpose: may we talk; with an offer, may it be told."""
    draft.say(_question(draft).key)
    draft.change(awaiting=CONFIRM_TALK)


def meaning(draft: Draft, intent: str) -> str | None:
    """Returns the intent that an answer to the question stands for; "" is a plain yes, None is no answer to it."""
    if draft.state.awaiting != CONFIRM_TALK:
        return None
    question = _question(draft)
    return question.yes if intent in YES else question.no if intent in NO else None


def leave_message(draft: Draft, number: str) -> None:
    """Leaves the pack's message for a machine and ends; nothing in it says what the call was about.

    Args:
        draft: The turn.
        number: Where we can be called back, E.164.
    """
    digits = number.removeprefix("+")
    if number.startswith(_INDIA):
        digits = "0" + number.removeprefix(_INDIA)
    for key in draft.pack.voicemail:
        draft.disclose(key, number=spoken_digits(draft.pack, digits))
    draft.act(ActionKind.END, VOICEMAIL)


def _question(draft: Draft) -> _Question:
    return _OFFER if draft.profile.call_purpose == "promotional" else _SERVICE
