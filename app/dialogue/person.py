"""Handing over to a person: on request, for matters that demand it, and when the agent cannot help."""

import json
from collections.abc import Mapping
from typing import Any

from app.dialogue import opt_in
from app.dialogue.draft import CONFIRM_HANDOFF, CONFIRM_MORE, Draft
from app.dialogue.escalation import Escalation, Target, Trigger
from app.dialogue.flow import HandoffChannel
from app.dialogue.turn import ActionKind
from app.dialogue.ways import is_open, is_possible, target_of, would_ring
from app.language.render import topic_of

REASON_SLOT = "offer.reason"
_WORDING_SLOT = "offer.wording"
_EVIDENCE_SLOT = "offer.evidence"
_OFFERED_FOR = (Trigger.LOW_CONFIDENCE, Trigger.SYSTEM_DOWN)
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
        requested: str | None = None,
        may_ask: bool = True,
    ) -> None:
        """Says what will happen and hands over, once per target.

        WhatsApp needs the caller's consent: who neither agreed nor asked for it is asked first, once per call.

        Args:
            draft: The turn.
            reason: Intent or cause, for the person who takes over.
            trigger: The rule that decided so.
            evidence: The values that it looked at.
            channel: `whatsapp` or `phone` when the caller named one; else the policy's order and the hours decide.
            before: Response key spoken first.
            end: Whether the call ends after a handoff; a transfer always leaves the agent.
            requested: The caller wants WhatsApp: the question that they said yes to, "" if it was their own idea.
            may_ask: Whether the caller can answer a question.
        """
        asks = may_ask and opt_in.may_ask(draft)
        target = target_of(draft, channel, requested=requested is not None, asks=asks)
        if target is Target.WHATSAPP and requested is None and not opt_in.agreed(draft):
            later = {"reason": reason, "trigger": trigger.value, "evidence": dict(evidence or {}), "channel": channel}
            self._ask_first(draft, {**later, "end": end, "heard": draft.heard}, before)
            return
        if target is Target.WHATSAPP:
            draft.change(whatsapp="yes")
        decided = Escalation(trigger, reason, draft.heard, dict(evidence or {}))
        self._hand_over(draft, target, decided, requested, channel=channel, before=before, end=end)

    def _hand_over(
        self,
        draft: Draft,
        target: Target,
        decided: Escalation,
        requested: str | None = None,
        *,
        channel: str | None,
        before: str | None,
        end: bool,
        told: bool = False,
    ) -> None:
        kind, words, reason = _KINDS[target], self._words(draft, target), decided.reason
        repeated = kind.value in draft.state.done
        draft.escalation = decided
        self._leave_matters(draft, reason)
        if not repeated and not told:
            self._say_first(draft, target, channel, before)
        draft.say(words.again if repeated else words.say)
        if not repeated:
            data = self.handoff_data(draft, reason)
            if kind is ActionKind.TRANSFER:
                data["number"] = draft.profile.transfer_number
            if kind is ActionKind.HANDOFF_WHATSAPP and requested is not None:
                data["requested"] = {"wording": requested}
            draft.act(kind, reason, data)
        if kind is ActionKind.TRANSFER and not repeated:
            return
        if end or repeated:
            draft.say("goodbye")
            draft.act(ActionKind.END, reason)
        else:
            draft.say("anything_else")
            draft.change(awaiting=CONFIRM_MORE)

    def _leave_matters(self, draft: Draft, reason: str) -> None:
        draft.result()
        draft.change(
            flow=None,
            awaiting=None,
            suspended=(),
            pending=(),
            handover={},
            escalation_reason=draft.state.escalation_reason or reason,
        )
        draft.put_slot(REASON_SLOT, None)
        draft.put_slot(_WORDING_SLOT, None)
        draft.put_slot(_EVIDENCE_SLOT, None)

    def _say_first(self, draft: Draft, target: Target, channel: str | None, before: str | None) -> None:
        if before:
            draft.say(before)
        if target is not Target.PHONE and would_ring(draft, channel) and not is_open(draft):
            draft.say(draft.flows.handoff.closed)

    def _ask_first(self, draft: Draft, later: Mapping[str, Any], before: str | None) -> None:
        self._leave_matters(draft, later["reason"])
        self._say_first(draft, Target.WHATSAPP, later["channel"], before)
        opt_in.ask(draft)
        draft.change(handover=later)

    def answered(self, draft: Draft, *, yes: bool | None) -> None:
        """Goes on after the question whether we may write on WhatsApp.

        Args:
            draft: The turn.
            yes: A clear yes or a clear no; None: neither. It is asked once more for one, then it is no consent.
        """
        if yes is None and opt_in.ask_again(draft):
            return
        if yes is not None:
            opt_in.settle(draft, yes=yes)
        later = draft.state.handover
        draft.change(awaiting=None, misses=0, handover={})
        if not later:
            if yes:
                draft.say("acknowledge")
            draft.say("goodbye")
            draft.act(ActionKind.END, "resolved")
            return
        decided = Escalation(Trigger(later["trigger"]), later["reason"], later["heard"], later["evidence"])
        channel = later["channel"] if yes else None
        target = Target.WHATSAPP if yes else target_of(draft, None)
        self._hand_over(draft, target, decided, channel=channel, before=None, end=later["end"], told=True)

    def consent_not_kept(self, draft: Draft) -> None:
        """The caller's yes could not be stored: nothing leaves on the strength of it."""
        draft.change(whatsapp="no")
        if ActionKind.HANDOFF_WHATSAPP.value in draft.state.done:
            self.failed(draft, ActionKind.HANDOFF_WHATSAPP)
        else:
            draft.say("goodbye")
            draft.act(ActionKind.END, "resolved")

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
        named = {"entity": draft.profile.entity_name}
        for key in keys or self.offer_keys(draft):
            about_whatsapp = key == draft.flows.handoff.offer.whatsapp
            if draft.say(key, **(named if about_whatsapp else {})):
                draft.put_slot(REASON_SLOT, reason)
                draft.put_slot(_WORDING_SLOT, draft.says[-1].text if about_whatsapp else None)
                draft.change(awaiting=CONFIRM_HANDOFF)
                return
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
        asks = opt_in.may_ask(draft)
        writes = (offer.whatsapp,) if is_possible(draft, Target.WHATSAPP, asks=asks) else ()
        return tuple(dict.fromkeys((keys[target_of(draft, None, asks=asks)], *writes, offer.phone)))

    def accepted(self, draft: Draft) -> None:
        """The caller said yes to a person."""
        reason = draft.state.slots.get(REASON_SLOT, "offer_accepted")
        trigger = Trigger(reason) if reason in _OFFERED_FOR else Trigger.EXPLICIT_REQUEST
        asked = draft.state.slots.get(_WORDING_SLOT)
        kept = json.loads(draft.state.slots.get(_EVIDENCE_SLOT, "{}")) if reason in _OFFERED_FOR else {}
        self.hand_over(draft, reason, trigger=trigger, evidence={**kept, "offered_for": reason}, requested=asked)

    def offer_for(self, draft: Draft, trigger: Trigger, evidence: Mapping[str, Any]) -> None:
        """Asks whether a person shall take over because a rule says so; the evidence goes with a yes."""
        draft.put_slot(_EVIDENCE_SLOT, json.dumps(dict(evidence), ensure_ascii=False))
        self.offer(draft, trigger.value)

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

    def failed(self, draft: Draft, kind: ActionKind, *, may_ask: bool = True) -> None:
        """Says that a handoff did not work; tries another way once, else ends politely."""
        asks = may_ask and opt_in.may_ask(draft)
        words = self._words(draft, _TARGETS[kind])
        draft.change(ended=False)
        draft.result()
        draft.say(words.failed)
        for target in (Target.WHATSAPP, Target.PHONE):
            if _KINDS[target].value not in draft.state.done and is_possible(draft, target, asks=asks):
                self.hand_over(
                    draft,
                    f"{kind.value}_failed",
                    trigger=Trigger.REPEATED_FAILURE,
                    evidence={"failed": kind.value},
                    channel=target.value,
                    end=True,
                    may_ask=may_ask,
                )
                return
        draft.say(draft.flows.handoff.nobody)
        draft.say("goodbye")
        draft.act(ActionKind.END, f"{kind.value}_failed")

    def _words(self, draft: Draft, target: Target) -> HandoffChannel:
        handoff = draft.flows.handoff
        words = {
            Target.PHONE: handoff.phone,
            Target.WHATSAPP: handoff.whatsapp,
            Target.CALLBACK: handoff.callback,
            Target.TICKET: handoff.ticket,
        }
        return words[target]
