"""The bot in a chat: the same understanding and dialogue as on the phone, answering in writing."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import orjson

from app.compliance.killswitch import KillMode, KillSwitches
from app.compliance.suppression import EVERY_CHANNEL, Suppressions
from app.conversations.models import Conversation
from app.conversations.service import ConversationService
from app.dialogue.agents import AgentDirectory, Caller, ChannelKind
from app.dialogue.engine import SWITCHED_OFF, DialogueEngine
from app.dialogue.turn import ActionKind, AgentProfile, DialogueState
from app.dialogue.verification import Verification, VerificationStatus
from app.errors import Conflict
from app.kit.ids import new_id
from app.language.romanise import Romanisers, is_latin
from app.nlu.understander import Understander
from whatsapp.ports import ChatReply

_HANDOVERS: Final = (ActionKind.HANDOFF_WHATSAPP, ActionKind.TRANSFER, ActionKind.CALLBACK, ActionKind.TICKET)


class DialogueBrain:
    """Implements `ChatBrain`. A call's last state is the chat's first: nothing is asked twice."""

    def __init__(
        self,
        understander: Understander,
        dialogue: DialogueEngine,
        agents: AgentDirectory,
        conversations: ConversationService,
        suppressions: Suppressions,
        kill_switches: KillSwitches,
        romanisers: Romanisers,
    ) -> None:
        self._understander = understander
        self._dialogue = dialogue
        self._agents = agents
        self._conversations = conversations
        self._suppressions = suppressions
        self._kill_switches = kill_switches
        self._romanisers = romanisers
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-nlu")

    def think_with(self, understander: Understander, dialogue: DialogueEngine) -> None:
        """Answers with another mind from the next message on."""
        self._understander, self._dialogue = understander, dialogue

    async def reply(self, conversation: Conversation, text: str) -> ChatReply:
        """Returns what to write back; see `ChatBrain`.

        Raises:
            Conflict: No agent is known to answer this conversation.
        """
        if conversation.agent_id is None:
            raise Conflict("no agent answers this conversation: assign one, or let a person answer", code="no_agent")
        mode = await self._kill_switches.mode(conversation.tenant_id, conversation.agent_id)
        if mode in (KillMode.STOP, KillMode.TRANSFER_ONLY):
            return ChatReply((), SWITCHED_OFF)
        writer = Caller(conversation.address, conversation.conversation_id, ChannelKind.CHAT)
        setup = await self._agents.setup(conversation.tenant_id, conversation.agent_id, writer)
        state = _state_of(conversation, setup.profile)
        loop = asyncio.get_running_loop()
        expectation, digits = self._dialogue.listening(state, setup.profile)
        understanding = await loop.run_in_executor(
            self._threads,
            lambda: (setup.insight.understander or self._understander).understand(
                text,
                enabled=state.languages,
                current_language=state.language,
                expectation=expectation,
                expected_digits=digits,
                now=self._dialogue.now(setup.profile),
            ),
        )
        if setup.insight.opinion is not None:
            understanding = await setup.insight.opinion.about(understanding, expectation, state.language)
        reply, state = await self._dialogue.handle_turn(state, understanding, setup.profile, setup.tools)
        await self._conversations.save_dialogue(conversation, state.to_json(), state.language)
        hand_over, opted_out = None, False
        for action in reply.actions:
            if action.kind in _HANDOVERS:
                hand_over = action.reason
            elif action.kind is ActionKind.OPT_OUT:
                opted_out = True
                evidence = {"conversation_id": conversation.conversation_id, "words": text}
                await self._suppressions.opt_out(
                    conversation.tenant_id, conversation.address, EVERY_CHANNEL, evidence, language=state.language
                )
        says = tuple(say.text for say in reply.says)
        if not opted_out and await self._writes_latin(conversation, text):
            says = await loop.run_in_executor(self._threads, self._romanised, says, state.language)
        return ChatReply(says, hand_over, opted_out)

    async def _writes_latin(self, conversation: Conversation, text: str) -> bool:
        """Returns whether the customer writes in Latin letters; a message without letters goes by those before."""
        latin = is_latin(text)
        if latin is not None and latin is not conversation.desk.writes_latin:
            await self._conversations.note(conversation, {"writes_latin": latin})
        return conversation.desk.writes_latin if latin is None else latin

    def _romanised(self, says: Sequence[str], language: str) -> tuple[str, ...]:
        """Returns sentences of `language` in Latin letters, as its people type them."""
        return tuple(self._romanisers.romanise(language, text) for text in says)


def _state_of(conversation: Conversation, profile: AgentProfile) -> DialogueState:
    """Returns where the conversation stands; who was not verified on the phone is not asked for secrets in writing."""
    state = _stored_state(conversation, profile)
    if profile.verification is None or Verification.from_json(state.verification).verified:
        return state
    unproved = Verification(VerificationStatus.FAILED, reason="in_writing")
    return replace(state, verification=unproved.to_json())


def _stored_state(conversation: Conversation, profile: AgentProfile) -> DialogueState:
    stored: Any = conversation.dialogue
    if stored:
        state = DialogueState.from_json(orjson.loads(stored) if isinstance(stored, str) else stored)
        if not state.ended and state.language in profile.languages:
            return state
    language = conversation.language if conversation.language in profile.languages else profile.default_language
    tag = language or profile.default_language
    return DialogueState(language=tag, languages=profile.languages, thread=new_id("chat"))
