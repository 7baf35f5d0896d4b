"""Reads what there is to say: phrase files, word lists and the language packs' own sentences."""

from __future__ import annotations

import gzip
import re
import subprocess
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.errors import ModelError

from ..spelling import normalise

LANGUAGES = ("en", "hi", "ta", "te")
_SCRIPT = {
    "hi": re.compile(r"^[\u0901-\u0939\u093c\u093e-\u094d\u0958-\u095f]+$"),
    "ta": re.compile(r"^[\u0b83-\u0bcd]+$"),
    "te": re.compile(r"^[\u0c01-\u0c4d]+$"),
    "en": re.compile(r"^[a-z]+$"),
}


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence to voice: `text` already normalised, `language` one of LANGUAGES, `kind` for the reports."""

    text: str
    language: str
    kind: str


def is_speakable(text: str) -> bool:
    """Tells whether a normalised sentence holds no figures or foreign symbols and is of a length worth voicing."""
    return bool(text) and len(text) <= 110 and not re.search(r"[0-9०-९௦-௯౦-౯]|[^\sa-z\u0900-\u0d7f]", text)


def is_held_out(text: str, share: float) -> bool:
    """Decides by the text alone, so that a sentence stays held out however the packs grow."""
    return zlib.crc32(text.encode()) % 1000 < share * 1000


def load_phrases() -> dict[str, dict[str, list[str]]]:
    """Reads both phrase files into one mapping of lists by language."""
    folder = Path(__file__).parent
    both: list[dict[str, dict[str, list[str]]]] = [
        yaml.load((folder / name).read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
        for name in ("phrases.yaml", "phrases_wide.yaml")
    ]
    return {language: both[0][language] | both[1].get(language, {}) for language in both[0]}


_ALSO_ENGLISH = frozenset(
    "ok whatsapp otp tv sms upi atm emi kyc cod gst id ids pdf url crm ivr faq led ac bye hi hello app email dont im "
    "ill thats whats ive isnt didnt wont cant youre its theres lets doesnt havent wasnt couldnt wouldnt hasnt arent ji"
    .split()
)  # fmt: skip


def is_romanised(text: str, english: set[str]) -> bool:
    """Tells whether a sentence holds words in Latin script that are not English: Indian words are not written so."""
    latin = [word for word in text.split() if word.isascii()]
    return any(len(word) > 1 and word not in english and word not in _ALSO_ENGLISH for word in latin)


def _read_words(source: str) -> Iterable[str]:
    cure = "apt-get install hunspell-hi aspell aspell-ta aspell-te wbritish, or name other lists in text.word_lists"
    try:
        if source.startswith("aspell:"):
            command = ["aspell", "-l", source[7:], "dump", "master"]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        stored = Path(source).read_bytes()
        return (gzip.decompress(stored) if source.endswith(".gz") else stored).decode().splitlines()
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError) as error:
        raise ModelError(f"{source}: no word list there ({type(error).__name__}); {cure}") from error


def load_words(language: str, source: str, longest: int | None = None) -> list[str]:
    """Reads a word list: a plain or hunspell file, or `aspell:xx` for an installed aspell dictionary."""
    lines = _read_words(source)
    words = {normalise(line.split("/")[0]) for line in lines}
    longest = longest or (9 if language == "en" else 11)
    return sorted(
        word
        for word in words
        if 2 <= len(word) <= longest and _SCRIPT[language].match(word) and unicodedata.category(word[0])[0] == "L"
    )


def pack_sentences(packs_dir: Path, forms: Sequence[str] = ("native", "mixed", "asr")) -> list[Utterance]:
    """Reads the language packs' own sentences; marks of slots go, sentences with figures drop out."""
    found: list[Utterance] = []
    for path in sorted(packs_dir.glob("*/intents.yaml")):
        language = path.parent.name.split("-")[0]
        if language not in LANGUAGES:
            continue
        for forms_of_intent in _mappings(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)):
            for form in forms:
                for sentence in forms_of_intent.get(form) or []:
                    text = normalise(re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", str(sentence)))
                    if is_speakable(text):
                        found.append(Utterance(text, language, "pack"))
    return found


def _mappings(node: Any) -> Iterable[dict[str, Any]]:
    if isinstance(node, dict):
        if "native" in node or "asr" in node or "mixed" in node:
            yield node
        for value in node.values():
            yield from _mappings(value)
