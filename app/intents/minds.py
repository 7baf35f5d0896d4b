"""Which understander an agent's conversation gets: the one with its own intents, if they are live and loaded."""

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Final

import structlog

from app.errors import AppError
from app.intents.fitting import examples_of, fit_apart
from app.intents.models import IntentVersion
from app.intents.service import IntentService
from app.kit.clock import Clock
from app.language.loader import PackRegistry
from app.languages.mind import LiveMind
from app.nlu.opinion import Choice
from app.nlu.understander import Understander

MOST_KEPT: Final = 16
"""Models in memory per process, about 25 MB each; the least recently used goes."""
_LOOK_AGAIN_SECONDS: Final = 5.0
_WAIT_SECONDS: Final = 1.5
_log = structlog.get_logger(__name__)


class OwnMinds:
    """Loads understanders of own intents behind, a few at a time, and remembers them."""

    def __init__(self, intents: IntentService, mind: LiveMind, models_dir: Path, clock: Clock) -> None:
        self._intents = intents
        self._mind = mind
        self._models_dir = models_dir
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str], tuple[float, IntentVersion | None]] = OrderedDict()
        self._kept: OrderedDict[str, Understander] = OrderedDict()
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    async def of(self, tenant_id: str, agent_id: str) -> tuple[Understander | None, tuple[Choice, ...]]:
        """Returns an agent's understander and what its own intents mean; None: the shared one.

        A model that is not loaded is waited for a moment; then the conversation begins with the shared one, and those
        after it have their own.
        """
        version = await self._live(tenant_id, agent_id)
        if version is None:
            return None, ()
        registry = self._mind.current.registry
        key = f"{version.version_id}|{sorted(registry.versions.items())}"
        if key not in self._kept:
            task = self._loading.get(key)
            if task is None:
                task = self._loading[key] = asyncio.create_task(self._load(key, registry, version))
                task.add_done_callback(lambda _: self._loading.pop(key, None))
            await asyncio.wait([task], timeout=_WAIT_SECONDS)
        kept = self._kept.get(key)
        if kept is None:
            _log.warning("intents.not_loaded_yet", tenant_id=tenant_id, agent_id=agent_id, version=version.version)
            return None, ()
        self._kept.move_to_end(key)
        return kept, tuple(Choice(intent.name, intent.means) for intent in version.intents)

    async def fetched(self, version: IntentVersion) -> Understander:
        """Returns the understander of any trained version, which is not kept; one that is lost is trained again.

        Raises:
            AppError: It cannot be loaded.
        """
        registry, models_dir = self._mind.current.registry, self._models_dir
        examples = examples_of(registry, version.intents)
        if not Understander.is_cached(registry, models_dir, examples):
            await asyncio.to_thread(fit_apart, registry, version.intents, models_dir)
        return await asyncio.to_thread(Understander, registry, models_dir, examples)

    async def close(self) -> None:
        """Gives up what is being loaded."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _live(self, tenant_id: str, agent_id: str) -> IntentVersion | None:
        now, key = self._clock.monotonic(), (tenant_id, agent_id)
        seen = self._seen.get(key)
        if seen is None or now - seen[0] >= _LOOK_AGAIN_SECONDS:
            seen = (now, await self._intents.live(tenant_id, agent_id))
            self._seen[key] = seen
            self._seen.move_to_end(key)
            if len(self._seen) > 4_096:
                self._seen.popitem(last=False)
        return seen[1]

    async def _load(self, key: str, registry: PackRegistry, version: IntentVersion) -> None:
        """Loads a model; one that the cache lacks, since packs changed or on a new machine, is trained apart first."""
        try:
            async with self._turn:
                if not Understander.is_cached(registry, self._models_dir, examples_of(registry, version.intents)):
                    await asyncio.to_thread(fit_apart, registry, version.intents, self._models_dir)
                self._kept[key] = await asyncio.to_thread(
                    Understander, registry, self._models_dir, examples_of(registry, version.intents)
                )
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        except (AppError, OSError, ValueError, RuntimeError) as error:
            named = {"tenant_id": version.tenant_id, "version_id": version.version_id}
            _log.error("intents.not_loaded", **named, error=str(error))
