"""Invents espeak-ng voice variants, so that training hears hundreds of vocal tracts, not a few."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import espeakng_loader

_FORMANTS = 9


def invented_voice(name: str, rng: random.Random) -> str:
    """Returns a voice file: another vocal tract, pitch, breath, tone and stress."""
    tract = rng.triangular(0.82, 1.32, 1.03)
    low = rng.randint(72, 190)
    lines = ["language variant", f"name {name}", f"gender {'male' if tract < 1.06 else 'female'}"]
    lines.append(f"pitch {low} {low + rng.randint(15, 90)}")
    for index in range(_FORMANTS):
        place = max(60, min(145, round(100 * tract * rng.gauss(1, 0.045 if index < 4 else 0.09))))
        loudness = max(25, round(rng.gauss(95, 22 if index < 3 else 38)))
        width = max(50, min(260, round(rng.gauss(120, 40))))
        lines.append(f"formant {index} {place} {loudness} {width}")
    lines.append(f"voicing {rng.randint(55, 135)}")
    lines.append(f"consonants {rng.randint(50, 130)} {rng.randint(50, 130)}")
    lines.append(f"flutter {rng.choice([0, 1, 2, 4, 8])}")
    lines.append(f"roughness {rng.choice([0, 0, 1, 2, 3])}")
    if rng.random() < 0.4:
        lines.append("breath " + " ".join(str(rng.randint(0, 60)) for _ in range(6)))
    if rng.random() < 0.6:
        edges = sorted(rng.sample(range(300, 3600, 50), 3))
        heights = [rng.randint(60, 255), rng.randint(40, 255), rng.randint(30, 220), rng.randint(10, 180)]
        lines.append("tone " + " ".join(f"{hz} {height}" for hz, height in zip([90, *edges], heights, strict=True)))
    if rng.random() < 0.3:
        lines.append("stressAmp " + " ".join(str(rng.randint(14, 24)) for _ in range(8)))
    if rng.random() < 0.15:
        lines.append(f"klatt {rng.randint(1, 4)}")
    return "\n".join(lines) + "\n"


def write_voices(folder: Path, count: int, seed: int) -> list[str]:
    """Copies espeak's data to `folder` and adds `count` invented voices; returns the voices' names."""
    shutil.copytree(espeakng_loader.get_data_path(), folder, dirs_exist_ok=True)
    names = [f"invented{seed}n{index:03d}" for index in range(count)]
    rng = random.Random(seed)
    for name in names:
        (folder / "voices" / "!v" / name).write_text(invented_voice(name, rng), encoding="utf-8")
    return names
