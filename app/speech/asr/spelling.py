"""States how a transcript is written: one spelling for each word, and English words in Latin script."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

import yaml

_DROPPED = re.compile(r"[\u200b-\u200f\ufeff]")
_PUNCTUATION = re.compile(r"[^\w\s\u0900-\u0dff']|[।॥_]")
_SAME_WORD = {
    "छः": "छह", "छे": "छह", "छ": "छह", "हां": "हाँ", "यहां": "यहाँ", "कहां": "कहाँ", "वहां": "वहाँ", "पांच": "पाँच",
    "मां": "माँ", "बिलकुल": "बिल्कुल", "हिन्दी": "हिंदी", "अंग्रेजी": "अंग्रेज़ी", "रुपए": "रुपये", "ज्यादा": "ज़्यादा", "जरा": "ज़रा",
    "जरूर": "ज़रूर", "जरूरत": "ज़रूरत", "आवाज": "आवाज़", "हफ्ते": "हफ़्ते", "तारीख़": "तारीख", "ग़लत": "गलत", "ख़राब": "खराब",
    "फैसला": "फ़ैसला", "मुलाक़ात": "मुलाकात", "क़ीमत": "कीमत", "नक़ली": "नकली", "महंगा": "महँगा", "मंगाया": "मँगाया", "दांत": "दाँत",
    "गांव": "गाँव", "पहुंच": "पहुँच", "पहुंचा": "पहुँचा", "पहुंचेगा": "पहुँचेगा", "మళ్లీ": "మళ్ళీ",
}  # fmt: skip
_FUTURE = re.compile(r"(?<=[ा-ौऀ-ॿ])(ऊं|ूं)(?=ग[ाी]$)")


@cache
def _loanwords() -> dict[str, dict[str, list[str]]]:
    stored = (Path(__file__).parent / "loanwords.yaml").read_text(encoding="utf-8")
    words: dict[str, dict[str, list[str]]] = yaml.load(stored, Loader=yaml.BaseLoader)
    return words


@cache
def _one_spelling() -> dict[str, str]:
    spellings = {normal_form(old): normal_form(new) for old, new in _SAME_WORD.items() if " " not in old}
    for words in _loanwords().values():
        spellings |= {normal_form(native): latin for latin, natives in words.items() for native in natives}
    return spellings


def normal_form(text: str) -> str:
    """Returns NFC without invisible characters."""
    return unicodedata.normalize("NFC", _DROPPED.sub("", text))


def normalise(text: str) -> str:
    """Returns the transcript convention: NFC, lower case, no punctuation, single spaces, one spelling per word."""
    text = normal_form(text).lower().replace("-", " ").replace("'", "")
    spellings = _one_spelling()
    words = (_FUTURE.sub(_with_chandrabindu, word) for word in _PUNCTUATION.sub(" ", text).split())
    return " ".join(spellings.get(word, word) for word in words)


def _with_chandrabindu(found: re.Match[str]) -> str:
    return found.group().replace("ं", "ँ")


def as_transcribed(phrase: str) -> str:
    """Returns a phrase as the starter's transcripts spell it; formats of numbers ("AB-####") stay as they are."""
    spellings = _one_spelling()
    return " ".join(spellings.get(normal_form(word).lower(), word) for word in phrase.split())


def native_spelling(word: str, language: str) -> str | None:
    """Returns how `language` spells an English word in its own script; None where it is not a common loanword."""
    if language == "en":
        return None
    natives = _loanwords().get(language, {}).get(word)
    return natives[0] if natives else None
