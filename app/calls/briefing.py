"""What a call is told before its session begins: who is at the other end, and why we ring where we placed it."""

import re
from dataclasses import replace
from typing import Final

from app.calls.models import Call
from app.calls.ports import Direction, OutboundBrief
from app.dialogue.agents import Caller
from app.dialogue.turn import AgentProfile
from app.errors import NotFound

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")


def briefed(profile: AgentProfile, brief: OutboundBrief | None) -> AgentProfile:
    """Returns the agent as it opens a call that we placed: in the call's language, saying why we ring.

    Raises:
        NotFound: The agent speaks that language no more: the opening cannot be said.
    """
    if brief is None:
        return profile
    if brief.language not in profile.languages:
        raise NotFound(f"the agent does not speak {brief.language}", code="language_not_found")
    return replace(
        profile, default_language=brief.language, about=brief.about, given=brief.variables, call_purpose=brief.purpose
    )


def caller_of(call: Call) -> Caller:
    """Returns who is at the other end; a withheld number is none."""
    number = call.contact_number if _E164.fullmatch(call.contact_number) else ""
    return Caller(number, call.id, dialled=call.our_number if call.direction == Direction.INBOUND else "")
