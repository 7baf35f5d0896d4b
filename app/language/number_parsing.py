"""Reads digits and cardinals out of an utterance in any mixture of languages, for entity finding."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from app.language.normalise import words_of
from app.language.number_words import NumberWord, NumberWords, number_words
from app.language.packs import Pack

_GROUPING = re.compile(r"(?<=\d),(?=\d)")
_THOUSANDS = re.compile(r"(?<=\d)\s+k\b", re.IGNORECASE)
_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_FIGURE = re.compile(r"(\d[\d-]*)(?:point(\d+))?(k)?")
_MOST_REPEATED = 6
_PARTS = re.compile(r"\d[\d-]*(?:point\d+)?(?:k(?![^\W\d]))?|\D+")


@dataclass(frozen=True, slots=True)
class _Piece:
    """One read number inside a run: its digits as written, the value, and whether the words are also everyday words."""

    digits: str
    value: int
    everyday: bool
    figures: bool
    start: int
    end: int
    repeated: bool = False  # "double four", "three zeros"


def parse_digits(text: str, packs: Sequence[Pack], expected: tuple[int, int] | None = None) -> str | None:
    """Returns the digits that a caller read out, as ASCII digits, or None.

    Understands single digits, "double four", tens and pairs ("forty five twelve" -> "4512"), figures, mixtures of
    languages, and corrections ("four five no six" -> "46"; "one four nahi chaar nahi paanch" -> "15").

    Args:
        text: The utterance.
        packs: Packs whose number words count; where they disagree, the earlier one is right.
        expected: Fewest and most digits that make sense; decides how a correction is read.
    """
    words = number_words(tuple(packs))
    tokens = tokens_of(text)
    best = ""
    for run in _runs(tokens, words):
        pieces = [piece for piece in run if piece is not None]
        digits = _corrected(run, expected)
        if not any(piece.figures for piece in pieces):
            alone = all(piece.everyday for piece in pieces) and len(pieces) < 3
            if (alone or len(digits) == 1) and _others(tokens, pieces, words) > (0 if alone else 2):
                continue
        if len(digits) > len(best):
            best = digits
    return best or None


def parse_number(text: str, packs: Sequence[Pack]) -> int | None:
    """Returns the whole number that an utterance holds ("dedh sau" -> 150, "rendu laksham" -> 200000), or None.

    Digits read one by one make one number. Of several numbers the longest said wins, then the first.

    Args:
        text: The utterance.
        packs: Packs whose number words count; where they disagree, the earlier one is right.
    """
    words = number_words(tuple(packs))
    tokens = tokens_of(text)
    best: tuple[int, int] | None = None  # words, value
    for run in _runs(tokens, words):
        pieces = [piece for piece in run if piece is not None]
        groups = [pieces] if all(len(piece.digits) == 1 for piece in pieces) else [[piece] for piece in pieces]
        for group in groups:
            if all(piece.everyday for piece in group) and _others(tokens, group, words) > 2:
                continue
            size = group[-1].end - group[0].start
            value = group[0].value if len(group) == 1 else int(_corrected(run, None))
            if best is None or size > best[0]:
                best = (size, value)
    return best[1] if best else None


def parse_amount(text: str, packs: Sequence[Pack]) -> int | None:
    """Returns an amount in whole rupees ("₹2,500", "dhai hazaar rupaye", "2.5 lakh"), or None.

    Args:
        text: The utterance; whether the number is money at all is for the caller to judge.
        packs: Packs whose number words count.
    """
    plain = text.replace("₹", " ").replace("/-", " ")
    return _hundreds(plain, packs) or parse_number(plain, packs)


def _hundreds(text: str, packs: Sequence[Pack]) -> int | None:
    """Returns a price said in two numbers, "nine ninety nine" or "twelve fifty"; None of any other words.

    Two tens are no price: "das bees rupaye" is ten or twenty rupees.
    """
    runs = list(_runs(tokens_of(text), number_words(tuple(packs))))
    if len(runs) != 1 or len(runs[0]) != 2 or None in runs[0]:
        return None
    first, second = (piece.value for piece in runs[0] if piece is not None)
    if any(piece is None or piece.figures for piece in runs[0]) or not 20 <= second <= 99:
        return None
    return first * 100 + second if 1 <= first <= 9 or (first <= 99 and first % 10) else None


def tokens_of(text: str) -> list[str]:
    """Splits into lower-case words; figures are ASCII and apart from letters ("4512க்கு"); "2.5" becomes "2point5"."""
    ascii_digits = "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() and not char.isascii() else char for char in text
    )
    words = words_of(_POINT.sub("point", _GROUPING.sub("", _THOUSANDS.sub("k", ascii_digits))))
    return [part.strip("-") for word in words for part in (_PARTS.findall(word) if word[0].isdigit() else [word])]


@dataclass(frozen=True, slots=True)
class NumberSpan:
    """A stretch of number words: tokens `start` to `end`.

    `figures`: some are written in figures; `single`: it is one number and not digits in a row; `large`: that number
    has a multiplier or a fraction in it (sau, lakh, dedh); `everyday`: the words mean other things too ("do", "ek").
    """

    start: int
    end: int
    figures: bool
    single: bool
    large: bool
    everyday: bool


def number_spans(tokens: list[str], packs: Sequence[Pack]) -> list[NumberSpan]:
    """Returns the stretches of numbers in what `tokens_of` returned, in order."""
    words = number_words(tuple(packs))
    spans: list[NumberSpan] = []
    for run in _runs(tokens, words):
        pieces = [piece for piece in run if piece is not None]
        inside = tokens[pieces[0].start : pieces[-1].end]
        large = any(
            found is not None and (found[0].multiplier is not None or found[0].shift or _fractional(found[0]))
            for found in (words.at(inside, index) for index in range(len(inside)))
        )
        large = large or not words.ends_in_thousand.isdisjoint(inside[1:])
        spans.append(
            NumberSpan(
                start=pieces[0].start,
                end=pieces[-1].end,
                figures=any(piece.figures for piece in pieces),
                single=len(run) == 1 and not pieces[0].repeated,
                large=large or "point" in " ".join(inside),
                everyday=all(piece.everyday for piece in pieces),
            )
        )
    return spans


def digit_runs(tokens: list[str], packs: Sequence[Pack]) -> list[list[tuple[str, int, int]]]:
    """Returns each stretch of numbers as its pieces: digits as said, first token, token after the last."""
    words = number_words(tuple(packs))
    return [[(piece.digits, piece.start, piece.end) for piece in run if piece] for run in _runs(tokens, words)]


def number_at(tokens: list[str], start: int, packs: Sequence[Pack]) -> tuple[Fraction, int] | None:
    """Returns the number that begins at a token, fractions included ("saadhe paanch" is 11/2), and where it ends."""
    words = number_words(tuple(packs))
    whole = _cardinal(tokens, start, words)
    step = _step(tokens, start, words)
    part = (step[0].value, step[1]) if step is not None and step[0].value is not None else None
    if whole is not None and (part is None or whole[1] >= part[1]):
        return Fraction(whole[0]), whole[1]
    return part


def _fractional(word: NumberWord) -> bool:
    return word.value is not None and word.value.denominator != 1


def _runs(tokens: list[str], words: NumberWords) -> Iterator[list[_Piece | None]]:
    """Yields stretches of numbers; None stands for a correction. Fillers do not end a stretch, other words do."""
    run: list[_Piece | None] = []
    index = 0
    while index < len(tokens):
        piece = _piece(tokens, index, words)
        corrected = None if piece else words.correction_at(tokens, index)
        if piece is not None:
            run.append(piece)
            index = piece.end
        elif corrected is not None:
            if run:
                run.append(None)
            index = corrected
        else:
            if tokens[index] not in words.fillers and any(run):
                yield run
                run = []
            index += 1
    if any(run):
        yield run


def _piece(tokens: list[str], start: int, words: NumberWords) -> _Piece | None:
    """Reads one number at a token: figures, repeated digits, a cardinal or one digit."""
    figure = _figure(tokens[start])
    if figure is not None and _multiplier(tokens, start + 1, words) is None:
        if figure[1].denominator != 1:
            return None
        return _Piece(figure[0], int(figure[1]), False, True, start, start + 1)
    found = words.at(tokens, start)
    if found is not None and found[0].repeat:
        following = words.at(tokens, found[1])
        digit = following[0].whole if following else None
        if following is None or digit is None or digit > 9:
            return None
        digits = str(digit) * found[0].repeat
        return _Piece(digits, int(digits), False, False, start, following[1], repeated=True)
    if (counted := _counted_digits(tokens, start, words)) is not None:
        return counted
    read = _cardinal(tokens, start, words)
    if read is None:
        return None
    value, end = read
    everyday = end - start == 1 and tokens[start] in words.everyday
    return _Piece(str(value), value, everyday, False, start, end)


def _counted_digits(tokens: list[str], start: int, words: NumberWords) -> _Piece | None:
    """Reads "three zeros", "teen baar shunya"; only zeros are counted by a word for times."""
    found = words.at(tokens, start)
    count = found[0].whole if found is not None else None
    if found is None or count is None or not 2 <= count <= _MOST_REPEATED or found[1] >= len(tokens):
        return None
    digit, end = words.plurals.get(tokens[found[1]]), found[1] + 1
    first = start == 0 or words.at(tokens, start - 1) is None
    if digit is None and first and tokens[found[1]] in words.times:
        zero = words.at(tokens, end)
        digit, end = (0, zero[1]) if zero is not None and zero[0].whole == 0 else (None, end)
    if digit is None:
        return None
    digits = str(digit) * count
    return _Piece(digits, int(digits), False, False, start, end, repeated=True)


def _cardinal(tokens: list[str], start: int, words: NumberWords) -> tuple[int, int] | None:
    """Reads the longest cardinal at a token; None when the words there make no whole number."""
    total, part, open_part = Fraction(0), Fraction(0), True
    index, last, ceiling = start, None, 10**12
    end, ended = Fraction(-1), start
    while index < len(tokens):
        step = _step(tokens, index, words)
        decimal = _decimal(tokens, index, words) if last is not None and 0 < part < 1000 else None
        if decimal is not None:
            part += decimal[0]
            index, open_part = decimal[1], True
            continue
        if (
            step is None
            and last is not None
            and total == 0 < part < 1000
            and _in_thousands(tokens, start, index, last, words)
        ):
            total, part, index, ceiling = part * 1000, Fraction(0), index + 1, 1000
            end, ended = total, index
            continue
        if step is None:
            if index == start or tokens[index] not in words.fillers or total + part < 100 or not open_part:
                break
            index += 1
            continue
        word, after = step
        assert word.value is not None
        size = word.multiplier
        if size is not None:
            below = part % 1000
            if size >= ceiling or (size == 100 and below >= 100):
                break
            if size == 100:
                part += (below or 1) * 100 - below
            else:
                total, part, ceiling = total + (part or Fraction(1)) * size, Fraction(0), size
            open_part = True
        elif last is not None and _joins(last, word):
            part += word.value
        elif last is not None and _fuses(last, word):
            part, open_part = part * 1000 + word.value, True
        elif open_part and (part == 0 or word.value < _room(part)) and (total == 0 or word.value < ceiling):
            part += word.value
            open_part = word.value >= 100
        else:
            break
        last, index = word, after
        if (total + part).denominator == 1:
            end, ended = total + part, index
    return (int(end), ended) if ended > start else None


def _in_thousands(tokens: list[str], start: int, index: int, last: NumberWord, words: NumberWords) -> bool:
    """Tells whether a token is the k of "five k"; behind digits in a row it is a letter."""
    alone = start == 0 or words.at(tokens, start - 1) is None
    return alone and words.thousand_at(tokens, index, last)


def _decimal(tokens: list[str], index: int, words: NumberWords) -> tuple[Fraction, int] | None:
    """Reads "point seven five" before a multiplier: of "3.75 lakh" what follows the 3."""
    if tokens[index] not in words.points:
        return None
    digits, end = "", index + 1
    while end < len(tokens) and (found := words.at(tokens, end)) is not None:
        digit = found[0].whole
        if digit is None or digit > 9:
            break
        digits, end = f"{digits}{digit}", found[1]
    if not digits or _multiplier(tokens, end, words) is None:
        return None
    return Fraction(int(digits), 10 ** len(digits)), end


def _step(tokens: list[str], index: int, words: NumberWords) -> tuple[NumberWord, int] | None:
    """Returns the number word at a token; "saadhe teen" is 3.5, "2.5" of "2.5 lakh" is 5/2."""
    figure = _figure(tokens[index])
    if figure is not None:
        return NumberWord(figure[1]), index + 1
    found = words.at(tokens, index)
    if found is None or found[0].value is None:
        return None
    word, after = found
    if not word.shift:
        return found
    following = words.at(tokens, after)
    shift, base = word.value, following[0].value if following else None
    if shift is None or following is None or base is None or following[0].shift:
        return None
    if following[0].multiplier is not None:
        return NumberWord(1 + shift, tags=word.tags), after
    return NumberWord(base + shift, tags=word.tags), following[1]


def _room(part: Fraction) -> int:
    """Returns what a further number must stay below: 2300 has room for less than 100, 23 for nothing."""
    room = 1
    while part >= 100 and part % (room * 10) == 0:
        room *= 10
    return room


def _joins(ten: NumberWord, digit: NumberWord) -> bool:
    """Tells whether a ten and a digit are one number: "twenty five" is, "bees paanch" is not."""
    tens, units = ten.whole, digit.whole
    if tens is None or units is None or not 20 <= tens <= 90 or tens % 10 or not 1 <= units <= 9:
        return False
    return bool(ten.joins & digit.tags)


def _fuses(ten: NumberWord, thousands: NumberWord) -> bool:
    """Tells whether a ten and n thousand are one number: "eighty seven-thousand", in languages that fuse the latter."""
    tens, rest = ten.whole, thousands.whole
    if tens is None or rest is None or not 20 <= tens <= 90 or tens % 10 or rest % 1000 or not 1000 <= rest <= 9000:
        return False
    return bool(ten.joins & thousands.tags)


def _multiplier(tokens: list[str], index: int, words: NumberWords) -> int | None:
    found = words.at(tokens, index) if index < len(tokens) else None
    return found[0].multiplier if found is not None else None


def _figure(token: str) -> tuple[str, Fraction] | None:
    match = _FIGURE.fullmatch(token)
    if match is None:
        return None
    digits = match[1].replace("-", "")
    value = Fraction(f"{digits}.{match[2] or 0}") * (1000 if match[3] else 1)
    return (str(int(value)) if match[3] or match[2] else digits), value


def _corrected(run: list[_Piece | None], expected: tuple[int, int] | None) -> str:
    """Joins the digits of a stretch; what follows a correction replaces what went before."""
    segments = [""]
    for piece in run:
        if piece is None:
            segments.append("")
        else:
            segments[-1] += piece.digits
    segments = [segment for segment in segments if segment]
    kept, index = segments[0], 1
    while index < len(segments):
        said = segments[index]
        index += 1
        if index < len(segments) and kept.endswith(said):  # "not four, no, five"
            kept, index = kept[: -len(said)] + segments[index], index + 1
            continue
        readings = [said, kept[: -len(said)] + said, kept[:-1] + said, kept + said]
        if len(said) < len(kept):
            readings = [*readings[1:3], said, kept + said]
        low, high = expected or (1, 10**6)
        last = index == len(segments)
        kept = next((text for text in readings if last and low <= len(text) <= high), readings[0])
    return kept


def _others(tokens: list[str], pieces: list[_Piece], words: NumberWords) -> int:
    """Counts the words of an utterance that are neither in these pieces nor fillers."""
    inside = {index for piece in pieces for index in range(piece.start, piece.end)}
    return sum(index not in inside and token not in words.fillers for index, token in enumerate(tokens))
