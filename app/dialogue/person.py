"""Handing over to a person: on request, for matters that demand it, and when the agent cannot help."""

from app.dialogue.draft import CONFIRM_HANDOFF, CONFIRM_MORE, Draft
from app.dialogue.flow import Flows, HandoffChannel
from app.dialogue.turn import ActionKind, AgentProfile
from app.language.render import topic_of

REASON_SLOT = "offer.reason"
MISSES_BEFORE_PERSON = 3


class PersonDesk:
    """Speaks and decides handoffs by the handoff flow."""

    def __init__(self, flows: Flows) -> None:
        self._flow = flows.handoff

    def hand_over(
        self, draft: Draft, reason: str, *, channel: str | None = None, before: str | None = None, end: bool = False
    ) -> None:
        """Says what will happen and hands over, once per channel.

        Args:
            draft: The turn.
            reason: Intent or cause, for the person who takes over.
            channel: `whatsapp` or `phone` when the caller named one; else the agent's own.
            before: Response key spoken first.
            end: Whether the call ends after a WhatsApp handoff; a transfer always leaves the agent.
        """
        kind, words = self._way(draft.profile, channel)
        repeated = kind.value in draft.state.done
        draft.result()
        draft.change(flow=None, awaiting=None, escalation_reason=draft.state.escalation_reason or reason)
        draft.put_slot(REASON_SLOT, None)
        if before and not repeated:
            draft.say(before)
        draft.say(words.again if repeated else words.say)
        if not repeated:
            data = self.handoff_data(draft, reason)
            if kind is ActionKind.TRANSFER:
                data["number"] = draft.profile.transfer_number
            draft.act(kind, reason, data)
        if kind is ActionKind.TRANSFER and not repeated:
            return
        if end or repeated:
            draft.say("goodbye")
            draft.act(ActionKind.END, reason)
        else:
            draft.say("anything_else")
            draft.change(awaiting=CONFIRM_MORE)

    def handoff_data(self, draft: Draft, reason: str) -> dict[str, object]:
        """Returns what the person who takes over must know; `topic` is in the caller's language."""
        intent = draft.state.intent or reason
        return {
            "intent": intent,
            "topic": topic_of(draft.pack, intent),
            "slots": draft.public_slots(),
            "language": draft.state.language,
        }

    def offer(self, draft: Draft, reason: str, *keys: str) -> None:
        """Asks whether a person shall take over; the third time it does not ask.

        Args:
            draft: The turn.
            reason: Why, for the person who takes over.
            *keys: Response keys that ask it; none: the flow's own.
        """
        if draft.say(*(keys or draft.offer_keys())):
            draft.put_slot(REASON_SLOT, reason)
            draft.change(awaiting=CONFIRM_HANDOFF)
        else:
            self.hand_over(draft, reason)

    def accepted(self, draft: Draft) -> None:
        """The caller said yes to a person."""
        self.hand_over(draft, draft.state.slots.get(REASON_SLOT, "offer_accepted"))

    def give_up(self, draft: Draft, reason: str) -> None:
        """Ends attempts to understand, and hands over."""
        draft.says.clear()
        self.hand_over(draft, reason, before="not_understood_3", end=True)

    def failed(self, draft: Draft, kind: ActionKind) -> None:
        """Says that a handoff did not work; tries the other way once, else ends politely."""
        _, words = self._way(draft.profile, "phone" if kind is ActionKind.TRANSFER else "whatsapp")
        draft.change(ended=False)
        draft.result()
        draft.say(words.failed)
        other = "whatsapp" if kind is ActionKind.TRANSFER else "phone"
        other_kind, _ = self._way(draft.profile, other)
        if other_kind.value not in draft.state.done:
            self.hand_over(draft, f"{kind.value}_failed", channel=other, end=True)
            return
        draft.say(self._flow.nobody)
        draft.say("goodbye")
        draft.act(ActionKind.END, f"{kind.value}_failed")

    def _way(self, profile: AgentProfile, channel: str | None) -> tuple[ActionKind, HandoffChannel]:
        if (channel or profile.handoff) == "phone" and profile.transfer_number:
            return ActionKind.TRANSFER, self._flow.phone
        return ActionKind.HANDOFF_WHATSAPP, self._flow.whatsapp
