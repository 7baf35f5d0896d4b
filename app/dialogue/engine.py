"""The dialogue: understanding in, reply and new state out; pure but for the tenant's tools.

Calls and chats alike come through `DialogueEngine`. Flows are data (`flows/*.yaml`); `turn_desk` decides
which of them a turn belongs to.
"""

from collections.abc import Mapping
from datetime import datetime

from app.dialogue import opt_in, placed
from app.dialogue.draft import CONFIRM_WHATSAPP, Draft
from app.dialogue.escalation import Target, Trigger
from app.dialogue.flow import Flows
from app.dialogue.flow_source import ToolFacts, load_flows
from app.dialogue.person import PersonDesk
from app.dialogue.prosody import Prosody
from app.dialogue.reply_language import follow
from app.dialogue.turn import Action, ActionKind, AgentProfile, DialogueState, Expectation, Reply, Say, Tools
from app.dialogue.turn_desk import TurnDesk
from app.dialogue.verification import awaited_factor
from app.kit.clock import Clock, SystemClock
from app.language.loader import PackRegistry
from app.language.numbers import spoken_digits
from app.language.render import render
from app.nlu.understanding import Understanding

MOST_IDLE_TURNS = 12
SWITCHED_OFF = "kill_switch"
"""The reason of a handover that the kill switch made."""
_LONGEST_WHISPERED_NUMBER = 10
_SILENCES_BEFORE_END = 3
_FAILURES_BEFORE_PERSON = 3
_PERSON_ACTIONS = frozenset({ActionKind.HANDOFF_WHATSAPP, ActionKind.TRANSFER, ActionKind.CALLBACK, ActionKind.TICKET})


class DialogueEngine:
    """Decides what to say and do. Holds no conversation: every method takes a state and returns the next one."""

    def __init__(
        self,
        registry: PackRegistry,
        flows: Flows | None = None,
        *,
        clock: Clock | None = None,
        tools: Mapping[str, ToolFacts] | None = None,
    ) -> None:
        """Builds an engine.

        Args:
            registry: The language packs.
            flows: What agents without flows of their own follow; None reads those of this package.
            clock: Time, for days and business hours.
            tools: Contracts that the flows' tools are held against; None leaves them unchecked.

        Raises:
            FlowFaults: A flow file is wrong.
        """
        self._registry = registry
        self._flows = flows or load_flows(contract=registry.contract, tools=tools, languages=registry.tags)
        self._clock = clock or SystemClock()
        self._person = PersonDesk()
        self._turns = TurnDesk(self._person)

    async def open(self, profile: AgentProfile, language: str, thread: str = "") -> tuple[Reply, DialogueState]:
        """Returns the opening: the disclosures, each uninterruptible, then a question: how to help, or may we talk.

        Args:
            profile: The agent.
            language: BCP-47 tag; the agent's default is taken if it is not one of the agent's.
            thread: Names this conversation: the call's id. Writes are done once within it.
        """
        tag = language if language in profile.languages else profile.default_language
        state = DialogueState(language=tag, languages=profile.languages, slots=dict(profile.given), thread=thread)
        draft = self._draft(state, profile)
        for key in draft.pack.opening_outbound if profile.about else draft.pack.opening:
            draft.disclose(key)
        if profile.about:
            placed.ask(draft)
        else:
            draft.say("greeting_ask")
        return draft.finish()

    async def handle_turn(
        self,
        state: DialogueState,
        understanding: Understanding,
        profile: AgentProfile,
        tools: Tools,
        prosody: Prosody | None = None,
    ) -> tuple[Reply, DialogueState]:
        """Answers one utterance.

        Args:
            state: Where the conversation stands.
            understanding: What the caller meant.
            profile: The agent.
            tools: The tenant's systems.
            prosody: How it was spoken, if that was measured.

        Returns:
            What to say and do, and the next state. An ended conversation gets an empty reply, unless to an opt-out.

        Raises:
            CommitNeeded: The turn changes something, and `tools` only read.
        """
        secret = awaited_factor(state.awaiting) is not None
        draft = self._draft(state, profile, "" if secret else understanding.text)
        if state.ended and understanding.intent not in draft.flows.opt_out.intents:
            return draft.finish()
        language, votes = follow(state, understanding)
        draft.change(language=language, language_votes=votes, turn=state.turn + 1, idle=state.idle + 1)
        await self._turns.answer(draft, understanding, tools, prosody)
        return self._close(draft)

    async def handle_digits(
        self, state: DialogueState, digits: str, profile: AgentProfile, tools: Tools
    ) -> tuple[Reply, DialogueState]:
        """Answers digits typed on the keypad; other keys must have been removed. 1 is yes and 2 is no.

        Args:
            state: Where the conversation stands.
            digits: ASCII digits.
            profile: The agent.
            tools: The tenant's systems.

        Raises:
            CommitNeeded: The turn changes something, and `tools` only read.
        """
        secret = awaited_factor(state.awaiting) is not None
        draft = self._draft(state, profile, "" if secret else digits)
        if state.ended or not digits:
            return draft.finish()
        draft.change(turn=state.turn + 1, idle=state.idle + 1)
        await self._turns.keyed(draft, digits, tools)
        return self._close(draft)

    def on_silence(self, state: DialogueState, profile: AgentProfile, count: int) -> tuple[Reply, DialogueState]:
        """Speaks after `count` (from 1) silences in a row: a prompt, a second one, then goodbye and END."""
        draft = self._draft(state, profile)
        if state.ended:
            return draft.finish()
        if state.awaiting == CONFIRM_WHATSAPP:
            self._person.answered(draft, yes=None)
            return draft.finish()
        if count >= _SILENCES_BEFORE_END or not draft.say(f"silence_prompt_{max(count, 1)}"):
            draft.say("silence_goodbye")
            draft.act(ActionKind.END, "silence")
        return draft.finish()

    def on_stage_failed(
        self, state: DialogueState, profile: AgentProfile, *, for_good: bool = False
    ) -> tuple[Reply, DialogueState]:
        """Apologises for a failed stage; a third failure, or one `for_good`, hands over to a person."""
        draft = self._draft(state, profile)
        if state.ended:
            return draft.finish()
        draft.change(failures=state.failures + 1)
        spoken = draft.say("technical_problem")
        if for_good or draft.state.failures >= _FAILURES_BEFORE_PERSON or not spoken:
            self._person.hand_over(draft, "technical_problem", end=True, may_ask=False)
        return draft.finish()

    def on_max_duration(self, state: DialogueState, profile: AgentProfile) -> tuple[Reply, DialogueState]:
        """Ends a call that has run for as long as it may; the rest follows on WhatsApp, or a person looks at it."""
        draft = self._draft(state, profile)
        if state.ended:
            return draft.finish()
        draft.change(said={}, often={})
        writes = opt_in.agreed(draft)
        kind = ActionKind.HANDOFF_WHATSAPP if writes else ActionKind.TICKET
        draft.say("max_duration" if writes else "handoff_ticket_done")
        if kind.value not in state.done:
            draft.act(kind, "max_duration", self._person.handoff_data(draft, "max_duration"))
        if not writes:
            draft.say("goodbye")
        draft.act(ActionKind.END, "max_duration")
        return draft.finish()

    def on_machine(self, state: DialogueState, profile: AgentProfile, number: str) -> tuple[Reply, DialogueState]:
        """Leaves a message, as a machine answered a call that we placed; `number` (E.164) is where to call back."""
        draft = self._draft(state, profile)
        if not state.ended:
            placed.leave_message(draft, number)
        return draft.finish()

    def on_switched_off(
        self, state: DialogueState, profile: AgentProfile, channel: str | None
    ) -> tuple[Reply, DialogueState]:
        """Leaves a call because the agent may not go on: says so, and hands over if it still may.

        Args:
            state: Where the conversation stands.
            profile: The agent.
            channel: `phone` or `whatsapp`; None: nobody is handed to, the call ends.
        """
        draft = self._draft(state, profile)
        if state.ended:
            return draft.finish()
        if channel is None:
            draft.say("no_person_available")
            draft.say("goodbye")
            draft.act(ActionKind.END, SWITCHED_OFF)
        else:
            evidence = {"channel": channel}
            if channel == Target.WHATSAPP and not opt_in.agreed(draft):
                channel = Target.TICKET
            self._person.hand_over(
                draft,
                SWITCHED_OFF,
                trigger=Trigger.POLICY_EDGE,
                evidence=evidence,
                channel=channel,
                end=True,
                may_ask=False,
            )
        return draft.finish()

    def on_action_failed(
        self, state: DialogueState, profile: AgentProfile, action: Action, *, heard: bool = True
    ) -> tuple[Reply, DialogueState]:
        """Says that a handoff did not work and tries the other channel, else ends; a consent not kept is none.

        Args:
            state: Where the conversation stands.
            profile: The agent.
            action: What failed.
            heard: Whether the caller can still answer; False once the agent has left the call.
        """
        draft = self._draft(state, profile)
        if action.kind in _PERSON_ACTIONS:
            self._person.failed(draft, action.kind, may_ask=heard)
        elif action.kind is ActionKind.WHATSAPP_CONSENT:
            self._person.consent_not_kept(draft)
        return draft.finish()

    def listening(self, state: DialogueState, profile: AgentProfile) -> tuple[Expectation, tuple[int, int] | None]:
        """Returns what a conversation waits for, and how many digits, if it waits for a number."""
        reply, _ = self._draft(state, profile).finish()
        return reply.expectation, reply.expected_digits

    def now(self, profile: AgentProfile) -> datetime:
        """Returns the time in the agent's zone, in which its callers' days and hours are meant."""
        return profile.hours.local(self._clock.now())

    def whisper(self, state: DialogueState, trigger: str | None) -> tuple[str, str]:
        """Returns what a person hears before a caller is joined to them, in the call's language: (text, tag).

        Args:
            state: Where the conversation stood when it was handed over: its matter and order number are named.
            trigger: A `Trigger` value, whose reason is named; None or an unknown one names none.
        """
        pack = self._registry.get(state.language)
        matters = pack.lexicon.matters
        slots = {
            "about": matters.get(state.intent or "") or matters["other"],
            "order_id": spoken_digits(pack, state.slots.get("order_id", "")[:_LONGEST_WHISPERED_NUMBER]),
            "why": pack.lexicon.handover_reasons.get(trigger or "", ""),
        }
        return render(pack, "whisper", slots), pack.tag

    def checking(self, state: DialogueState) -> Say:
        """Returns the sentence that bridges a slow tool ("one moment"); it changes no state."""
        text = render(self._registry.get(state.language), "checking", {}, variant=state.turn)
        return Say(text, state.language, fixed=True)

    def _draft(self, state: DialogueState, profile: AgentProfile, heard: str = "") -> Draft:
        draft = Draft(state, profile, self._registry, profile.flows or self._flows, self._clock.now(), heard)
        draft.was_cut = state.cut
        draft.change(cut=False)
        return draft

    def _close(self, draft: Draft) -> tuple[Reply, DialogueState]:
        """Sees to it that no turn ends without words and no conversation goes round for ever."""
        if not draft.state.ended and (not draft.says or draft.state.idle >= MOST_IDLE_TURNS):
            self._person.give_up(draft, "no_progress")
        return draft.finish()
