"""From a pause to a certain answer: thinks while the turn may still go on, bridges slow tools, writes at most once.

What is thought at a pause only reads and may be dropped. An answer that writes is thought again once the turn is over
(`decide`), and then nothing the caller does undoes it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

from app.calls.playback import Playback
from app.calls.prosody import LastAudio
from app.calls.thinking import Listening, Thinker, Thought
from app.calls.tooling import ToolWatch
from app.dialogue.speculation import ReadOnly
from app.dialogue.turn import AgentProfile, DialogueState, Reply, Say, Tools
from app.nlu.insight import Insight
from app.speech.asr.engine import Transcript

THINKING_ALOUD_SECONDS: Final = 0.7
THINKING_LIMIT_SECONDS: Final = 8.0
BRIDGE_SECONDS: Final = 2.5
T = TypeVar("T")


class Deliberation:
    """What one call is thinking about its present turn."""

    def __init__(
        self,
        *,
        thinker: Thinker,
        tools: Tools,
        profile: AgentProfile,
        insight: Insight,
        playback: Playback,
        say: Callable[[Say], Awaitable[None]],
        on_thought: Callable[[Thought], None],
    ) -> None:
        """Creates an empty mind.

        Args:
            thinker: The process's.
            tools: The tenant's systems.
            profile: The agent.
            insight: What the agent understands with.
            playback: What the caller hears.
            say: Speaks a sentence after what is being said.
            on_thought: Learns of each thought, dropped later or not.
        """
        self._thinker = thinker
        self._tools = tools
        self._profile = profile
        self._insight = insight
        self._playback = playback
        self._say = say
        self._on_thought = on_thought
        self._loop = asyncio.get_running_loop()
        self._thought: asyncio.Task[Thought] | None = None
        self._deciding = asyncio.Lock()
        self._bridged = False
        self.last_audio = LastAudio()
        self.watch = self._new_watch()

    @property
    def is_deciding(self) -> bool:
        """Whether an answer that writes is being made: it is not given up any more."""
        return self._deciding.locked()

    @property
    def has_thought(self) -> bool:
        """Whether the turn is being thought about."""
        return self._thought is not None

    def begin(self, finish: Callable[[], Awaitable[Transcript]], state: DialogueState, listening: Listening) -> None:
        """Thinks about the turn as if it were over.

        Args:
            finish: Returns the final transcript so far.
            state: Where the dialogue stands.
            listening: What it listens for.
        """
        if self._playback.paused:
            state = replace(state, cut=True)
        self.watch = self._new_watch()
        self._thought = self._loop.create_task(self._think(finish, state, listening))
        self._thought.add_done_callback(_retrieved)

    def drop(self) -> None:
        """Forgets what was thought."""
        if self._thought is not None and self._thought is not asyncio.current_task():
            self._thought.cancel()
        self._thought = None

    def close(self) -> None:
        """The call is over."""
        if self._thought is not None:
            self._thought.cancel()

    async def outcome(self, state: DialogueState) -> Thought | None:
        """Returns what came of the thinking; None if nothing is thought.

        Raises:
            StageError: A stage failed.
            TimeoutError: It takes too long.
        """
        if self._thought is None:
            return None
        return await self._said_to_wait(self._thought, self.watch, state)

    async def answer_again(self, held: Thought, state: DialogueState, listening: Listening) -> Thought:
        """Returns the answer to words that were said earlier, as things stand now."""
        self.watch = self._new_watch()
        return await self._thinker.answer(
            held.transcript, held.understanding, state, self._profile, self.watch, listening, {}
        )

    async def decide(self, thought: Thought, state: DialogueState, listening: Listening) -> Thought:
        """Answers a turn again that writes, now that it is certain.

        Raises:
            StageError: A stage failed.
            TimeoutError: It takes too long; it goes on, and what it writes is written.
        """
        watch = self._new_watch()
        async with self._deciding:
            work = self._loop.create_task(
                self._thinker.answer(
                    thought.transcript,
                    thought.understanding,
                    state,
                    self._profile,
                    watch,
                    listening,
                    thought.stages_ms,
                    thought.prosody,
                    certain=True,
                )
            )
            work.add_done_callback(_retrieved)
            decided = await self._said_to_wait(work, watch, state)
        self.watch = watch
        return decided

    async def digits(self, state: DialogueState, keys: str, *, certain: bool) -> tuple[Reply, DialogueState]:
        """Answers an entry on the keypad.

        Raises:
            CommitNeeded: The answer writes, and it is not certain yet.
            StageError: A stage failed.
            TimeoutError: It takes too long.
        """
        if not certain:
            self.watch = self._new_watch()
            return await self._typed(state, keys, ReadOnly(self.watch))
        async with self._deciding:
            return await self._typed(state, keys, self.watch)

    async def finish_bridge(self) -> None:
        """Lets "one moment" be heard to its end before the answer comes, unless the caller speaks."""
        bridged, self._bridged = self._bridged, False
        if bridged and not self._playback.paused:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._playback.drained(), BRIDGE_SECONDS)

    async def _typed(self, state: DialogueState, keys: str, tools: Tools) -> tuple[Reply, DialogueState]:
        work = self._thinker.dialogue.handle_digits(state, keys, self._profile, tools)
        return await self._said_to_wait(self._loop.create_task(work), self.watch, state)

    async def _think(
        self, finish: Callable[[], Awaitable[Transcript]], state: DialogueState, listening: Listening
    ) -> Thought:
        started, watch = self._loop.time(), self.watch
        transcript = await finish()
        heard = self._loop.time()
        understanding = await self._thinker.understand(transcript, state, listening, self._profile, self._insight)
        stages = {
            "transcript": round((heard - started) * 1_000, 1),
            "understanding": round((self._loop.time() - heard) * 1_000, 1),
        }
        prosody = await self._thinker.voice_of(self.last_audio, transcript)
        thought = await self._thinker.answer(
            transcript, understanding, state, self._profile, watch, listening, stages, prosody
        )
        self._on_thought(thought)
        return thought

    async def _said_to_wait(self, work: "asyncio.Future[T]", watch: ToolWatch, state: DialogueState) -> T:
        """Returns what comes of `work`; the caller hears "one moment" when it, or a tool in it, takes its time.

        Raises:
            TimeoutError: It takes too long altogether; it goes on.
        """
        slow = self._loop.create_task(watch.slow.wait())
        either: set[asyncio.Future[Any]] = {work, slow}
        try:
            await asyncio.wait(either, timeout=THINKING_ALOUD_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            slow.cancel()
        if not work.done() and not self._playback.speaking:
            await self._say(self._thinker.dialogue.checking(state))
            self._bridged = True
        return await asyncio.wait_for(asyncio.shield(work), THINKING_LIMIT_SECONDS)

    def _new_watch(self) -> ToolWatch:
        return ToolWatch(self._tools, self._profile.tool_patience_ms)


def _retrieved(task: "asyncio.Task[Any]") -> object:
    """Takes a dropped task's error, so that nobody is told it was never looked at."""
    return task.cancelled() or task.exception()
