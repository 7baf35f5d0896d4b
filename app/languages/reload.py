"""Reads the packs again while calls go on: checked at once, trained apart, exchanged when ready, in every process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from app.errors import AppError, PackError, Unavailable
from app.kit.signals import Signals
from app.language.loader import PackRegistry, PackReport
from app.language.packs import Pack
from app.languages.mind import LiveMind, Mind, make_mind, train_apart

CHANNEL: Final = "service"
RELOAD: Final = "packs.reload"
_LISTEN_AGAIN_SECONDS: Final = 5.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found when the folders were read again.

    Attributes:
        taken: Tag -> version of each pack that is new or changed; it serves once its model is trained.
        unchanged: Tags that stay as they are.
        rejected: Findings in each pack that is wrong; what served before goes on serving.
    """

    taken: Mapping[str, str]
    unchanged: tuple[str, ...]
    rejected: tuple[PackReport, ...]


class PackReloads:
    """One process's way to new packs."""

    def __init__(
        self,
        mind: LiveMind,
        models_dir: Path,
        signals: Signals,
        train: Callable[[tuple[Pack, ...], Path], None] = train_apart,
        make: Callable[[PackRegistry, Path], Mind] = make_mind,
    ) -> None:
        """Starts nothing; `listen` does.

        Args:
            mind: What is exchanged.
            models_dir: Where trained models are kept; shared by the processes of a machine.
            signals: How the other processes learn of it.
            train: Trains a model into the cache, blocking.
            make: Builds a mind of packs whose model is in the cache, blocking.
        """
        self._mind = mind
        self._models_dir = models_dir
        self._signals = signals
        self._train = train
        self._make = make
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()
        self._followers: list[Callable[[Mind], Awaitable[None]]] = []

    def follow(self, follower: Callable[[Mind], Awaitable[None]]) -> None:
        """Has `follower` awaited with each new mind, right after it began to serve."""
        self._followers.append(follower)

    async def request(self) -> Reading:
        """Checks the folders now and lets every process take what is right; training goes on behind.

        Raises:
            PackError: The contract is wrong, or changed.
        """
        reading = await self._read()
        self.begin(tell=True)
        return reading

    def announce(self) -> None:
        """Starts taking over what the folders hold, here and in the other processes; for a signal handler."""
        self.begin(tell=True)

    def begin(self, *, tell: bool = False) -> None:
        """Starts taking over what the folders hold, behind.

        Args:
            tell: Whether the other processes are told to do the same.
        """
        task = asyncio.get_running_loop().create_task(self._run(tell))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def settled(self) -> None:
        """Waits until no reload is under way."""
        while self._running:
            await asyncio.wait(self._running)

    async def listen(self) -> None:
        """Follows the other processes' signals for ever; after a gap the folders are looked at, as one may be lost."""
        missed = False
        while True:
            try:
                async with self._signals.subscribe(CHANNEL) as messages:
                    if missed:
                        self.begin()
                    async for message in messages:
                        if message.get("type") == RELOAD:
                            self.begin()
            except Unavailable:
                missed = True
                await asyncio.sleep(_LISTEN_AGAIN_SECONDS)

    async def close(self) -> None:
        """Gives up what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _read(self) -> Reading:
        before = self._mind.current.registry
        after = await asyncio.to_thread(before.again)
        return Reading(
            taken={tag: version for tag, version in after.versions.items() if before.versions.get(tag) != version},
            unchanged=tuple(tag for tag, version in after.versions.items() if before.versions.get(tag) == version),
            rejected=after.rejected,
        )

    async def _run(self, tell: bool) -> None:
        """Takes over what the folders hold; a failure is logged and the mind that serves stays."""
        if tell:
            await self._signals.publish(CHANNEL, {"type": RELOAD})
        async with self._turn:
            try:
                await self._take()
            except PackError as error:
                _log.error("packs.not_reloaded", problem=error.detail)
            except (AppError, OSError, RuntimeError, ValueError) as error:
                _log.error("packs.not_reloaded", problem=f"{type(error).__name__}: {error}")

    async def _take(self) -> None:
        before = self._mind.current
        registry: PackRegistry = await asyncio.to_thread(before.registry.again)
        for report in registry.rejected:
            for problem in report.faults:
                _log.error("packs.rejected", pack=report.tag, problem=str(problem))
        if registry.versions == before.registry.versions:
            return
        await asyncio.to_thread(self._train, registry.packs, self._models_dir)
        mind = await asyncio.to_thread(self._make, registry, self._models_dir)
        self._mind.exchange(mind)
        _log.info("packs.reloaded", versions=dict(registry.versions))
        for follower in self._followers:
            await follower(mind)
