"""What an agent would understand and say, by the mind that serves calls; nothing is carried out.

Stands behind `endpoints`. The state of a conversation travels with the client, sealed under the tenant's key.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from app.dialogue.agents import AgentDirectory, Caller, ChannelKind
from app.dialogue.turn import AgentProfile, DialogueState, Expectation, Reply, ToolResult, Tools, WhatsAppStanding
from app.dialogue.verification import FactorCheck
from app.errors import AppError, FieldError, Unprocessable
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.kit.sealed import SealedText
from app.language.normalise import words_of
from app.languages.mind import LiveMind
from app.nlu.understanding import Understanding
from app.rehearsal.canned import CannedTools


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a rehearsal: what was understood (None for the opening), the reply and the sealed next state."""

    understanding: Understanding | None
    reply: Reply
    state: DialogueState
    token: str
    asked: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class CannedSystem:
    """Answers in place of the tenant's systems, by tool, and what comes of verifying the caller."""

    answers: Mapping[str, ToolResult]
    check: FactorCheck = FactorCheck.MATCHED


class Rehearsal:
    """Rehearses the tenants' agents."""

    def __init__(self, mind: LiveMind, agents: AgentDirectory, sealed: SealedText, clock: Clock) -> None:
        self._mind = mind
        self._agents = agents
        self._sealed = sealed
        self._clock = clock

    async def understand(
        self,
        tenant_id: str,
        agent_id: str,
        text: str,
        *,
        language: str | None = None,
        expectation: Expectation = Expectation.OPEN,
        expected_digits: tuple[int, int] | None = None,
        alternatives: Sequence[tuple[str, float]] = (),
    ) -> tuple[Understanding, list[tuple[str, str]]]:
        """Returns what an agent makes of some words, and the words with the language of each.

        Args:
            tenant_id: Whose agent.
            agent_id: Which.
            text: What the caller says.
            language: BCP-47 tag spoken so far; None: the agent's default.
            expectation: What the agent waits for.
            expected_digits: Fewest and most digits waited for.
            alternatives: Further readings of the recogniser with their confidence.

        Raises:
            NotFound: The tenant has no such agent.
            Unprocessable: The agent does not speak the language.
        """
        setup = await self._agents.setup(tenant_id, agent_id)
        spoken = _spoken(setup.profile, language)
        found = await asyncio.to_thread(
            (setup.insight.understander or self._mind.current.understander).understand,
            text,
            enabled=setup.profile.languages,
            current_language=spoken,
            expectation=expectation,
            expected_digits=expected_digits,
            alternatives=alternatives,
            now=setup.profile.hours.local(self._clock.now()),
        )
        if setup.insight.opinion is not None:
            found = await setup.insight.opinion.about(found, expectation, spoken)
        words = words_of(text)
        tags = found.language.token_tags
        return found, list(zip(words, tags if len(tags) == len(words) else ["und"] * len(words), strict=True))

    async def turn(
        self,
        tenant_id: str,
        agent_id: str,
        *,
        text: str | None,
        digits: str | None,
        token: str | None,
        language: str | None,
        system: CannedSystem | None,
        caller_number: str = "",
    ) -> Turn:
        """Plays one turn: the opening where there is no token, else the answer to words, keys or silence.

        Args:
            tenant_id: Whose agent.
            agent_id: Which.
            text: What the caller says; "" is silence.
            digits: Keys pressed, in place of words.
            token: What the turn before returned.
            language: BCP-47 tag to open in.
            system: Canned answers; None: the tenant's real systems, writes included.
            caller_number: E.164, for the real systems.

        Raises:
            NotFound: The tenant has no such agent.
            Unprocessable: The token is not one of this agent, or the agent does not speak the language.
        """
        before = None if token is None else await self._opened(tenant_id, agent_id, token)
        state = before[0] if before is not None else None
        thread = state.thread if state is not None else new_id("rehearsal")
        setup = await self._agents.setup(tenant_id, agent_id, Caller(caller_number, thread, ChannelKind.CHAT))
        profile = replace(setup.profile, whatsapp=WhatsAppStanding.UNASKED)  # as a caller hears it who never agreed
        canned = None if system is None else CannedTools(system.answers, profile.tools, system.check)
        tools: Tools = canned or setup.tools
        engine, found = self._mind.current.dialogue, None
        if state is None or before is None:
            reply, following = await engine.open(profile, _spoken(profile, language), thread)
        elif digits:
            reply, following = await engine.handle_digits(state, digits, profile, tools)
        else:
            found, _ = await self.understand(
                tenant_id,
                agent_id,
                text or "",
                language=state.language,
                expectation=before[1],
                expected_digits=before[2],
            )
            reply, following = await engine.handle_turn(state, found, profile, tools)
        kept = {"state": following.to_json(), "awaits": reply.expectation, "digits": reply.expected_digits}
        sealed = await self._sealed.seal(tenant_id, _owner(agent_id), orjson.dumps(kept).decode())
        asked = canned.asked if canned is not None else []
        return Turn(found, reply, following, sealed, asked)

    async def _opened(
        self, tenant_id: str, agent_id: str, token: str
    ) -> tuple[DialogueState, Expectation, tuple[int, int] | None]:
        try:
            stored = orjson.loads(await self._sealed.open(tenant_id, _owner(agent_id), token))
            digits = (stored["digits"][0], stored["digits"][1]) if stored["digits"] else None
            return DialogueState.from_json(stored["state"]), Expectation(stored["awaits"]), digits
        except (AppError, ValueError, TypeError, KeyError) as error:
            fault = FieldError("/body/state", "is not what a turn of this agent returned")
            raise Unprocessable("the state cannot be read; begin again without it", errors=[fault]) from error


def _spoken(profile: AgentProfile, language: str | None) -> str:
    if language is not None and language not in profile.languages:
        fault = FieldError("/body/language", f"the agent speaks {', '.join(profile.languages)}")
        raise Unprocessable("the agent does not speak this language", errors=[fault])
    return language or profile.default_language


def _owner(agent_id: str) -> str:
    """Names the conversation's holder: no document holds it, the client does."""
    return f"rehearsal:{agent_id}"
