"""Decides to which flow, courtesy or person one turn belongs; the engine opens and closes the turn around it."""

from dataclasses import replace

from app.dialogue import opt_in, placed
from app.dialogue.courtesy import LANGUAGE_ASKED, CourtesyDesk
from app.dialogue.draft import (
    AWAIT_LANGUAGE,
    CONFIRM,
    CONFIRM_HANDOFF,
    CONFIRM_MORE,
    CONFIRM_NEXT,
    CONFIRM_RESUME,
    CONFIRM_TALK,
    CONFIRM_WHATSAPP,
    Draft,
)
from app.dialogue.escalation import Trigger
from app.dialogue.flow import FrameFlow
from app.dialogue.frame import FrameDesk
from app.dialogue.framing import NO, YES, FramingDesk
from app.dialogue.identity import IdentityDesk
from app.dialogue.person import PersonDesk
from app.dialogue.progress import ProgressDesk
from app.dialogue.prosody import Prosody
from app.dialogue.triggers import OUT_OF_SCOPE, Finding, lost, notice
from app.dialogue.turn import ActionKind, Tools
from app.dialogue.values import SPOKEN_ANSWERS
from app.dialogue.verification import awaited_factor
from app.language.guess import LanguageGuess
from app.nlu.understanding import Entity, Understanding

_SURE_OUT_OF_SCOPE = 0.7


class TurnDesk:
    """Answers one turn in a draft. Holds no conversation."""

    def __init__(self, person: PersonDesk) -> None:
        self._person = person
        self._frames = FrameDesk(person)
        identity = IdentityDesk(person)
        self._progress = ProgressDesk(self._frames, person, identity)
        self._framing = FramingDesk(self._frames, self._progress, identity)
        self._courtesy = CourtesyDesk(person, self._progress)

    async def keyed(self, draft: Draft, digits: str, tools: Tools) -> None:
        """Answers digits typed on the keypad."""
        typed = _typed(draft, digits)
        if not (await self._framing.serve(draft, typed, tools) or await self._between(draft, typed, tools)):
            await self._begun_by_number(draft, typed, tools)

    async def answer(self, draft: Draft, heard: Understanding, tools: Tools, prosody: Prosody | None) -> None:
        """Answers what was said, or written."""
        intent = heard.intent
        if intent in draft.flows.opt_out.intents:
            draft.disclose(draft.flows.opt_out.disclosure)
            draft.act(ActionKind.OPT_OUT, intent, {"text": draft.heard, "language": draft.state.language})
            draft.act(ActionKind.END, intent)
            return
        any_words, misses = self._expects_anything(draft), draft.state.misses
        finding = notice(draft, heard, prosody, any_words=any_words)
        if intent == "silence":
            self._unheard(draft)
        elif self._wants_language(draft, heard):
            self._courtesy.change_language(draft, heard)
        elif not self._handed_over(draft, heard) and not self._escalated(draft, finding, heard):
            served = await self._framing.serve(draft, heard, tools) or await self._between(draft, heard, tools)
            if not served and not await self._number_given(draft, heard, tools):
                await self._served(draft, heard, tools)
            if intent == OUT_OF_SCOPE and not any_words:
                self._lost(draft, heard, missed=draft.state.misses > misses)

    def _lost(self, draft: Draft, heard: Understanding, *, missed: bool) -> None:
        """Offers a person after turns that said nothing to the question; where it was talked over, none counts."""
        if draft.actions or (draft.was_cut and not missed):
            return
        finding = lost(draft, heard, answered=not missed)
        if finding is not None and draft.state.awaiting != CONFIRM_HANDOFF:
            draft.says.clear()
            self._doubted(draft, finding)

    def _doubted(self, draft: Draft, finding: Finding) -> None:
        """Offers a person in place of a further try; an offer that was not understood either is not made again."""
        if draft.state.awaiting == CONFIRM_HANDOFF:
            self._person.give_up(draft, finding.reason)
            return
        self._frames.put_aside(draft)
        draft.say("not_understood_again")
        self._person.offer_for(draft, finding.trigger, finding.evidence)

    def _expects_anything(self, draft: Draft) -> bool:
        """Whether the open question takes any words, so that doubt about their intent means nothing."""
        if awaited_factor(draft.state.awaiting) is not None:
            return True
        slot = draft.awaited_slot()
        return slot is not None and slot.name == draft.state.awaiting and slot.type in SPOKEN_ANSWERS

    def _unheard(self, draft: Draft) -> None:
        draft.change(misses=draft.state.misses + 1)
        if draft.state.misses >= draft.profile.escalation.repeated_failure or not draft.say("heard_nothing"):
            self._person.give_up(draft, "not_heard")

    def _wants_language(self, draft: Draft, heard: Understanding) -> bool:
        if heard.intent == "change_language":
            return True
        named = heard.entity("language") is not None
        asked = draft.state.slots.get(LANGUAGE_ASKED) is not None
        draft.put_slot(LANGUAGE_ASKED, None)
        if named and asked:
            return True
        free = draft.state.awaiting in (None, AWAIT_LANGUAGE, CONFIRM_MORE, CONFIRM_TALK)
        return named and free and heard.intent in ("inform", "affirm")

    def _handed_over(self, draft: Draft, heard: Understanding) -> bool:
        """Hands over for intents that demand it, where the policy does not say otherwise; returns whether it did."""
        intent = heard.intent
        wanted = draft.flows.handoff.intents.get(intent)
        if wanted is None or (intent == "interested" and (draft.state.awaiting or "").startswith(CONFIRM)):
            return False
        trigger = wanted.trigger
        if not getattr(draft.profile.escalation, trigger.value, True):
            draft.change(intent=intent, misses=0)
            self._person.offer(draft, f"unsupported:{intent}", "unsupported_request")
            return True
        if trigger is not Trigger.EXPLICIT_REQUEST:
            self._note(draft, heard)
        evidence = {"intent": intent, "confidence": round(heard.confidence, 3)}
        self._person.hand_over(
            draft,
            intent,
            trigger=trigger,
            evidence=evidence,
            channel=wanted.channel,
            before=wanted.say,
            requested="" if wanted.channel == "whatsapp" else None,
        )
        return True

    def _escalated(self, draft: Draft, finding: Finding | None, heard: Understanding) -> bool:
        if finding is None:
            return False
        if finding.trigger is Trigger.BUYING_INTENT:
            self._note(draft, heard)
        if finding.trigger is Trigger.LOW_CONFIDENCE:
            draft.change(misses=draft.state.misses + 1)
            self._doubted(draft, finding)
        else:
            self._person.escalate(draft, finding.trigger, finding.reason, finding.evidence, before=finding.before)
        return True

    def _note(self, draft: Draft, heard: Understanding) -> None:
        """Keeps a turn's matter and values for the person who takes over; no values where a secret was asked for."""
        flow = draft.flows.frame_for(heard.intent)
        own = flow is not None and (not draft.frame_open or draft.state.flow == flow.name)
        draft.change(intent=heard.intent)
        if awaited_factor(draft.state.awaiting) is not None:
            return
        if flow is not None and own:
            self._frames.fill_all(draft, flow, heard, also=None if flow.number is None else flow.number.name)
            return
        for entity in heard.entities:
            draft.put_slot(entity.kind, entity.resolved or entity.value)

    async def _talk(self, draft: Draft, heard: Understanding, meant: str, tools: Tools) -> None:
        """Goes on after a yes or no to the question with which a call that we placed begins."""
        draft.change(awaiting=None, misses=0)
        answer = replace(heard, intent=meant)
        if not meant:
            draft.say("outbound_go_on", "greeting_ask")
        elif not self._handed_over(draft, answer):
            await self._served(draft, answer, tools)

    async def _between(self, draft: Draft, heard: Understanding, tools: Tools) -> bool:
        """Handles yes and no to a question between two matters; returns whether it did."""
        if (meant := placed.meaning(draft, heard.intent)) is not None:
            await self._talk(draft, heard, meant, tools)
            return True
        awaiting = draft.state.awaiting
        if awaiting == CONFIRM_WHATSAPP:
            return self._consent(draft, heard)
        yes, no = heard.intent in YES, heard.intent in NO
        if awaiting == CONFIRM_HANDOFF and (yes or no):
            draft.change(awaiting=None, misses=0)
            if yes:
                self._person.accepted(draft)
            else:
                self._progress.go_on(draft, at_once=True)
        elif awaiting == CONFIRM_MORE and yes:
            draft.change(awaiting=None, misses=0)
            draft.say("greeting_ask", "greet_reply")
        elif awaiting == CONFIRM_MORE and (no or heard.intent == "thank"):
            self._courtesy.farewell(draft, heard.intent)
        elif awaiting in (CONFIRM_RESUME, CONFIRM_NEXT) and yes:
            await self._progress.resumed(draft, tools)
        elif awaiting in (CONFIRM_RESUME, CONFIRM_NEXT) and no:
            self._progress.dropped(draft)
        else:
            return False
        return True

    def _consent(self, draft: Draft, heard: Understanding) -> bool:
        """Takes what is said to the question whether we may write on WhatsApp; returns False for a courtesy.

        At the end of a call another matter goes before the question, which is then not asked again.
        """
        yes, no = opt_in.is_yes(heard), heard.intent in NO
        if not (yes or no):
            if heard.intent in draft.flows.courtesies.intents and heard.intent not in ("thank", "greet"):
                return False
            if heard.intent == "repeat":
                draft.disclose(opt_in.QUESTION)
                return True
            if not draft.state.handover and draft.flows.frame_for(heard.intent) is not None:
                draft.change(awaiting=None, misses=0)
                return False
        self._person.answered(draft, yes=True if yes else False if no else None)
        return True

    async def _number_given(self, draft: Draft, heard: Understanding, tools: Tools) -> bool:
        """Takes a number that comes unasked; returns whether a flow begins with it."""
        if heard.intent != "inform" or heard.entity("digits") is None or draft.frame_open:
            return False
        flow = self._bare_number_flow(draft, heard, tools)
        if flow is not None:
            await self._framing.begin(draft, flow, heard, tools)
        return flow is not None

    async def _begun_by_number(self, draft: Draft, typed: Understanding, tools: Tools) -> None:
        flow = self._bare_number_flow(draft, typed, tools)
        if flow is None:
            self._miss(draft, confidence=0.0)
        else:
            await self._framing.begin(draft, flow, typed, tools)

    def _bare_number_flow(self, draft: Draft, heard: Understanding, tools: Tools) -> FrameFlow | None:
        """Returns the flow that an unasked number begins: the first that it fits and the agent can serve."""
        digits = heard.entity("digits")
        for flow in draft.flows.frames:
            if flow.bare_number and flow.number is not None and digits is not None and not draft.frame_open:
                fits = flow.number.fewest_digits <= len(digits.value) <= flow.number.most_digits
                if fits and flow.tool is not None and tools.offers(flow.tool):
                    return flow
        return None

    async def _served(self, draft: Draft, heard: Understanding, tools: Tools) -> None:
        intent = heard.intent
        flow = draft.flows.frame_for(intent)
        if flow is not None:
            await self._framing.begin(draft, flow, heard, tools)
        elif self._courtesy.serve(draft, heard):
            return
        elif intent in ("out_of_scope", "inform", *YES[:1], *NO):
            self._miss(draft, heard.confidence if intent == "out_of_scope" else 0.0, intent)
        else:
            self._frames.put_aside(draft)
            draft.change(intent=intent, misses=0, flow=None)
            self._person.offer(draft, f"unsupported:{intent}", "unsupported_request")

    def _miss(self, draft: Draft, confidence: float, intent: str = "out_of_scope") -> None:
        """Counts a turn without sense and climbs the ladder: rephrase, give an example, hand over."""
        awaiting = draft.state.awaiting
        if awaiting is None and intent in ("affirm", "deny"):
            draft.say(*(("greeting_ask", "greet_reply") if intent == "affirm" else ("deny_ack", "greeting_ask")))
            return
        draft.change(misses=draft.state.misses + 1)
        if draft.state.misses >= draft.profile.escalation.repeated_failure:
            self._person.give_up(draft, "not_understood")
        elif awaiting and awaiting.startswith(CONFIRM) and awaiting != CONFIRM_MORE:
            draft.say("ask_yes_no")
            self._courtesy.ask_open_question(draft)
        elif confidence >= _SURE_OUT_OF_SCOPE:
            draft.say("out_of_scope", f"not_understood_{min(draft.state.misses, 2)}")
        else:
            draft.say(f"not_understood_{min(draft.state.misses, 2)}", "out_of_scope")


def _typed(draft: Draft, digits: str) -> Understanding:
    """Returns keys as an understanding: 1 and 2 answer a yes-no question, four digits can be a time."""
    awaiting = draft.state.awaiting or ""
    slot = draft.awaited_slot()
    asked = awaiting.startswith(CONFIRM) or (slot is not None and slot.type == "yes_no")
    intent = {"1": "affirm", "2": "deny"}.get(digits, "inform") if asked else "inform"
    found = [Entity("digits", digits, digits)] if intent == "inform" else []
    if slot is not None and slot.type == "time" and len(digits) == 4:
        found.append(Entity("time", digits, digits, resolved=f"{digits[:2]}:{digits[2:]}"))
    return Understanding(digits, intent, 1.0, LanguageGuess(None, 0.0), tuple(found))
