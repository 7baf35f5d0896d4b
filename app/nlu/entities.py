"""Values in an utterance, read through the packs' own words: every entity kind of the contract, with its resolved form.

Dates and times are taken first, so that their numbers are not read as order numbers; then amounts and quantities,
then digits and numbers. Names, reasons and addresses stand beside the phrases that announce them.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

from app.language.namesakes import without_namesakes
from app.language.number_parsing import NumberSpan, number_spans, parse_amount, parse_digits, parse_number, tokens_of
from app.language.number_words import NumberWord, number_words
from app.language.packs import Pack
from app.nlu.dates import DateFinder, Moment, written_dates
from app.nlu.phonetic import sound_key, words_of
from app.nlu.phrases import Phrases
from app.nlu.spans import NameFinder, spoken
from app.nlu.times import TimeFinder, clock_time, written_times
from app.nlu.understanding import Entity

TIME_ZONE = ZoneInfo("Asia/Kolkata")
_RUPEE_SOUND = "rup"  # rupees, rupaye, ரூபாய், రూపాయలు: alike by sound key
_PHONE = re.compile(r"(?:91|0)?[6-9]\d{9}$")
_LONGEST_ENDING = 4
_SHORTEST_SOUND_OF_NAME = 5  # shorter keys are those of other words too: "can't" and "ghante" sound like "Kannada"
_SHORTEST_SOUND_OF_NUMBER = 6
_CORRECTION_WORDS = 4
_TAKEN = "␣"
_MONEY_BEFORE, _MONEY_AFTER = 3, 2
_SHORTEST_ORDER_FIGURES = 3
_ROUND = 1000


@dataclass(frozen=True, slots=True)
class Listening:
    """What is waited for: an `Expectation` value, and the fewest and most digits that make sense."""

    expectation: str = "open"
    digits: tuple[int, int] | None = None


_OPEN = Listening()


class EntityFinder:
    """Finds entities by the words of all packs, since callers mix languages within a sentence."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._packs = tuple(packs)
        self._numbers = frozenset(
            word for p in packs for words in (p.digit_words, p.number_words, p.repeat_words) for word in words
        )
        self._spellings = _by_spelling(self._packs)
        names = {name: tag for p in packs for name, tag in p.lexicon.language_names.items()}
        self._languages = _by_sound(names)
        self._written = tuple(sorted(names.items(), key=lambda item: -len(item[0])))
        vocabularies = [p.vocabulary for p in packs]
        self._cities = Phrases([v.cities for v in vocabularies], shortest_sound=5)
        self._items = Phrases([v.items for v in vocabularies], shortest_sound=5)
        self._units = Phrases([v.units for v in vocabularies])
        self._money = Phrases([v.money for v in vocabularies])
        self._names = NameFinder(packs)
        self._finders = {
            tag: (DateFinder(ordered), TimeFinder(ordered), ordered)
            for tag in (p.tag for p in packs)
            for ordered in [tuple(sorted(packs, key=lambda pack: pack.tag != tag))]
        }

    def find(
        self,
        text: str,
        *,
        language: str,
        heard_with: float,
        now: datetime,
        listening: Listening = _OPEN,
        past: bool = False,
        paid: bool = False,
    ) -> tuple[Entity, ...]:
        """Returns the entities of an utterance.

        Args:
            text: The caller's words.
            language: BCP-47 tag whose number words win where languages disagree.
            heard_with: Recogniser confidence, 0..1; the confidence of what is found.
            now: Local time of the tenant; dates and times are resolved against it.
            listening: What is waited for. A lone digit word counts only when digits are, as many mean other things.
            past: Whether the matter lies behind, as a payment does: "kal" is then yesterday.
            paid: Whether the matter is money: then a large number is an amount without "rupees" beside it.
        """
        dates, times, packs = self._finders.get(language) or next(iter(self._finders.values()))
        search = _Search(text, heard_with)
        search.take_written(now, times)
        search.tokens = [
            self._spellings.get(sound_key(token), token)
            if token.isalpha() and token.isascii() and token not in self._numbers
            else token
            for token in search.tokens
        ]
        expected, early = listening.expectation == "date", listening.expectation == "digits"
        search.take_all("date", dates.find(search.tokens, now.date(), past=past, expected=expected, early=early), packs)
        dated = any(entity.kind == "date" for entity in search.found)
        expected = listening.expectation == "time"
        bare = listening.expectation in ("open", "yes_no")
        search.take_all("time", times.find(search.tokens, now, expected=expected, dated=dated, bare=bare), packs)
        self._read_numbers(search, packs, listening, paid)
        found = search.found
        tokens = search.all_tokens
        found += [Entity("language", tag, name, heard_with) for name, tag in self._languages_in(text)]
        cities = list(_phrases_in(self._cities, tokens))
        found += [Entity("city", name, spoken(text, tokens[i:j]), heard_with) for i, j, name in cities]
        free = [_TAKEN if any(i <= at < j for i, j, _ in cities) else token for at, token in enumerate(tokens)]
        items = {spoken(text, tokens[i:j]): None for i, j, _ in _phrases_in(self._items, free)}
        found += [Entity("item", words, words, heard_with) for words in items]
        found += [
            Entity(kind, words, words, heard_with)
            for kind, start, end in self._names.find(tokens, search.tokens)
            if (words := spoken(text, tokens[start:end]))
        ]
        return tuple(found)

    def number_share(self, text: str) -> float:
        """Returns the share (0..1) of words that belong to numbers."""
        words = words_of(text)
        known = sum(w in self._numbers or w.isdigit() or sound_key(w) in self._spellings for w in words)
        return known / len(words) if words else 0.0

    def _read_numbers(self, search: "_Search", packs: tuple[Pack, ...], listening: Listening, paid: bool) -> None:
        """Sorts every stretch of numbers into amounts, quantities, digits, phones and numbers."""
        spans = number_spans(search.tokens, packs)
        paid_spans = self._beside_money(search.tokens, spans)
        digits: list[tuple[NumberSpan, str]] = []
        for span in spans:
            words = " ".join(search.tokens[span.start : span.end])
            if span in paid_spans or (paid and span.large):
                if (rupees := parse_amount(words, packs)) is not None:
                    search.add("amount", str(rupees), span.start, span.end)
                continue
            if (counted := self._counted(search, span, words, packs)) is not None:
                search.add("quantity", str(counted), span.start, span.end)
                continue
            if listening.expectation == "digits":
                continue
            if self._means_number(search, span):
                number = parse_number(words, packs)
                if number is not None:
                    search.add("number", str(number), span.start, span.end)
                if not (span.large and number is not None and number % _ROUND and number > _ROUND):
                    continue
            read = parse_digits(words, packs)
            if read and (len(read) >= 2 or span.figures) and not (span.everyday and len(read) < 3):
                digits.append((span, read))
        if listening.expectation == "digits":
            digits = self._expected_digits(search, packs, listening)
        read_out = _uncorrected(digits, search.tokens, packs)
        for place, (span, read) in enumerate(read_out):
            phone = _PHONE.match(read) is not None
            if not phone or place == 0:
                search.add("digits", read, span.start, span.end)
            if phone:
                search.add("phone", read[-10:], span.start, span.end)

    def _expected_digits(
        self, search: "_Search", packs: tuple[Pack, ...], listening: Listening
    ) -> list[tuple[NumberSpan, str]]:
        """Returns the digits that were asked for; a lone digit word is one only when little else was said."""
        left = " ".join(search.tokens)
        read = parse_digits(left, packs, listening.digits)
        spans = number_spans(search.tokens, packs)
        if not read or not spans:
            return []
        sure = len(read) >= 2 and (any(span.figures for span in spans) or self._number_run(left) >= 2)
        if not sure and self.number_share(left) < 0.5:
            return []
        return [(replace(spans[0], end=spans[-1].end), read)]

    def _means_number(self, search: "_Search", span: NumberSpan) -> bool:
        """Tells whether a stretch is one number rather than digits read out: "dedh sau", "pachees", but not "4512"."""
        if not span.single:
            return False
        words = search.tokens[span.start : span.end]
        if span.figures and not span.large:
            return len(words) == 1 and len(words[0]) < _SHORTEST_ORDER_FIGURES
        return span.large or not span.everyday

    def _counted(self, search: "_Search", span: NumberSpan, words: str, packs: tuple[Pack, ...]) -> int | None:
        """Returns the number before a unit or goods; "one phone" counts nothing."""
        value = parse_number(words, packs)
        if value is None or span.end >= len(search.tokens):
            return None
        if span.everyday and number_spans(search.tokens[span.start : span.end], packs[:1]) == []:
            return None
        if self._units.at(search.tokens, span.end) is not None:
            return value
        near = [at for at in (span.end, span.end + 1) if at < len(search.tokens)]
        goods = any(self._items.at(search.tokens, at) is not None for at in near)
        return value if goods and value > 1 and not (span.figures and value >= _ROUND) else None

    def _beside_money(self, tokens: list[str], spans: Sequence[NumberSpan]) -> list[NumberSpan]:
        """Returns the numbers that a word for money belongs to: the one just before it, else the one after it."""
        found: list[NumberSpan] = []
        for at in range(len(tokens)):
            if not self._is_money(tokens, at):
                continue
            before = [span for span in spans if 0 <= at - span.end < _MONEY_AFTER]
            after = [span for span in spans if 0 < span.start - at <= _MONEY_BEFORE]
            found += before[-1:] if before and tokens[at] != "rs" else after[:1] or before[-1:]
        return found

    def _is_money(self, tokens: list[str], at: int) -> bool:
        return self._money.at(tokens, at) is not None or sound_key(tokens[at]).startswith(_RUPEE_SOUND)

    def _number_run(self, text: str) -> int:
        """Returns the most number words in a row."""
        best = run = 0
        for word in words_of(text):
            run = run + 1 if word in self._numbers or word.isdigit() else 0
            best = max(best, run)
        return best

    def _languages_in(self, text: str) -> list[tuple[str, str]]:
        """Returns (word, tag) of each language named, in order of mention; a case ending may follow a name."""
        hits: dict[str, str] = {}
        for word in without_namesakes(words_of(text), self._packs):
            key = sound_key(word)
            for said, known in ((key, self._languages), (word, self._written)):
                for name, tag in known:
                    if tag not in hits and said.startswith(name) and len(said) - len(name) <= _LONGEST_ENDING:
                        hits[tag] = word
        return [(word, tag) for tag, word in hits.items()]


class _Search:
    """One utterance while its entities are being taken out of it."""

    def __init__(self, text: str, heard_with: float) -> None:
        self._text = text
        self._heard_with = heard_with
        self.found: list[Entity] = []
        self.all_tokens = split(text)
        self.tokens = list(self.all_tokens)

    def take_written(self, now: datetime, times: TimeFinder) -> None:
        """Takes dates and times in figures ("25/11", "5:30") out before the text is split into words."""
        plain = _ascii(self._text)
        part = times.part_of_day(self.tokens)
        cuts: list[tuple[int, int]] = []
        for start, end, day in written_dates(plain, now.date()):
            self.found.append(self._entity("date", plain[start:end], day))
            cuts.append((start, end))
        for start, end, hour, minute, half in written_times(plain):
            if any(start < other_end and other < end for other, other_end in cuts):
                continue
            resolved = clock_time(hour + Fraction(minute, 60), half or part)
            self.found.append(self._entity("time", plain[start:end], resolved))
            cuts.append((start, end))
        if cuts:
            left = list(plain)
            for start, end in cuts:
                left[start:end] = [f" {_TAKEN} "] + [""] * (end - start - 1)
            self.tokens = split("".join(left), keep=_TAKEN)
            self.all_tokens = list(self.tokens)

    def take_all(self, kind: str, moments: Sequence[Moment], packs: tuple[Pack, ...]) -> None:
        """Takes dates or times, but for those that the next one puts right."""
        refused = _refused(moments, self.tokens, packs)
        for moment in moments:
            if moment in refused:
                self.tokens[moment.start : moment.end] = [_TAKEN] * (moment.end - moment.start)
            else:
                self.take(kind, moment)

    def take(self, kind: str, moment: Moment) -> None:
        """Adds a date or time and blanks its words out."""
        words = spoken(self._text, self.all_tokens[moment.start : moment.end])
        if kind == "date" or not any(entity.kind == "time" for entity in self.found) or moment.resolved:
            self.found.append(self._entity(kind, words, moment.resolved))
        self.tokens[moment.start : moment.end] = [_TAKEN] * (moment.end - moment.start)

    def add(self, kind: str, value: str, start: int, end: int) -> None:
        """Adds a value that tokens `start` to `end` say."""
        words = spoken(self._text, self.all_tokens[start:end])
        self.found.append(Entity(kind, value, words, self._heard_with))

    def _entity(self, kind: str, words: str, resolved: str | None) -> Entity:
        return Entity(kind, words, words, self._heard_with, resolved)


def split(text: str, keep: str = "") -> list[str]:
    """Returns lower-case words with figures apart; hyphenated words come apart, rupee signs are words."""
    spelt = text.replace("₹", " rs ").replace("/-", " rs ")
    pieces = spelt.split(keep) if keep else [spelt]
    tokens: list[str] = []
    for number, piece in enumerate(pieces):
        tokens += [keep] if number else []
        for token in tokens_of(piece):
            parts = [token] if token[0].isdigit() else re.split(r"[-&]", token.replace("'", ""))
            tokens += [part for part in parts if part]
    return tokens


def _ascii(text: str) -> str:
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() and not c.isascii() else c for c in text)


def _phrases_in(phrases: Phrases, tokens: list[str]) -> Iterable[tuple[int, int, str]]:
    index = 0
    while index < len(tokens):
        found = phrases.at(tokens, index)
        if found is None:
            index += 1
        else:
            yield index, found[1], found[0]
            index = found[1]


def _refused(moments: Sequence[Moment], tokens: list[str], packs: tuple[Pack, ...]) -> list[Moment]:
    """Returns the dates or times that another puts right: "not today, tomorrow", "kal nahi parso"."""
    words, found = number_words(packs), []
    for moment, following in pairwise(moments):
        gap = tokens[moment.end : following.start]
        between = len(gap) <= _CORRECTION_WORDS and any(words.correction_at(gap, at) for at in range(len(gap)))
        before = any(
            words.correction_at(tokens, at) == moment.start for at in range(max(0, moment.start - 2), moment.start)
        )
        if following.resolved is not None and (between or before):
            found.append(moment)
    return found


def _uncorrected(
    digits: list[tuple[NumberSpan, str]], tokens: list[str], packs: tuple[Pack, ...]
) -> list[tuple[NumberSpan, str]]:
    """Drops what a later number corrects ("4512, no, it is 4513"); the longest comes first, but phones after others."""
    words = number_words(packs)
    kept: list[tuple[NumberSpan, str]] = []
    for span, read in digits:
        if kept:
            gap = tokens[kept[-1][0].end : span.start]
            corrected = any(words.correction_at(gap, at) is not None for at in range(len(gap)))
            if corrected and len(gap) <= 5 and len(read) >= len(kept[-1][1]):
                kept.pop()
        kept.append((span, read))
    several = len(kept) > 1
    return sorted(kept, key=lambda item: (several and bool(_PHONE.match(item[1])), -len(item[1])))


def _by_sound(names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Returns (sound key, tag) pairs, longest first."""
    keys = {key: tag for name, tag in names.items() if len(key := sound_key(name)) >= _SHORTEST_SOUND_OF_NAME}
    return tuple(sorted(keys.items(), key=lambda item: -len(item[0])))


def _by_spelling(packs: tuple[Pack, ...]) -> dict[str, str]:
    """Returns the sound keys of number words, long enough to be no other word's, and one spelling of each."""
    found: dict[str, tuple[NumberWord, str]] = {}
    doubtful: set[str] = set()
    for phrase, word in number_words(packs).words.items():
        key = sound_key(phrase[0])
        if len(phrase) > 1 or len(key) < _SHORTEST_SOUND_OF_NUMBER:
            continue
        known = found.setdefault(key, (word, phrase[0]))[0]
        if (known.value, known.repeat, known.shift) != (word.value, word.repeat, word.shift):
            doubtful.add(key)
    return {key: spelling for key, (_, spelling) in found.items() if key not in doubtful}
