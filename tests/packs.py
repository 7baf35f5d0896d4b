"""The packs that ship, read once for all tests of a process: a registry is a value."""

from functools import cache
from pathlib import Path

from app.language.loader import PackRegistry

PACKS_DIR = Path(__file__).parents[1] / "lang_packs"


@cache
def shipped_packs() -> PackRegistry:
    """Returns the registry of `lang_packs`."""
    return PackRegistry.load(PACKS_DIR)
