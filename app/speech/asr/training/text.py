"""Writes the sentences to be voiced: telephone talk from templates, digits and numbers, and open-vocabulary words."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..spelling import normalise
from .sources import (
    LANGUAGES,
    Utterance,
    is_held_out,
    is_romanised,
    is_speakable,
    load_phrases,
    load_words,
    pack_sentences,
)

__all__ = ["LANGUAGES", "TelephoneText", "TextSource", "Utterance", "is_speakable", "normalise", "number_words"]
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
_DIGIT_WEIGHTS = {"hi": [1, 2.2, 1, 1, 1, 1, 1, 1, 1, 1]}
"""Hindi `एक` runs into its neighbours and is easily lost, so it comes more often."""
_RUPEES = {
    "en": ["rupees"], "hi": ["रुपये", "रुपए", "rupees"], "ta": ["ரூபாய்", "rupees"],
    "te": ["రూపాయలు", "rupees"],
}  # fmt: skip


def number_words(value: int, language: str) -> str:
    """Returns `value` in words in Indian numbering (lakh, crore)."""
    from indic_numtowords import num2words  # type: ignore[import-untyped,unused-ignore]

    return normalise(str(num2words(value, lang=language)))


_FILLING = r"\S+(?: \S+){0,11}"


class TelephoneText:
    """Draws telephone sentences of one language from the phrase file, with fresh fillings every time."""

    def __init__(self, phrases: dict[str, Any], language: str, rng: random.Random, held_out: float = 0.0) -> None:
        """Keeps `held_out` of the templates aside (the last of a fixed shuffle) for validation."""
        self._lists: dict[str, list[str]] = phrases[language]
        self._open = [text for text in map(normalise, self._lists.get("open", []))]
        self._english: dict[str, list[str]] = phrases["en"]
        self.english_words: list[str] = []
        self.language = language
        self.rng = rng
        templates = list(self._lists["templates"])
        random.Random(7).shuffle(templates)
        cut = len(templates) - int(len(templates) * held_out)
        self.train_templates, self.held_templates = templates[:cut], templates[cut:]
        self.held_open = [text for text in self._open if is_held_out(text, held_out)]
        self._open = [text for text in self._open if not is_held_out(text, held_out)]
        self._held = _any_of(self.held_templates, self.held_open)

    def digit(self, value: int, language: str) -> str:
        """Returns one spoken form of a digit."""
        return self.rng.choice(_DIGITS[language][value])

    def digits(self, count: int) -> str:
        """Speaks `count` digits: one by one, in pairs, with "double", in the own language, English, or both."""
        rng = self.rng
        style = rng.random()
        language = self.language if self.language == "en" or style < 0.55 else "en"
        mixed = self.language != "en" and style > 0.92
        pairs = rng.random() < 0.12
        values = rng.choices(range(10), _DIGIT_WEIGHTS.get(language), k=count)
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
        if name == "digs":
            return self.digits(rng.randint(2, 10))
        if name in ("d4", "d6"):
            return self.digits(int(name[1]))
        if name == "amt":
            return self.amount()
        if name == "num":
            return self.number(1, 200)
        if name in ("n12", "n31"):
            return self.number(1, int(name[1:]))
        if name == "thing" and self.english_words and rng.random() < 0.15:
            return rng.choice(self.english_words)
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

    def framed(self) -> Utterance:
        """Draws a sentence put together from frames and word lists."""
        return Utterance(self.fill(self.rng.choice(self._lists["frames"])), self.language, "frame")

    def open_sentence(self) -> Utterance:
        """Draws one of the sentences that stand as they are, now and then with a word before or after."""
        text = self.rng.choice(self._open)
        if self.rng.random() < 0.25:
            text = f"{normalise(self.rng.choice(self._lists['openers']))} {text}"
        elif self.rng.random() < 0.15:
            text = f"{text} {normalise(self.rng.choice(self._lists['closers']))}"
        return Utterance(text, self.language, "open")

    def is_kept_for_tests(self, text: str) -> bool:
        """Tells whether a sentence says what a held-out template or sentence says."""
        return bool(self._held.search(text))

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


def _any_of(templates: Sequence[str], sentences: Sequence[str]) -> re.Pattern[str]:
    """Returns a pattern that finds any of the templates, whatever fills them, or of the sentences.

    Templates with fewer than two words of their own would find too much and are left out.
    """
    patterns = [re.escape(sentence) for sentence in sentences]
    for template in templates:
        parts = [normalise(part) for part in re.split(r"\{\w+\}", template)]
        if sum(len(part.split()) for part in parts) > 1:
            pieces = [piece for part in parts for piece in (_FILLING, re.escape(part))][1:]
            patterns.append(" ".join(piece for piece in pieces if piece))
    return re.compile(r"(?<!\S)(?:" + "|".join(patterns or ["(?!)"]) + r")(?!\S)")


class TextSource:
    """Draws utterances of every language in the recipe's proportions."""

    def __init__(self, recipe: dict[str, Any], seed: int, packs_dir: Path | None) -> None:
        """Loads phrases, word lists and, where there are any, the language packs' sentences."""
        self.rng = random.Random(seed)
        phrases = load_phrases()
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
        english = set(load_words("en", text["word_lists"]["en"], longest=20))
        for talk in self._talk.values():
            talk.english_words = self._words["en"]
        packs = pack_sentences(packs_dir) if packs_dir else []
        packs = [item for item in packs if not is_romanised(item.text, english)]
        self._packs: dict[str, list[Utterance]] = {name: [] for name in LANGUAGES}
        self._held_packs: dict[str, list[Utterance]] = {name: [] for name in LANGUAGES}
        said = {normalise(answer) for language in LANGUAGES for answer in phrases[language]["short"]}
        for item in packs:
            is_kept = is_held_out(item.text, text["held_out_templates"]) and item.text not in said
            (self._held_packs if is_kept else self._packs)[item.language].append(item)
        self._kept = {item.text for items in self._held_packs.values() for item in items}

    def draw(self) -> Utterance:
        """Draws one training utterance; nothing that says what a held-out sentence says."""
        while True:
            utterance = self._draw()
            talk = self._talk[utterance.language]
            is_kept = utterance.text in self._kept or talk.is_kept_for_tests(utterance.text)
            if not is_kept and is_speakable(utterance.text):
                return utterance

    def _draw(self) -> Utterance:
        language = self.rng.choice(LANGUAGES)
        kind = self.rng.choices(list(self._mix), list(self._mix.values()))[0]
        talk = self._talk[language]
        if kind == "pack" and self._packs[language]:
            return self.rng.choice(self._packs[language])
        if kind == "words":
            return self.random_words(language, self._words)
        sources = {
            "short": talk.short, "digits": talk.digit_string, "filling": talk.filling, "frame": talk.framed,
            "open": talk.open_sentence,
        }  # fmt: skip
        return sources.get(kind, talk.sentence)()

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
                if talk.held_open:
                    found.append(Utterance(self.rng.choice(talk.held_open), language, "unseen_open"))
            held = self._held_packs[language]
            found += [
                Utterance(item.text, language, "unseen_pack") for item in self.rng.sample(held, min(per_set, len(held)))
            ]
        return [item for item in found if is_speakable(item.text)]
