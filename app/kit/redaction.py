"""What must not lie in the clear, as far as figures and signs show it: cards, Aadhaar, PAN, phones, mail and bank ids.

The floor under logs and clear fields. `app.language.redaction` adds what is spoken in words; both share these rules.
A card, Aadhaar or account keeps its last four digits, a phone its last two, everything else nothing.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

Redact = Callable[[str], str]


class Kind(StrEnum):
    """What was found."""

    CARD = "card"
    AADHAAR = "aadhaar"
    PHONE = "phone"
    ACCOUNT = "account"
    CODE = "code"
    PAN = "pan"
    IFSC = "ifsc"
    EMAIL = "email"
    UPI = "upi"


_READABLE: Final = {Kind.CARD: 4, Kind.AADHAAR: 4, Kind.ACCOUNT: 4, Kind.PHONE: 2}
_MOST_ATOMS: Final = 24
_LONGEST: Final = 19


@dataclass(frozen=True, slots=True)
class Atom:
    """Some digits, and where they stand in the text; a written group, or a spoken number."""

    digits: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """A stretch of the text to be masked."""

    kind: Kind
    digits: str
    start: int
    end: int

    @property
    def mask(self) -> str:
        """What stands there instead."""
        shown = _READABLE.get(self.kind, 0)
        return f"[{self.kind.value} …{self.digits[-shown:]}]" if shown else f"[{self.kind.value}]"


@dataclass(frozen=True, slots=True)
class Nearby:
    """What the words around a number say it is."""

    code: bool = False
    account: bool = False
    business: bool = False


def luhn(digits: str) -> bool:
    """Returns whether the last digit is the check digit of payment cards (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_D: Final = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_P: Final = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def verhoeff(digits: str) -> bool:
    """Returns whether the last digit is the check digit of Aadhaar numbers.

    Source: J. Verhoeff, "Error detecting decimal codes", 1969: the dihedral group D5 and its permutation.
    """
    check = 0
    for place, char in enumerate(reversed(digits)):
        check = int(_D[check][int(_P[place % 8][int(char)])])
    return check == 0


def kind_of(digits: str, nearby: Nearby, *, whole: bool) -> Kind | None:
    """Returns what a string of digits is, or None.

    Args:
        digits: ASCII.
        nearby: What the words around it say.
        whole: Nothing numeric stands beside it.
    """
    size = len(digits)
    if 13 <= size <= _LONGEST and digits[0] in "23456" and luhn(digits):
        return Kind.CARD
    if nearby.account and whole and 9 <= size <= 18:
        return Kind.ACCOUNT
    if nearby.code and whole and 3 <= size <= 8:
        return Kind.CODE
    if nearby.business:
        return None
    if _is_phone(digits, whole=whole):
        return Kind.PHONE
    if size == 12 and digits[0] in "23456789" and verhoeff(digits):
        return Kind.AADHAAR
    return None


def _is_phone(digits: str, *, whole: bool) -> bool:
    for prefix in ("", "0", "91", "0091", "091"):
        rest = digits.removeprefix(prefix) if digits.startswith(prefix) else ""
        if len(rest) == 10 and rest[0] in "6789":
            return True
    return whole and len(digits) == 11 and digits[0] == "1" and digits[1] in "23456789"


def scan(text: str, run: Sequence[Atom], nearby: Nearby) -> Iterator[Found]:
    """Yields what a run of digit groups holds, longest first; the groups stand beside each other in the text."""
    for atoms in _apart(text, run):
        yield from _scan(atoms, nearby)


def _apart(text: str, run: Sequence[Atom]) -> Iterator[list[Atom]]:
    """Yields a run in parts where punctuation parts whole numbers ("600001, 1800"), not digits ("9, 8, 7")."""
    part: list[Atom] = []
    for atom in run:
        if part and min(len(part[-1].digits), len(atom.digits)) > 2 and _PARTED.match(text, part[-1].end, atom.start):
            yield part
            part = []
        part.append(atom)
    if part:
        yield part


def _scan(atoms: Sequence[Atom], nearby: Nearby) -> Iterator[Found]:
    index = 0
    while index < len(atoms):
        found = _at(atoms, index, nearby)
        if found is None:
            index += 1
            continue
        last, kind, digits = found
        yield Found(kind, digits, atoms[index].start, atoms[last].end)
        index = last + 1


def _at(atoms: Sequence[Atom], first: int, nearby: Nearby) -> tuple[int, Kind, str] | None:
    best = None
    digits = ""
    for last in range(first, min(len(atoms), first + _MOST_ATOMS)):
        digits += atoms[last].digits
        if len(digits) > _LONGEST:
            break
        whole = first == 0 and last == len(atoms) - 1
        kind = kind_of(digits, nearby, whole=whole)
        if kind is not None:
            best = (last, kind, digits)
    return best


_EMAIL: Final = re.compile(r"[\w.+%-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_UPI: Final = re.compile(r"(?<![\w.-])[\w.-]{2,64}@[A-Za-z][A-Za-z0-9]{1,31}(?![\w.@-])")
_PAN: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{3}[ABCFGHJLPT][A-Z][ -]?\d{4}[ -]?[A-Z](?![A-Za-z0-9])", re.IGNORECASE)
_IFSC: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{4}0[A-Z0-9]{6}(?![A-Za-z0-9])", re.IGNORECASE)
_E164: Final = re.compile(r"\+[1-9](?:[ -]?\d){7,14}(?!\d)")
_SIGNS: Final = (
    (Kind.EMAIL, _EMAIL),
    (Kind.UPI, _UPI),
    (Kind.PAN, _PAN),
    (Kind.IFSC, _IFSC),
    (Kind.PHONE, _E164),
)
_RUN: Final = re.compile(r"(?<![^\W\d_])(?<!_)\+?\d+(?:[ \u00a0().,/-]{1,3}\d+)*(?![^\W\d_])")
_PARTED: Final = re.compile(r"[,;:.!?]\s")
_GROUP: Final = re.compile(r"\d+")
_CODE: Final = re.compile(r"\b(?:otp|cvv|cvc|upi pin|atm pin|mpin|passcode|password)\b", re.IGNORECASE)
_ACCOUNT: Final = re.compile(r"(?:\baccount\b|\ba/c\b|\bacct\b)", re.IGNORECASE)
_BUSINESS: Final = re.compile(r"(?:\b(?:order|invoice|awb|tracking|rs|inr)\b|₹)[^,;]{0,20}$", re.IGNORECASE)
_NEAR: Final = 28
_AFTER: Final = 16


def signs_in(text: str) -> list[Found]:
    """Returns the ids that are known by their form: e-mail, UPI, PAN, IFSC."""
    found: list[Found] = []
    for kind, pattern in _SIGNS:
        for match in pattern.finditer(text):
            if all(match.end() <= other.start or match.start() >= other.end for other in found):
                digits = "".join(char for char in match[0] if char.isdecimal())
                found.append(Found(kind, digits, match.start(), match.end()))
    return found


def figures(text: str) -> Iterator[list[Atom]]:
    """Yields the runs of figures in a text, each as its groups, in ASCII digits."""
    for run in _RUN.finditer(text):
        yield [
            Atom(as_ascii(group[0]), run.start() + group.start(), run.start() + group.end())
            for group in _GROUP.finditer(run[0])
        ]


def as_ascii(digits: str) -> str:
    """Returns decimal digits of any script as ASCII."""
    return digits if digits.isascii() else "".join(str(unicodedata.decimal(char)) for char in digits)


def masked(text: str, found: Iterable[Found], keep: frozenset[Kind] = frozenset()) -> str:
    """Returns the text with what was found masked; of two that overlap the earlier and longer one is."""
    pieces, at = [], 0
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if one.kind in keep or one.start < at:
            continue
        start = one.start - 1 if one.start and text[one.start - 1] == "+" and one.kind is Kind.PHONE else one.start
        pieces += [text[at:start], one.mask]
        at = one.end
    return "".join([*pieces, text[at:]])


def redact_figures(text: str) -> str:
    """Returns the text without what figures and signs give away; for logs, where nobody speaks.

    Args:
        text: Any text.
    """
    if not any(char == "@" or char.isdecimal() for char in text):
        return text
    found = signs_in(text)
    for atoms in figures(text):
        before, after = text[max(0, atoms[0].start - _NEAR) : atoms[0].start], text[atoms[-1].end :][:_AFTER]
        nearby = Nearby(
            code=bool(_CODE.search(before) or _CODE.search(after)),
            account=bool(_ACCOUNT.search(before)),
            business=bool(_BUSINESS.search(before)),
        )
        found.extend(scan(text, atoms, nearby))
    return masked(text, found) if found else text


IDENTIFIERS: Final = frozenset(
    {"amount", "contact", "head", "key", "number", "order", "phone", "reference", "sha256", "type", "url", "version"}
)
"""Fields that say by their name that they hold an identifier or an amount, beside `*_id` and `*_at`."""


def redacted(
    value: Any, redact: Redact = redact_figures, *, keep: frozenset[str] = IDENTIFIERS, field: str = ""
) -> Any:
    """Returns a JSON value with every text in it redacted, but for fields that say by their name what they hold.

    Args:
        value: A text, a mapping, a sequence or anything else, which stays as it is.
        redact: What to do with texts.
        keep: Names of fields that stay as they are, beside `*_id` and `*_at`.
        field: The field that holds the value.
    """
    if isinstance(value, str):
        return value if field in keep or field.endswith(("_id", "_at")) else redact(value)
    if isinstance(value, Mapping):
        return {key: redacted(inner, redact, keep=keep, field=str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(inner, redact, keep=keep, field=field) for inner in value]
    return value
