"""What redaction costs: half a thousand sentences of the packs' own tests through the spoken redactor, one by one."""

import json
import sys
import time
from pathlib import Path

import yaml

from app.kit.redaction import redact_figures
from app.language.loader import PackRegistry
from app.language.redaction import Redactor

ROOT = Path(__file__).parents[1]
ROUNDS = 5


def sentences() -> list[str]:
    """Returns every text in the packs' tests."""
    found: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            found.append(value)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            collect(inner)

    for file in sorted((ROOT / "lang_packs").glob("*/tests/*.yaml")):
        collect(yaml.safe_load(file.read_text()))
    return [text for text in found if " " in text]


def main() -> None:
    """Prints the figures as JSON."""
    packs = {pack.tag: pack for pack in PackRegistry.open(ROOT / "lang_packs").packs}
    texts = sentences()
    spoken = Redactor(packs)
    figures: dict[str, object] = {"sentences": len(texts), "rounds": ROUNDS}
    for name, redact in (("spoken", spoken), ("figures", redact_figures)):
        redact(texts[0])
        taken = []
        for text in texts * ROUNDS:
            begun = time.perf_counter()
            redact(text)
            taken.append((time.perf_counter() - begun) * 1_000)
        taken.sort()
        figures[name] = {f"p{p}_ms": round(taken[len(taken) * p // 100], 4) for p in (50, 95, 99)}
    json.dump(figures, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
