"""Writes the sentences to be voiced: telephone talk from templates, digits and numbers, and open-vocabulary words."""

from __future__ import annotations

import gzip
import random
import re
import subprocess
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LANGUAGES = ("en", "hi", "ta", "te")
_DIGITS: dict[str, list[list[str]]] = {
    "en": [
        ["zero", "oh"], ["one"], ["two"], ["three"], ["four"], ["five"], ["six"], ["seven"], ["eight"], ["nine"],
    ],
    "hi": [["शून्य", "ज़ीरो"], ["एक"], ["दो"], ["तीन"], ["चार"], ["पाँच"], ["छह"], ["सात"], ["आठ"], ["नौ"]],
    "ta": [
        ["பூஜ்ஜியம்", "சைபர்"], ["ஒன்று", "ஒண்ணு"], ["இரண்டு", "ரெண்டு"], ["மூன்று", "மூணு"], ["நான்கு", "நாலு"],
        ["ஐந்து", "அஞ்சு"], ["ஆறு"], ["ஏழு"], ["எட்டு"], ["ஒன்பது", "ஒம்பது"],
    ],
    "te": [
        ["సున్నా"], ["ఒకటి"], ["రెండు"], ["మూడు"], ["నాలుగు"], ["ఐదు"], ["ఆరు"], ["ఏడు"], ["ఎనిమిది"], ["తొమ్మిది"],
    ],
}  # fmt: skip
_SCRIPT = {
    "hi": re.compile(r"^[\u0901-\u0939\u093c\u093e-\u094d\u0958-\u095f]+$"),
    "ta": re.compile(r"^[\u0b83-\u0bcd]+$"),
    "te": re.compile(r"^[\u0c01-\u0c4d]+$"),
    "en": re.compile(r"^[a-z]+$"),
}
_RUPEES = {
    "en": ["rupees"], "hi": ["रुपये", "रुपए", "rupees"], "ta": ["ரூபாய்", "rupees"],
    "te": ["రూపాయలు", "rupees"],
}  # fmt: skip
_SPELLING = {"छः": "छह", "छे": "छह"}
_DROPPED = re.compile(r"[\u200b-\u200f\ufeff]")
_PUNCTUATION = re.compile(r"[^\w\s\u0900-\u0dff']|[।॥_]")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence to voice: `text` already normalised, `language` one of LANGUAGES, `kind` for the reports."""

    text: str
    language: str
    kind: str


def normalise(text: str) -> str:
    """Returns the transcript convention: NFC, lower case, no punctuation, single spaces."""
    text = unicodedata.normalize("NFC", _DROPPED.sub("", text)).lower().replace("-", " ").replace("'", "")
    return " ".join(_SPELLING.get(word, word) for word in _PUNCTUATION.sub(" ", text).split())


def is_speakable(text: str) -> bool:
    """Tells whether a normalised sentence holds no figures or foreign symbols and is of a length worth voicing."""
    return bool(text) and len(text) <= 110 and not re.search(r"[0-9०-९௦-௯౦-౯]|[^\sa-z\u0900-\u0d7f]", text)


def is_held_out(text: str, share: float) -> bool:
    """Decides by the text alone, so that a sentence stays held out however the packs grow."""
    return zlib.crc32(text.encode()) % 1000 < share * 1000


def number_words(value: int, language: str) -> str:
    """Returns `value` in words in Indian numbering (lakh, crore)."""
    from indic_numtowords import num2words  # type: ignore[import-untyped,unused-ignore]

    return normalise(str(num2words(value, lang=language)))


class TelephoneText:
    """Draws telephone sentences of one language from the phrase file, with fresh fillings every time."""

    def __init__(self, phrases: dict[str, Any], language: str, rng: random.Random, held_out: float = 0.0) -> None:
        """Keeps `held_out` of the templates aside (the last of a fixed shuffle) for validation."""
        self._lists: dict[str, list[str]] = phrases[language]
        self._english: dict[str, list[str]] = phrases["en"]
        self.language = language
        self.rng = rng
        templates = list(self._lists["templates"])
        random.Random(7).shuffle(templates)
        cut = len(templates) - int(len(templates) * held_out)
        self.train_templates, self.held_templates = templates[:cut], templates[cut:]

    def digit(self, value: int, language: str) -> str:
        """Returns one spoken form of a digit."""
        return self.rng.choice(_DIGITS[language][value])

    def digits(self, count: int) -> str:
        """Speaks `count` digits: one by one, in pairs, with "double", in the own language, English, or both."""
        rng = self.rng
        style = rng.random()
        language = self.language if self.language == "en" or style < 0.45 else "en"
        mixed = self.language != "en" and style > 0.92
        pairs = rng.random() < 0.12
        values = [rng.randrange(10) for _ in range(count)]
        for i in range(1, count):
            if rng.random() < 0.12:
                values[i] = values[i - 1]
        words: list[str] = []
        i = 0
        while i < count:
            spoken = rng.choice((language, self.language)) if mixed else language
            run = 3 if values[i : i + 3] == [values[i]] * 3 else 2 if values[i : i + 2] == [values[i]] * 2 else 1
            if run > 1 and rng.random() < 0.6:
                repeated = self.digit(values[i], "en" if language == "en" else spoken)
                words += ["double" if run == 2 else "triple", repeated]
                i += run
            elif pairs and i + 1 < count and values[i] > 0:
                words.append(number_words(values[i] * 10 + values[i + 1], spoken))
                i += 2
            else:
                words.append(self.digit(values[i], spoken))
                i += 1
        return " ".join(words)

    def number(self, low: int, high: int) -> str:
        """Speaks a number between the bounds, in English words a third of the time."""
        language = "en" if self.rng.random() < 0.33 else self.language
        return number_words(self.rng.randint(low, high), language)

    def amount(self) -> str:
        """Speaks an amount of money, round figures favoured."""
        rng = self.rng
        value = rng.choice([
            rng.randint(1, 99), rng.randint(1, 99) * 10, rng.randint(1, 99) * 50, rng.randint(1, 99) * 100,
            rng.randint(100, 9999), rng.randint(1, 99) * 1000, rng.randint(1, 60) * 25000, rng.randint(1, 20) * 100000,
            rng.randint(1, 9) * 10000000,
        ])  # fmt: skip
        language = "en" if rng.random() < 0.3 else self.language
        words = number_words(value, language)
        return words if rng.random() < 0.3 else f"{words} {rng.choice(_RUPEES[language])}"

    def fill(self, template: str) -> str:
        """Fills every slot of a template, nested ones too."""
        for _ in range(3):
            template = re.sub(r"\{(\w+)\}", lambda found: self._slot(found.group(1)), template)
        return normalise(template)

    def _slot(self, name: str) -> str:
        rng = self.rng
        if name == "oid":
            return self.digits(rng.randint(4, 8))
        if name == "phone":
            return self.digits(10 if rng.random() < 0.6 else rng.randint(6, 9))
        if name in ("d4", "d6"):
            return self.digits(int(name[1]))
        if name == "amt":
            return self.amount()
        if name == "num":
            return self.number(1, 200)
        if name in ("n12", "n31"):
            return self.number(1, int(name[1:]))
        plural = {"city": "cities"}.get(name, name + "s")
        source = self._english if plural in ("names", "cities") and rng.random() < 0.15 else self._lists
        return rng.choice(source[plural])

    def sentence(self) -> Utterance:
        """Draws a template sentence, now and then opened or closed by a short word."""
        rng = self.rng
        text = self.fill(rng.choice(self.train_templates))
        if rng.random() < 0.2:
            text = f"{normalise(rng.choice(self._lists['short']))} {text}"
        elif rng.random() < 0.08:
            text = f"{text} {normalise(rng.choice(self._lists['short']))}"
        return Utterance(text, self.language, "sentence")

    def short(self) -> Utterance:
        """Draws a one-breath answer."""
        words = self._lists["short"] if self.rng.random() < 0.9 else self._english["short"]
        return Utterance(normalise(self.rng.choice(words)), self.language, "short")

    def digit_string(self) -> Utterance:
        """Draws a bare run of digits, single digits included."""
        count = self.rng.choices([1, 2, 3, 4, 5, 6, 7, 8, 10], [16, 6, 8, 16, 12, 14, 6, 8, 14])[0]
        return Utterance(normalise(self.digits(count)), self.language, "digits")

    def filling(self) -> Utterance:
        """Draws a bare answer: a date, time, amount, name, city, item, language or number."""
        slot = self.rng.choice(["date", "time", "amt", "name", "city", "item", "lang", "num", "reason", "date", "amt"])
        return Utterance(self.fill("{" + slot + "}"), self.language, "filling")

    def held_sentence(self) -> Utterance:
        """Draws a sentence of a template that training never sees."""
        return Utterance(self.fill(self.rng.choice(self.held_templates)), self.language, "unseen_template")


def load_words(language: str, source: str) -> list[str]:
    """Reads a word list: a plain or hunspell file, or `aspell:xx` for an installed aspell dictionary."""
    if source.startswith("aspell:"):
        command = ["aspell", "-l", source[7:], "dump", "master"]
        lines: Iterable[str] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    elif source.endswith(".gz"):
        lines = gzip.decompress(Path(source).read_bytes()).decode().splitlines()
    else:
        lines = Path(source).read_text(encoding="utf-8").splitlines()
    words = {normalise(line.split("/")[0]) for line in lines}
    longest = 9 if language == "en" else 11
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


class TextSource:
    """Draws utterances of every language in the recipe's proportions."""

    def __init__(self, recipe: dict[str, Any], seed: int, packs_dir: Path | None) -> None:
        """Loads phrases, word lists and, where there are any, the language packs' sentences."""
        self.rng = random.Random(seed)
        stored = (Path(__file__).parent / "phrases.yaml").read_text(encoding="utf-8")
        phrases = yaml.load(stored, Loader=yaml.BaseLoader)
        text = recipe["text"]
        self._mix: dict[str, float] = text["mix"]
        self._talk = {
            language: TelephoneText(phrases, language, self.rng, text["held_out_templates"]) for language in LANGUAGES
        }
        self._words: dict[str, list[str]] = {}
        self._held_words: dict[str, list[str]] = {}
        for language in LANGUAGES:
            words = load_words(language, text["word_lists"][language])
            random.Random(11).shuffle(words)
            words = words[: text["words_per_language"]]
            cut = int(len(words) * text["held_out_words"])
            self._held_words[language], self._words[language] = words[:cut], words[cut:]
        packs = pack_sentences(packs_dir) if packs_dir else []
        self._packs: dict[str, list[Utterance]] = {name: [] for name in LANGUAGES}
        self._held_packs: dict[str, list[Utterance]] = {name: [] for name in LANGUAGES}
        for item in packs:
            kept = self._held_packs if is_held_out(item.text, text["held_out_templates"]) else self._packs
            kept[item.language].append(item)

    def draw(self) -> Utterance:
        """Draws one training utterance."""
        language = self.rng.choice(LANGUAGES)
        kind = self.rng.choices(list(self._mix), list(self._mix.values()))[0]
        talk = self._talk[language]
        if kind == "pack" and self._packs[language]:
            return self.rng.choice(self._packs[language])
        if kind == "words":
            return self.random_words(language, self._words)
        source = {"short": talk.short, "digits": talk.digit_string, "filling": talk.filling}.get(kind, talk.sentence)
        return source()

    def random_words(self, language: str, words: dict[str, list[str]]) -> Utterance:
        """Draws one to seven words at random, some of them English, so that sounds rather than sentences are learnt."""
        count = self.rng.choices([1, 2, 3, 4, 5, 6, 7], [34, 18, 14, 12, 10, 7, 5])[0]
        mixed = language != "en" and count > 1 and self.rng.random() < 0.2
        drawn = [self.rng.choice(words["en" if mixed and self.rng.random() < 0.4 else language]) for _ in range(count)]
        return Utterance(" ".join(drawn), language, "words")

    def validation(self, per_set: int) -> list[Utterance]:
        """Draws the held-out sets: unseen templates, unseen pack sentences, unseen words, digits, isolated answers."""
        found: list[Utterance] = []
        for language in LANGUAGES:
            talk = self._talk[language]
            for _ in range(per_set):
                found.append(talk.held_sentence())
                found.append(talk.digit_string())
                found.append(talk.short())
                drawn = self.random_words(language, self._held_words)
                found.append(Utterance(drawn.text, language, "unseen_words"))
            held = self._held_packs[language]
            found += [
                Utterance(item.text, language, "unseen_pack") for item in self.rng.sample(held, min(per_set, len(held)))
            ]
        return [item for item in found if is_speakable(item.text)]
