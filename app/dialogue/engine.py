"""The dialogue: understanding in, reply and new state out; pure but for the tenant's tools.

Calls and chats alike come through `DialogueEngine`. Flows are data (`flows/*.yaml`); this module decides which of them
a turn belongs to.
"""

from app.dialogue.courtesy import CourtesyDesk
from app.dialogue.draft import AWAIT_LANGUAGE, CONFIRM, CONFIRM_HANDOFF, CONFIRM_MORE, Draft
from app.dialogue.flow import Flows, LookupFlow
from app.dialogue.lookup import LookupDesk
from app.dialogue.person import MISSES_BEFORE_PERSON, PersonDesk
from app.dialogue.reply_language import follow
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState, Reply, Say, Tools
from app.language.loader import PackRegistry
from app.language.render import render
from app.nlu.understanding import Understanding

MOST_IDLE_TURNS = 12
_SURE_OUT_OF_SCOPE = 0.7
_SILENCES_BEFORE_END = 3
_FAILURES_BEFORE_PERSON = 3
_YES = ("affirm", "interested", "confirm_appointment")
_NO = ("deny", "not_interested")


class DialogueEngine:
    """Decides what to say and do. Holds no conversation: every method takes a state and returns the next one."""

    def __init__(self, registry: PackRegistry, flows: Flows | None = None) -> None:
        """Builds an engine.

        Args:
            registry: The language packs.
            flows: None reads the flows of this package.

        Raises:
            ConfigError: A flow file is wrong.
        """
        self._registry = registry
        self._flows = flows or Flows.load()
        self._person = PersonDesk(self._flows)
        self._lookup = LookupDesk(self._person)
        self._courtesy = CourtesyDesk(self._flows, self._person, self._lookup)

    async def open(self, profile: AgentProfile, language: str) -> tuple[Reply, DialogueState]:
        """Returns the opening: the disclosures, each uninterruptible, then the question how to help.

        Args:
            profile: The agent.
            language: BCP-47 tag; the agent's default is taken if it is not one of the agent's.
        """
        tag = language if language in profile.languages else profile.default_language
        draft = self._draft(DialogueState(language=tag, languages=profile.languages), profile)
        for key in draft.pack.opening:
            draft.disclose(key)
        draft.say("greeting_ask")
        return draft.finish()

    async def handle_turn(
        self, state: DialogueState, understanding: Understanding, profile: AgentProfile, tools: Tools
    ) -> tuple[Reply, DialogueState]:
        """Answers one utterance.

        Args:
            state: Where the conversation stands.
            understanding: What the caller meant.
            profile: The agent.
            tools: The tenant's systems.

        Returns:
            What to say and do, and the next state. An ended conversation gets an empty reply.
        """
        draft = self._draft(state, profile)
        if state.ended:
            return draft.finish()
        language, votes = follow(state, understanding)
        draft.change(language=language, language_votes=votes, turn=state.turn + 1, idle=state.idle + 1)
        await self._answer(draft, understanding, tools)
        return self._close(draft)

    async def handle_digits(
        self, state: DialogueState, digits: str, profile: AgentProfile, tools: Tools
    ) -> tuple[Reply, DialogueState]:
        """Answers digits typed on the keypad; other keys must have been removed.

        Args:
            state: Where the conversation stands.
            digits: ASCII digits.
            profile: The agent.
            tools: The tenant's systems.
        """
        draft = self._draft(state, profile)
        if state.ended or not digits:
            return draft.finish()
        draft.change(turn=state.turn + 1, idle=state.idle + 1)
        flow = self._number_flow(draft, digits)
        if flow is None:
            self._miss(draft, confidence=0.0)
        else:
            await self._lookup.fill(draft, flow, digits, 1.0, tools)
        return self._close(draft)

    def on_silence(self, state: DialogueState, profile: AgentProfile, count: int) -> tuple[Reply, DialogueState]:
        """Speaks after `count` (from 1) silences in a row: a prompt, a second one, then goodbye and END."""
        draft = self._draft(state, profile)
        if state.ended:
            return draft.finish()
        if count >= _SILENCES_BEFORE_END or not draft.say(f"silence_prompt_{max(count, 1)}"):
            draft.say("silence_goodbye")
            draft.act(ActionKind.END, "silence")
        return draft.finish()

    def on_stage_failed(self, state: DialogueState, profile: AgentProfile) -> tuple[Reply, DialogueState]:
        """Apologises for a failed stage; a third failure hands over to a person."""
        draft = self._draft(state, profile)
        if state.ended:
            return draft.finish()
        draft.change(failures=state.failures + 1)
        spoken = draft.say("technical_problem")
        if draft.state.failures >= _FAILURES_BEFORE_PERSON or not spoken:
            self._person.hand_over(draft, "technical_problem", end=True)
        return draft.finish()

    def on_max_duration(self, state: DialogueState, profile: AgentProfile) -> tuple[Reply, DialogueState]:
        """Ends a call that has run for as long as it may; the rest follows on WhatsApp, as is said."""
        draft = self._draft(state, profile)
        if state.ended:
            return draft.finish()
        draft.change(said={})
        draft.say("max_duration")
        if ActionKind.HANDOFF_WHATSAPP.value not in state.done:
            draft.act(
                ActionKind.HANDOFF_WHATSAPP,
                "max_duration",
                self._person.handoff_data(draft, "max_duration"),
            )
        draft.act(ActionKind.END, "max_duration")
        return draft.finish()

    def on_action_failed(
        self, state: DialogueState, profile: AgentProfile, action: Action
    ) -> tuple[Reply, DialogueState]:
        """Says that a handoff did not work and tries the other channel, else ends; other actions change nothing."""
        draft = self._draft(state, profile)
        if action.kind in (ActionKind.HANDOFF_WHATSAPP, ActionKind.TRANSFER):
            self._person.failed(draft, action.kind)
        return draft.finish()

    def checking(self, state: DialogueState) -> Say:
        """Returns the sentence that bridges a slow tool ("one moment"); it changes no state."""
        text = render(self._registry.get(state.language), "checking", {}, variant=state.turn)
        return Say(text, state.language, fixed=True)

    def _draft(self, state: DialogueState, profile: AgentProfile) -> Draft:
        return Draft(state, profile, self._registry, self._flows)

    def _close(self, draft: Draft) -> tuple[Reply, DialogueState]:
        """Sees to it that no turn ends without words and no conversation goes round for ever."""
        if not draft.state.ended and (not draft.says or draft.state.idle >= MOST_IDLE_TURNS):
            self._person.give_up(draft, "no_progress")
        return draft.finish()

    async def _answer(self, draft: Draft, heard: Understanding, tools: Tools) -> None:
        intent = heard.intent
        if intent in self._flows.opt_out.intents:
            draft.disclose(self._flows.opt_out.disclosure)
            draft.act(ActionKind.OPT_OUT, intent, {"text": heard.text, "language": draft.state.language})
            draft.act(ActionKind.END, intent)
        elif intent == "silence":
            self._unheard(draft)
        elif self._wants_language(draft, heard):
            self._courtesy.change_language(draft, heard)
        elif intent in self._flows.handoff.intents and not (
            intent == "interested" and (draft.state.awaiting or "").startswith(CONFIRM)
        ):
            wanted = self._flows.handoff.intents[intent]
            draft.change(intent=draft.state.intent if intent in ("human_agent", "switch_to_whatsapp") else intent)
            self._person.hand_over(draft, intent, channel=wanted.channel, before=wanted.say)
        elif not (await self._confirmed(draft, heard, tools) or await self._number_given(draft, heard, tools)):
            await self._served(draft, heard, tools)

    def _unheard(self, draft: Draft) -> None:
        draft.change(misses=draft.state.misses + 1)
        if draft.state.misses >= MISSES_BEFORE_PERSON or not draft.say("heard_nothing"):
            self._person.give_up(draft, "not_heard")

    def _wants_language(self, draft: Draft, heard: Understanding) -> bool:
        if heard.intent == "change_language":
            return True
        named = heard.entity("language") is not None
        free = draft.state.awaiting in (None, AWAIT_LANGUAGE, CONFIRM_MORE)
        return named and free and heard.intent in ("inform", "affirm")

    async def _confirmed(self, draft: Draft, heard: Understanding, tools: Tools) -> bool:
        """Handles yes and no to an open question; returns whether it did."""
        awaiting = draft.state.awaiting or ""
        if not awaiting.startswith(CONFIRM):
            return False
        flow = self._flows.lookup_named(draft.state.flow)
        yes, no = heard.intent in _YES, heard.intent in _NO
        if awaiting == CONFIRM_HANDOFF and (yes or no):
            draft.change(awaiting=None, misses=0)
            if yes:
                self._person.accepted(draft)
            else:
                self._courtesy.anything_else(draft)
        elif awaiting == CONFIRM_MORE and yes:
            draft.change(awaiting=None, misses=0)
            draft.say("greeting_ask", "greet_reply")
        elif awaiting == CONFIRM_MORE and (no or heard.intent == "thank"):
            self._courtesy.farewell(draft, heard.intent)
        elif flow is not None and draft.awaited_slot() is not None and (yes or no):
            if yes:
                await self._lookup.look_up(draft, flow, tools)
            elif (digits := heard.entity("digits")) is not None:
                await self._lookup.fill(draft, flow, digits.value, digits.confidence, tools)
            else:
                self._lookup.refused(draft, flow)
        else:
            return False
        return True

    async def _number_given(self, draft: Draft, heard: Understanding, tools: Tools) -> bool:
        """Takes digits that an open flow waits for, or that come unasked; returns whether it did."""
        digits = heard.entity("digits")
        if digits is None or not digits.value:
            return False
        waiting = draft.awaited_slot() is not None
        if not waiting and heard.intent != "inform" and self._flows.lookup_for(heard.intent) is None:
            return False
        flow = self._number_flow(draft, digits.value)
        if flow is None and draft.profile.order_lookup:
            flow = self._flows.lookup_for(heard.intent)
        if flow is None:
            return False
        if not waiting:
            draft.change(intent=flow.name, misses=0)
        same = digits.value == draft.state.slots.get(flow.slot.name) and (draft.state.awaiting or "").startswith(
            CONFIRM
        )
        if waiting and same:
            await self._lookup.look_up(draft, flow, tools)
        else:
            await self._lookup.fill(draft, flow, digits.value, digits.confidence, tools)
        return True

    def _number_flow(self, draft: Draft, digits: str) -> LookupFlow | None:
        """Returns the flow that a number belongs to: the open one, else the first that it fits."""
        flow = self._flows.lookup_named(draft.state.flow)
        if flow is not None and draft.awaited_slot() is not None:
            return flow
        if not draft.profile.order_lookup:
            return None
        fitting = (f for f in self._flows.lookups if f.slot.fewest_digits <= len(digits) <= f.slot.most_digits)
        return next(fitting, None)

    async def _served(self, draft: Draft, heard: Understanding, tools: Tools) -> None:
        intent = heard.intent
        flow = self._flows.lookup_for(intent)
        if flow is not None and draft.profile.order_lookup:
            again = draft.state.flow == flow.name and draft.awaited_slot() is not None
            draft.change(intent=intent)
            if again:
                self._lookup.missed(draft, flow)
            else:
                draft.change(misses=0)
                self._lookup.ask(draft, flow)
        elif self._courtesy.serve(draft, heard):
            return
        elif intent in ("out_of_scope", "inform", *_YES[:1], *_NO):
            self._miss(draft, heard.confidence if intent == "out_of_scope" else 0.0, intent)
        else:
            draft.change(intent=intent, misses=0, flow=None)
            self._person.offer(draft, f"unsupported:{intent}", "unsupported_request")

    def _miss(self, draft: Draft, confidence: float, intent: str = "out_of_scope") -> None:
        """Counts a turn without sense and climbs the ladder: rephrase, give an example, hand over."""
        flow = self._flows.lookup_named(draft.state.flow)
        awaiting = draft.state.awaiting
        if flow is not None and awaiting == flow.slot.name:
            self._lookup.missed(draft, flow)
            return
        if awaiting is None and intent in ("affirm", "deny"):
            draft.say(*(("greeting_ask", "greet_reply") if intent == "affirm" else ("deny_ack", "greeting_ask")))
            return
        draft.change(misses=draft.state.misses + 1)
        if draft.state.misses >= MISSES_BEFORE_PERSON:
            self._person.give_up(draft, "not_understood")
        elif awaiting and awaiting.startswith(CONFIRM) and awaiting != CONFIRM_MORE:
            draft.say("ask_yes_no")
            self._courtesy.ask_open_question(draft)
        elif confidence >= _SURE_OUT_OF_SCOPE:
            draft.say("out_of_scope", f"not_understood_{draft.state.misses}")
        else:
            draft.say(f"not_understood_{draft.state.misses}", "out_of_scope")
