"""The bot in a chat: the same understanding and dialogue as on the phone, answering in writing."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import orjson

from app.compliance.suppression import EVERY_CHANNEL, Suppressions
from app.conversations.models import Conversation
from app.conversations.service import ConversationService
from app.dialogue.agents import AgentDirectory
from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import ActionKind, AgentProfile, DialogueState
from app.errors import Conflict
from app.nlu.understander import Understander
from whatsapp.ports import ChatReply

_HANDOVERS: Final = (ActionKind.HANDOFF_WHATSAPP, ActionKind.TRANSFER)


class DialogueBrain:
    """Implements `ChatBrain`. A call's last state is the chat's first: nothing is asked twice."""

    def __init__(
        self,
        understander: Understander,
        dialogue: DialogueEngine,
        agents: AgentDirectory,
        conversations: ConversationService,
        suppressions: Suppressions,
    ) -> None:
        self._understander = understander
        self._dialogue = dialogue
        self._agents = agents
        self._conversations = conversations
        self._suppressions = suppressions
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-nlu")

    async def reply(self, conversation: Conversation, text: str) -> ChatReply:
        """Returns what to write back; see `ChatBrain`.

        Raises:
            Conflict: No agent is known to answer this conversation.
        """
        if conversation.agent_id is None:
            raise Conflict("no agent answers this conversation: assign one, or let a person answer", code="no_agent")
        setup = await self._agents.setup(conversation.tenant_id, conversation.agent_id)
        state = _state_of(conversation, setup.profile)
        loop = asyncio.get_running_loop()
        understanding = await loop.run_in_executor(
            self._threads,
            lambda: self._understander.understand(text, enabled=state.languages, current_language=state.language),
        )
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
                    conversation.tenant_id, conversation.phone, EVERY_CHANNEL, evidence, language=state.language
                )
        return ChatReply(tuple(say.text for say in reply.says), hand_over, opted_out)


def _state_of(conversation: Conversation, profile: AgentProfile) -> DialogueState:
    stored: Any = conversation.dialogue
    if stored:
        state = DialogueState.from_json(orjson.loads(stored) if isinstance(stored, str) else stored)
        if not state.ended and state.language in profile.languages:
            return state
    language = conversation.language if conversation.language in profile.languages else profile.default_language
    return DialogueState(language=language or profile.default_language, languages=profile.languages)
