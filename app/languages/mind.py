"""The version of packs, understanding and dialogue that serves: one value, exchanged as a whole.

A call keeps the mind it began with; new calls and chats take the one that is current.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import structlog

from app.dialogue.engine import DialogueEngine
from app.dialogue.flow_source import ToolFacts
from app.errors import NotFound
from app.language.identify import identifier
from app.language.loader import PackRegistry
from app.language.packs import Pack
from app.language.strangers import load_profiles
from app.nlu.classifier import IntentClassifier
from app.nlu.understander import Understander

_NICE: Final = 10
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mind:
    """What understands and answers, in calls and in chats."""

    registry: PackRegistry
    understander: Understander
    dialogue: DialogueEngine


def make_mind(registry: PackRegistry, models_dir: Path, tools: Mapping[str, ToolFacts] | None = None) -> Mind:
    """Builds a mind, warm for its first utterance; seconds where the intent model is not trained yet.

    Args:
        registry: The packs.
        models_dir: Where trained models are kept.
        tools: What flows must know of the tools' contracts; None leaves the shipped flows unchecked.

    Raises:
        FlowFaults: A shipped flow does not fit its tool.
    """
    load_profiles()
    identifier(registry.packs)
    understander = Understander(registry, models_dir)
    for pack in registry.packs:
        understander.understand(pack.manifest.native_name, enabled=registry.tags, current_language=pack.tag)
    return Mind(registry, understander, DialogueEngine(registry, tools=tools))


def train_apart(packs: tuple[Pack, ...], models_dir: Path) -> None:
    """Trains the intent model of some packs into the cache, in a process of its own that yields to live calls."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=os.nice, initargs=(_NICE,)) as apart:
        apart.submit(_train, packs, models_dir).result()


def _train(packs: tuple[Pack, ...], models_dir: Path) -> None:
    IntentClassifier.build(packs, models_dir)


class LiveMind:
    """Holds the mind that new calls get; exchanged on the event loop, so that nobody sees half of one."""

    def __init__(self, first: Mind) -> None:
        self._current = first
        for report in first.registry.rejected:
            for problem in report.faults:
                _log.error("packs.rejected", pack=report.tag, problem=str(problem))

    @property
    def current(self) -> Mind:
        """The mind that serves."""
        return self._current

    def exchange(self, mind: Mind) -> None:
        """Lets `mind` serve from now on."""
        self._current = mind


class LivePacks(Mapping[str, Pack]):
    """The packs that serve, by tag; always the current ones, in whatever order rooms were built."""

    def __init__(self, mind: LiveMind) -> None:
        self._mind = mind

    def __getitem__(self, tag: str) -> Pack:
        """Returns the pack of a tag.

        Raises:
            KeyError: No such pack is loaded.
        """
        try:
            return self._mind.current.registry.get(tag)
        except NotFound:
            raise KeyError(tag) from None

    def __iter__(self) -> Iterator[str]:
        """Iterates over the tags."""
        return iter(self._mind.current.registry.tags)

    def __len__(self) -> int:
        """Returns how many packs serve."""
        return len(self._mind.current.registry.tags)
