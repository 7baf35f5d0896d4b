"""Asks on a call whether the business may write on WhatsApp: the pack's fixed question, and what its answer settles.

Only a clear yes, by voice or key, is consent.

Source: Meta, "Get opt-in for WhatsApp": by IVR too, and the statement names the business.
"""

from typing import Final

from app.dialogue.draft import CONFIRM_WHATSAPP, Draft
from app.dialogue.turn import ActionKind, WhatsAppStanding
from app.language.render import disclosure
from app.nlu.understanding import Understanding

QUESTION: Final = "whatsapp_opt_in"
AGREED: Final = "agreed"
DECLINED: Final = "declined"
_CLEAR: Final = 0.6
"""From which confidence a yes is one."""


def agreed(draft: Draft) -> bool:
    """Returns whether the caller may be written to: they agreed before, or on this call."""
    return draft.profile.whatsapp is WhatsAppStanding.AGREED or draft.state.whatsapp == "yes"


def may_ask(draft: Draft) -> bool:
    """Returns whether the question is still open to be asked, once."""
    return not draft.state.whatsapp and draft.profile.whatsapp in (WhatsAppStanding.UNASKED, WhatsAppStanding.DECLINED)


def wanted_at_end(draft: Draft) -> bool:
    """Returns whether the agent asks before it says goodbye: only who was never asked."""
    never = not draft.state.whatsapp and draft.profile.whatsapp is WhatsAppStanding.UNASKED
    return draft.profile.asks_whatsapp and never


def ask(draft: Draft) -> None:
    """Asks; whatever waits for the answer is in the state's `handover`."""
    draft.disclose(QUESTION)
    draft.change(whatsapp="asked", awaiting=CONFIRM_WHATSAPP)


def ask_again(draft: Draft) -> bool:
    """Asks for a yes or no where there was none; returns False when that was done before."""
    if draft.state.whatsapp != "asked":
        return False
    draft.say("ask_yes_no")
    draft.change(whatsapp="asked_again")
    return True


def is_yes(heard: Understanding) -> bool:
    """Returns whether an answer is a clear yes."""
    return heard.intent == "affirm" and heard.confidence >= _CLEAR


def settle(draft: Draft, *, yes: bool) -> None:
    """Keeps an answer as evidence: the words, the question as it was put, its language, by voice or key."""
    asked = disclosure(draft.pack, QUESTION, {"entity": draft.profile.entity_name})
    by = "key" if draft.heard.isdecimal() else "voice"
    data = {"words": draft.heard, "by": by, "wording": asked, "language": draft.state.language}
    draft.change(whatsapp="yes" if yes else "no", awaiting=None)
    draft.act(ActionKind.WHATSAPP_CONSENT, AGREED if yes else DECLINED, data)
