"""Plays past calls again, turn by turn, as the agent that serves and as a candidate, and says where they part.

Stands behind `replays`. No tool of the tenant is asked. A difference names intents, kinds of values, sentences by key,
tools and actions, and no word of the caller.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import structlog

from app.dialogue.engine import DialogueEngine
from app.dialogue.past import PastCall, PastTurn
from app.dialogue.turn import ActionKind, AgentProfile, DialogueState, ToolResult, WhatsAppStanding
from app.dialogue.verification import FactorCheck
from app.nlu.understander import Understander
from app.rehearsal.canned import CannedTools

_PEOPLE: Final = frozenset({ActionKind.TRANSFER, ActionKind.HANDOFF_WHATSAPP, ActionKind.CALLBACK, ActionKind.TICKET})
_NOTHING: Final = "out_of_scope"
_log = structlog.get_logger(__name__)


class Verdict(StrEnum):
    """What a difference means for the caller."""

    BETTER = "better"  # understood now, or no person is needed any more
    CHANGED = "changed"  # another sentence, or other values: for a person to look at
    WORSE = "worse"  # understood otherwise or not at all, another write, a person where none was needed
    BROKEN = "broken"  # the candidate failed


@dataclass(frozen=True, slots=True)
class Player:
    """One of the two: how it understands and which flows it follows (in its profile)."""

    understander: Understander
    profile: AgentProfile


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one turn, without the caller's words.

    Attributes:
        intent: What was understood; "" for keys and secrets.
        values: Kinds of the values in the words.
        flow: The frame that is open after it.
        says: Keys of the sentences that were spoken.
        tools: Tools that were asked.
        writes: Those of them that change something.
        actions: What the channel was told to do.
        ended: Whether the conversation was over.
    """

    intent: str
    values: tuple[str, ...]
    flow: str | None
    says: tuple[str, ...]
    tools: tuple[str, ...]
    writes: tuple[str, ...]
    actions: tuple[str, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """The first turn of a call in which the two part; `candidate` None where it failed."""

    call_id: str
    turn: int
    verdict: Verdict
    live: Played
    candidate: Played | None

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return asdict(self)


class Stage:
    """Where both play: the engine, canned answers in place of the tenant's systems, the day."""

    def __init__(self, engine: DialogueEngine, answers: Mapping[str, ToolResult], now: datetime) -> None:
        self._engine = engine
        self._answers = answers
        self._now = now

    async def compare(self, call: PastCall, live: Player, candidate: Player) -> Difference | None:
        """Returns where two players part in a call, None where nothing differs."""
        before = await self.play(call, live)
        try:
            after = await self.play(call, candidate)
        except Exception:
            _log.exception("replay.candidate_failed", call_id=call.call_id)
            first = call.turns[0].number
            return Difference(call.call_id, first, Verdict.BROKEN, before[0], None)
        for turn, one, other in zip(call.turns, before, after, strict=True):
            if one != other:
                return Difference(call.call_id, turn.number, _verdict(before, after, one, other), one, other)
        return None

    async def play(self, call: PastCall, player: Player) -> list[Played]:
        """Returns what becomes of each turn of a call.

        The caller counts as one who agreed to WhatsApp: the question would take their next words for its answer.
        """
        profile = replace(player.profile, whatsapp=WhatsAppStanding.AGREED)
        player = replace(player, profile=profile)
        _, state = await self._engine.open(profile, call.language, f"replay:{call.call_id}")
        played: list[Played] = []
        for turn in call.turns:
            tools = CannedTools(self._answers, profile.tools, FactorCheck.MATCHED)
            state, one = await self._turn(turn, state, player, tools)
            played.append(one)
        return played

    async def _turn(
        self, turn: PastTurn, state: DialogueState, player: Player, tools: CannedTools
    ) -> tuple[DialogueState, Played]:
        profile = player.profile
        expectation, digits = self._engine.listening(state, profile)
        intent = ""
        values: tuple[str, ...] = ()
        if turn.keyed or turn.hidden:
            keys = turn.text or "1" * (digits[0] if digits else 4)
            reply, following = await self._engine.handle_digits(state, keys, profile, tools)
        else:
            heard = await asyncio.to_thread(
                player.understander.understand,
                turn.text,
                enabled=profile.languages,
                current_language=state.language,
                expectation=expectation,
                expected_digits=digits,
                now=self._now,
            )
            intent, values = heard.intent, tuple(sorted({entity.kind for entity in heard.entities}))
            reply, following = await self._engine.handle_turn(state, heard, profile, tools)
        spoken = tuple(sorted(key for key, times in following.used.items() if times > state.used.get(key, 0)))
        asked = tuple(one["tool"] for one in tools.asked)
        writes = tuple(one["tool"] for one in tools.asked if one["write"])
        actions = tuple(action.kind.value for action in reply.actions)
        return following, Played(intent, values, following.flow, spoken, asked, writes, actions, following.ended)


def _verdict(before: Sequence[Played], after: Sequence[Played], one: Played, other: Played) -> Verdict:
    """Returns what the first difference means, with both calls played to their end."""
    person_before, person_after = _person(before), _person(after)
    if person_after and not person_before:
        return Verdict.WORSE
    if one.intent != other.intent:
        return Verdict.BETTER if one.intent == _NOTHING else Verdict.WORSE
    if _written(before) != _written(after):
        return Verdict.WORSE
    return Verdict.BETTER if person_before and not person_after else Verdict.CHANGED


def _person(played: Sequence[Played]) -> bool:
    return any(action in _PEOPLE for turn in played for action in turn.actions)


def _written(played: Sequence[Played]) -> list[str]:
    return [tool for turn in played for tool in turn.writes]
