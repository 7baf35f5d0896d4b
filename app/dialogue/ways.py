"""By which ways a person can be reached now: the policy's order, business hours, and consent for WhatsApp."""

from app.dialogue import opt_in
from app.dialogue.draft import Draft
from app.dialogue.escalation import Target


def target_of(draft: Draft, channel: str | None, *, requested: bool = False, asks: bool = False) -> Target:
    """Returns how a person is reached now: as asked for, else by the policy's order, the hours and what failed.

    Args:
        draft: The turn.
        channel: What the caller named, if anything.
        requested: Whether the caller wants WhatsApp.
        asks: Whether the caller can be asked whether we may write there.
    """
    ways = (Target(channel), *_order(draft)) if channel is not None else _order(draft)
    possible = (way for way in ways if is_possible(draft, way, requested=requested, asks=asks))
    return next(possible, Target.TICKET)


def is_possible(draft: Draft, target: Target, *, requested: bool = False, asks: bool = False) -> bool:
    """Returns whether a way is open; see `target_of`."""
    if target is Target.PHONE:
        return bool(draft.profile.transfer_number) and is_open(draft)
    return target is not Target.WHATSAPP or requested or asks or opt_in.agreed(draft)


def would_ring(draft: Draft, channel: str | None) -> bool:
    """Returns whether people would be rung, were they at work."""
    wanted = channel or _order(draft)[0]
    return wanted == Target.PHONE and bool(draft.profile.transfer_number)


def is_open(draft: Draft) -> bool:
    """Returns whether people are at work."""
    return draft.profile.hours.is_open(draft.now)


def _order(draft: Draft) -> tuple[Target, ...]:
    own = draft.profile.escalation.targets
    if own:
        return own
    first = Target(draft.profile.handoff)
    return tuple(dict.fromkeys((first, Target.WHATSAPP, Target.TICKET)))
