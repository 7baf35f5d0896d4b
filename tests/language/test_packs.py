"""Every shipped pack is complete, in its own letters, short enough to be heard out, and speakable."""

import shutil
import subprocess
import wave
from pathlib import Path

import pytest

from app.language.checks import strings_of
from app.language.loader import PackRegistry, validate_pack
from app.language.numbers import spoken_amount, spoken_digits
from app.language.packs import Pack
from app.language.render import disclosure, render, slots_of
from app.language.scripts import LATIN, script_of_word
from tests.packs import PACKS_DIR

pytestmark = pytest.mark.langpack

TAGS = sorted(path.parent.name for path in PACKS_DIR.glob("*/manifest.yaml"))
SLOTS = {
    "entity": "Sundar Stores", "purpose": "x", "number": "1 8 0 0", "url": "example.in", "city": "Chennai",
    **dict.fromkeys(
        ("topic", "address", "item", "amount", "time", "opens", "closes", "quantity",
         "budget", "reason", "about", "why"), "x"
    ),
}  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_pack_has_no_problem_and_a_grade(tag: str) -> None:
    report = validate_pack(PACKS_DIR / tag)
    assert not report.faults, "\n".join(map(str, report.faults[:20]))
    assert report.grade in "ABC"


@pytest.mark.parametrize("tag", TAGS)
def test_native_sentences_are_in_the_native_script(registry: PackRegistry, tag: str) -> None:
    pack = registry.get(tag)
    native = set(pack.manifest.scripts) - {LATIN} or {LATIN}
    for source in (pack.intents, pack.tests):
        for intent, forms in source.items():
            for text in forms.get("native", ()):
                scripts = [script_of_word(word) for word in text.split()]
                known = [script for script in scripts if script]
                assert sum(script in native for script in known) >= len(known) / 2, (intent, text)
            for text in forms.get("romanised", ()):
                assert {script_of_word(word) for word in text.split()} <= {LATIN, None}, (intent, text)


@pytest.mark.parametrize("tag", TAGS)
def test_recognised_form_is_as_the_recogniser_writes(registry: PackRegistry, tag: str) -> None:
    for intent, forms in registry.get(tag).intents.items():
        for text in forms["asr"]:
            assert not any(char in ".,?!|।;:" for char in text), (intent, text)
            assert text == text.lower(), (intent, text)
            assert not any(char.isdigit() for char in text), (intent, text)


@pytest.mark.parametrize("tag", TAGS)
def test_every_response_renders_in_all_variants(registry: PackRegistry, tag: str) -> None:
    pack = registry.get(tag)
    values = {**SLOTS, "order_id": spoken_digits(pack, "4512"), "digits": spoken_digits(pack, "45"), "date": "x"}
    for key, rule in registry.contract.responses.items():
        bare = render(pack, key, {name: values[name] for name in rule.required})
        assert bare and "{" not in bare
        for variant in range(len(pack.responses[key])):
            assert "{" not in render(pack, key, values, variant)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize("tag", TAGS)
def test_opening_is_heard_within_twelve_seconds(registry: PackRegistry, tag: str, tmp_path: Path) -> None:
    pack = registry.get(tag)
    opening = " ".join(disclosure(pack, key, {"entity": "Sundar Stores"}) for key in pack.opening)
    assert 3.0 < _seconds(pack, opening, tmp_path) < 12.0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize("tag", TAGS)
def test_every_spoken_string_lasts_as_long_as_its_letters_say(registry: PackRegistry, tag: str, tmp_path: Path) -> None:
    pack = registry.get(tag)
    spoken = [text for _, text in strings_of({key: list(v) for key, v in pack.responses.items()}) if " " in text]
    spoken += [d.text for d in pack.disclosures.values()]
    spoken += [spoken_digits(pack, "0123456789"), spoken_amount(pack, 2_350)]
    for text in spoken:
        for slot in slots_of(text):
            text = text.replace(f"{{{slot}}}", "x")
        assert 0.03 < _seconds(pack, text, tmp_path) / len(text) < 0.2, text


def _seconds(pack: Pack, text: str, folder: Path) -> float:
    path = folder / "spoken.wav"
    manifest = pack.manifest
    subprocess.run(
        ["espeak-ng", "-v", manifest.tts_voice, "-s", str(manifest.tts_rate_wpm), "-w", str(path), text],
        check=True,
        timeout=20,
    )
    with wave.open(str(path)) as audio:
        return audio.getnframes() / audio.getframerate()
