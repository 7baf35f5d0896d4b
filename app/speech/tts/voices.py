"""Which voices the offline synthesiser has, read from its data folder without starting it."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import espeakng_loader


@lru_cache(maxsize=1)
def voice_names() -> frozenset[str]:
    """Returns the names, lower case, by which `Voice.name` may call a voice: its file's and its languages'."""
    folder = Path(espeakng_loader.get_data_path()) / "lang"
    return frozenset(name.lower() for path in sorted(folder.rglob("*")) if path.is_file() for name in _names(path))


def _names(path: Path) -> Iterator[str]:
    yield path.name
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "language":
            yield words[1]
