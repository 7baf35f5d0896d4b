"""Handing over to a person: on request, for matters that demand it, and when the agent cannot help."""

from collections.abc import Mapping
from typing import Any

from app.dialogue.draft import CONFIRM_HANDOFF, CONFIRM_MORE, Draft
from app.dialogue.escalation import Escalation, Target, Trigger
from app.dialogue.flow import HandoffChannel
from app.dialogue.turn import ActionKind
from app.language.render import topic_of

REASON_SLOT = "offer.reason"
_KINDS = {
    Target.PHONE: ActionKind.TRANSFER,
    Target.WHATSAPP: ActionKind.HANDOFF_WHATSAPP,
    Target.CALLBACK: ActionKind.CALLBACK,
    Target.TICKET: ActionKind.TICKET,
}
_TARGETS = {kind: target for target, kind in _KINDS.items()}


class PersonDesk:
    """Speaks and decides handoffs by the handoff flow and the agent's policy."""

    def hand_over(
        self,
        draft: Draft,
        reason: str,
        *,
        trigger: Trigger = Trigger.EXPLICIT_REQUEST,
        evidence: Mapping[str, Any] | None = None,
        channel: str | None = None,
        before: str | None = None,
        end: bool = False,
    ) -> None:
        """Says what will happen and hands over, once per target.

        Args:
            draft: The turn.
            reason: Intent or cause, for the person who takes over.
            trigger: The rule that decided so.
            evidence: The values that it looked at.
            channel: `whatsapp` or `phone` when the caller named one; else the policy's order and the hours decide.
            before: Response key spoken first.
            end: Whether the call ends after a handoff; a transfer always leaves the agent.
        """
        target = self.target(draft, channel)
        kind, words = _KINDS[target], self._words(draft, target)
        repeated = kind.value in draft.state.done
        closed = target is not Target.PHONE and self._would_ring(draft, channel) and not self._is_open(draft)
        draft.escalation = Escalation(trigger, reason, draft.heard, dict(evidence or {}))
        draft.result()
        draft.change(
            flow=None,
            awaiting=None,
            suspended=(),
            pending=(),
            escalation_reason=draft.state.escalation_reason or reason,
        )
        draft.put_slot(REASON_SLOT, None)
        if before and not repeated:
            draft.say(before)
        if closed and not repeated:
            draft.say(draft.flows.handoff.closed)
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

    def escalate(
        self, draft: Draft, trigger: Trigger, reason: str, evidence: Mapping[str, Any], *, before: str | None = None
    ) -> None:
        """Hands over because a rule says so."""
        self.hand_over(draft, reason, trigger=trigger, evidence=evidence, before=before)

    def handoff_data(self, draft: Draft, reason: str) -> dict[str, Any]:
        """Returns what the person who takes over must know; `topic` is in the caller's language."""
        intent = draft.state.intent or reason
        decided = draft.escalation or Escalation(Trigger.EXPLICIT_REQUEST, reason, draft.heard)
        return {
            "intent": intent,
            "topic": topic_of(draft.pack, intent),
            "slots": draft.public_slots(),
            "language": draft.state.language,
            "fetched": [dict(entry) for entry in draft.state.fetched],
            "sentiment": round(draft.state.mood, 2),
            "escalation": decided.to_json(),
        }

    def offer(self, draft: Draft, reason: str, *keys: str) -> None:
        """Asks whether a person shall take over; the third time it does not ask.

        Args:
            draft: The turn.
            reason: Why, for the person who takes over.
            *keys: Response keys that ask it; none: the flow's own.
        """
        if draft.say(*(keys or self.offer_keys(draft))):
            draft.put_slot(REASON_SLOT, reason)
            draft.change(awaiting=CONFIRM_HANDOFF)
        else:
            self.hand_over(draft, reason, trigger=Trigger.REPEATED_FAILURE)

    def offer_keys(self, draft: Draft) -> tuple[str, ...]:
        """Returns the response keys of the question that offers a person, the agent's own way first."""
        offer = draft.flows.handoff.offer
        keys = {
            Target.PHONE: offer.phone,
            Target.WHATSAPP: offer.whatsapp,
            Target.CALLBACK: offer.callback,
            Target.TICKET: offer.ticket,
        }
        return tuple(dict.fromkeys((keys[self.target(draft, None)], offer.whatsapp, offer.phone)))

    def accepted(self, draft: Draft) -> None:
        """The caller said yes to a person."""
        reason = draft.state.slots.get(REASON_SLOT, "offer_accepted")
        trigger = Trigger.SYSTEM_DOWN if reason == "system_down" else Trigger.EXPLICIT_REQUEST
        self.hand_over(draft, reason, trigger=trigger, evidence={"offered_for": reason})

    def give_up(self, draft: Draft, reason: str) -> None:
        """Ends attempts to understand, and hands over."""
        draft.says.clear()
        trigger = Trigger.LOW_CONFIDENCE if reason == "low_confidence" else Trigger.REPEATED_FAILURE
        evidence = {
            "misses": draft.state.misses,
            "idle_turns": draft.state.idle,
            "uncertain_turns": draft.state.uncertain,
        }
        self.hand_over(draft, reason, trigger=trigger, evidence=evidence, before="not_understood_3", end=True)

    def system_down(self, draft: Draft, tool: str, error: str) -> None:
        """The tenant's system failed: offers a person where the policy says so."""
        if draft.profile.escalation.system_down:
            draft.escalation = Escalation(
                Trigger.SYSTEM_DOWN, "system_down", draft.heard, {"tool": tool, "error": error}
            )
            self.offer(draft, "system_down")
        elif draft.say("anything_else", "greeting_ask"):
            draft.change(awaiting=CONFIRM_MORE)

    def too_high(self, draft: Draft, flow: str, data: Mapping[str, Any]) -> bool:
        """Hands over when the tenant's system names an amount above the policy's limit; returns whether it did."""
        limit = draft.profile.escalation.refund_over
        amount = next(
            (data[name] for name in ("amount", "refund_amount") if isinstance(data.get(name), int | float)), None
        )
        if limit is None or amount is None or amount <= limit:
            return False
        evidence = {"amount": amount, "limit": limit, "flow": flow}
        self.escalate(draft, Trigger.HIGH_REFUND, "high_refund", evidence, before="escalation_ack")
        return True

    def failed(self, draft: Draft, kind: ActionKind) -> None:
        """Says that a handoff did not work; tries another way once, else ends politely."""
        words = self._words(draft, _TARGETS[kind])
        draft.change(ended=False)
        draft.result()
        draft.say(words.failed)
        for target in (Target.WHATSAPP, Target.PHONE):
            if _KINDS[target].value not in draft.state.done and self._possible(draft, target):
                self.hand_over(
                    draft,
                    f"{kind.value}_failed",
                    trigger=Trigger.REPEATED_FAILURE,
                    evidence={"failed": kind.value},
                    channel=target.value,
                    end=True,
                )
                return
        draft.say(draft.flows.handoff.nobody)
        draft.say("goodbye")
        draft.act(ActionKind.END, f"{kind.value}_failed")

    def target(self, draft: Draft, channel: str | None) -> Target:
        """Returns how a person is reached now: as asked for, else by the policy's order, the hours and what failed."""
        if channel is not None and self._possible(draft, Target(channel)):
            return Target(channel)
        return next((target for target in self._order(draft) if self._possible(draft, target)), Target.TICKET)

    def _order(self, draft: Draft) -> tuple[Target, ...]:
        own = draft.profile.escalation.targets
        if own:
            return own
        first = Target(draft.profile.handoff)
        return tuple(dict.fromkeys((first, Target.WHATSAPP, Target.TICKET)))

    def _possible(self, draft: Draft, target: Target) -> bool:
        if target is Target.PHONE:
            return bool(draft.profile.transfer_number) and self._is_open(draft)
        return True

    def _would_ring(self, draft: Draft, channel: str | None) -> bool:
        wanted = channel or self._order(draft)[0]
        return wanted == Target.PHONE and bool(draft.profile.transfer_number)

    def _is_open(self, draft: Draft) -> bool:
        return draft.profile.hours.is_open(draft.now)

    def _words(self, draft: Draft, target: Target) -> HandoffChannel:
        handoff = draft.flows.handoff
        words = {
            Target.PHONE: handoff.phone,
            Target.WHATSAPP: handoff.whatsapp,
            Target.CALLBACK: handoff.callback,
            Target.TICKET: handoff.ticket,
        }
        return words[target]
