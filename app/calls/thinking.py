"""From what the caller said to what the agent would answer; speculative until the session commits it."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from typing import Final

import structlog

from app.calls.discretion import discreet
from app.calls.hearing import bias_for, packs_of
from app.calls.prosody import LastAudio, measure_turn
from app.dialogue.engine import DialogueEngine
from app.dialogue.prosody import Prosody
from app.dialogue.speculation import CommitNeeded, ReadOnly
from app.dialogue.turn import AgentProfile, DialogueState, Expectation, Reply, Say, Tools
from app.errors import AppError, NluError, StageError
from app.language.loader import PackRegistry
from app.language.redaction import Redactor
from app.nlu.insight import SHARED, Insight
from app.nlu.understander import Understander
from app.nlu.understanding import Understanding
from app.speech.asr.engine import Bias, Transcript
from app.speech.mouth import Mouth
from app.speech.tts.engine import Voice

_log = structlog.get_logger("calls")
_MUST_SOUND: Final = (
    "technical_problem",
    "handoff_whatsapp_done",
    "handoff_whatsapp_failed",
    "transfer_to_person",
    "transfer_failed",
    "no_person_available",
    "goodbye",
)
_NO_PROGRESS: Final = frozenset({"out_of_scope", "silence"})


@dataclass(frozen=True, slots=True)
class Listening:
    """What the dialogue listens for. What proves who calls is `secret`: it is heard, and kept nowhere."""

    expectation: Expectation = Expectation.OPEN
    digits: tuple[int, int] | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Thought:
    """A possible turn: nothing of it has happened until it is committed. `stages_ms` are durations.

    `waits_for` names what the turn would write or verify: it is answered once it is certain, by `answer(certain=True)`.
    """

    transcript: Transcript
    understanding: Understanding
    reply: Reply
    state: DialogueState
    resolved: bool
    stages_ms: Mapping[str, float]
    waits_for: str | None = None
    prosody: Prosody | None = None


def _redactor_of(packs: PackRegistry) -> Redactor:
    return Redactor({pack.tag: pack for pack in packs.packs})


class Thinker:
    """The mind of a process, shared by its calls: understanding, dialogue and the first sentence's audio."""

    def __init__(self, packs: PackRegistry, understander: Understander, dialogue: DialogueEngine, mouth: Mouth) -> None:
        self.packs = packs
        self.dialogue = dialogue
        self.mouth = mouth
        self._understander = understander
        self._redactor = _redactor_of(packs)
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nlu")
        self._preparing: set[asyncio.Task[None]] = set()

    def successor(self, packs: PackRegistry, understander: Understander, dialogue: DialogueEngine) -> "Thinker":
        """Returns a thinker with another mind on the same thread and voice; calls under way keep the one they have."""
        heir = copy(self)
        heir.packs, heir.dialogue, heir._understander = packs, dialogue, understander
        heir._redactor = _redactor_of(packs)
        return heir

    def close(self) -> None:
        """Ends the thread that understanding runs on."""
        for task in self._preparing:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def start(self) -> None:
        """Synthesises the sentences that must sound even while the speech worker is down."""
        for tag in self.packs.tags:
            voice = self.voice(tag)
            responses = self.packs.get(tag).responses
            texts = [text for key in _MUST_SOUND for text in responses[key] if "{" not in text]
            await self.mouth.prepare([(text, voice) for text in texts], pinned=True)

    def prepare_opening(self, profile: AgentProfile) -> None:
        """Synthesises an agent's opening while the phone still rings, so that it begins with the first frame."""
        task = asyncio.create_task(self._prepare_opening(profile))
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)

    async def _prepare_opening(self, profile: AgentProfile) -> None:
        try:
            reply, _ = await self.dialogue.open(profile, profile.default_language)
            for say in reply.says:
                await self.prepare(say)
        except AppError as error:
            _log.warning("calls.opening_not_prepared", code=error.code)

    def bias(self, listening: Listening, profile: AgentProfile) -> Bias:
        """Returns what the recogniser should lean towards in the next utterance."""
        packs = packs_of(profile.languages, self.packs.packs)
        return bias_for(listening.expectation, listening.digits, packs, profile.vocabulary)

    async def understand(
        self,
        transcript: Transcript,
        state: DialogueState,
        listening: Listening,
        profile: AgentProfile,
        insight: Insight = SHARED,
    ) -> Understanding:
        """Returns what the words mean here; where that is in doubt, a second opinion is heard within its time limit.

        A PIN or code that nobody asked for is taken out at once.

        Raises:
            NluError: Understanding failed.
        """
        understander = insight.understander or self._understander

        def run() -> Understanding:
            found = understander.understand(
                transcript.text,
                enabled=state.languages,
                current_language=state.language,
                expectation=listening.expectation,
                expected_digits=listening.digits,
                asr_confidence=transcript.confidence,
                alternatives=[(other.text, other.confidence) for other in transcript.alternatives],
                now=self.dialogue.now(profile),
            )
            return found if listening.secret else discreet(found, self._redactor)

        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, run)
        except StageError:
            raise
        except Exception as error:
            _log.exception("calls.understanding_failed")
            raise NluError("understanding failed") from error
        if insight.opinion is None or listening.secret:
            return found
        return await insight.opinion.about(found, listening.expectation, state.language)

    async def voice_of(self, last: LastAudio, transcript: Transcript) -> Prosody | None:
        """Returns how the turn was spoken, measured beside the event loop; None where it holds no words."""
        if not transcript.words:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._threads, measure_turn, last, transcript.words)

    async def answer(
        self,
        transcript: Transcript,
        understanding: Understanding,
        state: DialogueState,
        profile: AgentProfile,
        tools: Tools,
        listening: Listening,
        stages_ms: Mapping[str, float],
        prosody: Prosody | None = None,
        *,
        certain: bool = False,
    ) -> Thought:
        """Returns the turn that this understanding leads to, its first sentence already synthesised.

        What is not `certain` only reads: a thought that is thrown away has written nothing.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            reply, new_state = await self.dialogue.handle_turn(
                state, understanding, profile, tools if certain else ReadOnly(tools), prosody
            )
        except CommitNeeded as needed:
            return Thought(transcript, understanding, Reply(()), state, True, stages_ms, needed.what, prosody)
        decided = clock()
        if reply.says:
            await self.prepare(reply.says[0])
        stages = {
            **stages_ms,
            "dialogue": round((decided - started) * 1_000, 1),
            "synthesis": round((clock() - decided) * 1_000, 1),
        }
        stuck = listening.expectation is Expectation.DIGITS and new_state.awaiting == state.awaiting is not None
        resolved = understanding.intent not in _NO_PROGRESS and new_state.misses == 0 and not stuck
        return Thought(transcript, understanding, reply, new_state, resolved, stages, None, prosody)

    async def prepare(self, say: Say, pace: float = 1.0) -> None:
        """Synthesises a sentence ahead of need."""
        await self.mouth.prepare([(say.text, self.voice(say.language, pace))])

    def voice(self, language: str, pace: float = 1.0) -> Voice:
        """Returns a language's voice, at a share of its usual pace."""
        manifest = self.packs.get(language).manifest
        voice = Voice(manifest.tts_voice, manifest.tts_rate_wpm, manifest.tts_pitch)
        return voice if pace == 1.0 else replace(voice, rate_wpm=int(voice.rate_wpm * pace))
