"""Asks a caller who they are, as the agent's verification policy says, before account data is spoken."""

from app.dialogue.draft import Draft
from app.dialogue.escalation import Trigger
from app.dialogue.flow import FrameFlow
from app.dialogue.person import PersonDesk
from app.dialogue.turn import Tools
from app.dialogue.verification import (
    Factor,
    Verification,
    VerificationStatus,
    canonical,
    needed_for,
    question,
    value_of,
)
from app.nlu.understanding import Understanding


class IdentityDesk:
    """Speaks the questions of `app.dialogue.verification` and takes the answers."""

    def __init__(self, person: PersonDesk) -> None:
        self._person = person

    def due(self, draft: Draft, flow: FrameFlow) -> bool:
        """Returns whether the caller must be asked before the flow's tool may be called."""
        standing = Verification.from_json(draft.state.verification)
        return flow.tool is not None and needed_for(draft.profile.verification, flow.tool, standing)

    def ask(self, draft: Draft) -> None:
        """Asks for the next factor; a caller who has failed is handed to a person."""
        policy = draft.profile.verification
        standing = Verification.from_json(draft.state.verification)
        asked = question(standing, policy) if policy is not None else None
        if asked is None:
            self._failed(draft, standing.reason or "unverified")
            return
        draft.change(awaiting=asked.awaiting)
        if not draft.say(*asked.keys):
            self._failed(draft, "no_answer")

    def given(self, draft: Draft, factor: Factor, heard: Understanding) -> str | None:
        """Returns what an utterance gives for a factor, or None."""
        return value_of(factor, heard.entities, draft.today)

    def typed(self, factor: Factor, digits: str) -> str | None:
        """Returns what keys give for a factor, or None."""
        return canonical(factor, digits)

    async def check(self, draft: Draft, factor: Factor, value: str, tools: Tools) -> bool:
        """Compares an answer; returns whether the caller is verified now. If not, the next question is spoken.

        Raises:
            CommitNeeded: The turn is not certain yet.
        """
        policy = draft.profile.verification
        if policy is None:
            return True
        standing = Verification.from_json(draft.state.verification)
        standing = standing.after(await tools.verify(factor, value), factor, policy)
        draft.change(verification=standing.to_json(), misses=0)
        if standing.verified:
            draft.say("verified_thanks", "acknowledge")
            return True
        if standing.status is VerificationStatus.FAILED:
            self._failed(draft, standing.reason or "unverified")
        else:
            self.ask(draft)
        return False

    def missed(self, draft: Draft) -> None:
        """The answer held nothing that could be the factor: asks again, then a person."""
        draft.change(misses=draft.state.misses + 1)
        if draft.state.misses >= draft.profile.escalation.repeated_failure:
            self._failed(draft, "no_answer")
        else:
            self.ask(draft)

    def _failed(self, draft: Draft, reason: str) -> None:
        draft.says.clear()
        self._person.escalate(
            draft, Trigger.SECURITY, "not_verified", {"verification": reason}, before="verification_failed"
        )
