"""From what the caller said to what the agent would answer; speculative until the session commits it."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import structlog

from app.dialogue.engine import DialogueEngine
from app.dialogue.turn import AgentProfile, DialogueState, Expectation, Reply, Say, Tools
from app.errors import NluError, StageError
from app.language.loader import PackRegistry
from app.nlu.understander import Understander
from app.nlu.understanding import Understanding
from app.speech.asr.engine import Transcript
from app.speech.mouth import Mouth
from app.speech.tts.engine import Voice

_log = structlog.get_logger("calls")
_NO_PROGRESS: Final = frozenset({"out_of_scope", "silence"})


@dataclass(frozen=True, slots=True)
class Listening:
    """What the dialogue listens for."""

    expectation: Expectation = Expectation.OPEN
    digits: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Thought:
    """A possible turn: nothing of it has happened until it is committed. `stages_ms` are durations."""

    transcript: Transcript
    understanding: Understanding
    reply: Reply
    state: DialogueState
    resolved: bool
    stages_ms: Mapping[str, float]


class Thinker:
    """The mind of a process, shared by its calls: understanding, dialogue and the first sentence's audio."""

    def __init__(self, packs: PackRegistry, understander: Understander, dialogue: DialogueEngine, mouth: Mouth) -> None:
        self.packs = packs
        self.dialogue = dialogue
        self.mouth = mouth
        self._understander = understander
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nlu")
        self._preparing: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Ends the thread that understanding runs on."""
        for task in self._preparing:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def start(self) -> None:
        """Synthesises the sentences that must sound even while the speech worker is down."""
        for tag in self.packs.tags:
            voice = self.voice(tag)
            texts = self.packs.get(tag).responses["technical_problem"]
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
        except StageError as error:
            _log.warning("calls.opening_not_prepared", code=error.code)

    async def understand(self, transcript: Transcript, state: DialogueState, listening: Listening) -> Understanding:
        """Returns what the words mean here.

        Raises:
            NluError: Understanding failed.
        """

        def run() -> Understanding:
            return self._understander.understand(
                transcript.text,
                enabled=state.languages,
                current_language=state.language,
                expectation=listening.expectation,
                expected_digits=listening.digits,
                asr_confidence=transcript.confidence,
            )

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, run)
        except StageError:
            raise
        except Exception as error:
            raise NluError(f"understanding failed: {error}") from error

    async def answer(
        self,
        transcript: Transcript,
        understanding: Understanding,
        state: DialogueState,
        profile: AgentProfile,
        tools: Tools,
        listening: Listening,
        stages_ms: Mapping[str, float],
    ) -> Thought:
        """Returns the turn that this understanding leads to, its first sentence already synthesised."""
        clock = asyncio.get_running_loop().time
        started = clock()
        reply, new_state = await self.dialogue.handle_turn(state, understanding, profile, tools)
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
        return Thought(transcript, understanding, reply, new_state, resolved, stages)

    async def prepare(self, say: Say, pace: float = 1.0) -> None:
        """Synthesises a sentence ahead of need."""
        await self.mouth.prepare([(say.text, self.voice(say.language, pace))])

    def voice(self, language: str, pace: float = 1.0) -> Voice:
        """Returns a language's voice, at a share of its usual pace."""
        manifest = self.packs.get(language).manifest
        voice = Voice(manifest.tts_voice, manifest.tts_rate_wpm, manifest.tts_pitch)
        return voice if pace == 1.0 else replace(voice, rate_wpm=int(voice.rate_wpm * pace))
