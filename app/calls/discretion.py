"""Takes secrets that a caller gives away unasked (PIN, one-time code, CVV, password) out of what was understood.

Between understanding and everything after it: dialogue, tools, the second opinion, events, the person who takes over.
"""

from dataclasses import replace
from typing import Final

from app.kit.redaction import Kind
from app.language.redaction import Redactor
from app.nlu.understanding import Entity, Understanding

_STAYS: Final = frozenset(Kind) - {Kind.CODE}
_NUMERIC: Final = frozenset({"digits", "number", "amount", "quantity", "phone"})


def discreet(found: Understanding, redactor: Redactor) -> Understanding:
    """Returns what was understood with `[code]` in place of secret codes, and without the numbers that they are.

    Args:
        found: Of words that were not asked to prove who calls.
        redactor: In the packs' languages.
    """
    text = redactor.text(found.text, keep=_STAYS)
    if text == found.text:
        return found
    readable = text.casefold()
    kept = tuple(one for one in found.entities if one.kind not in _NUMERIC or one.text.casefold() in readable)
    return replace(found, text=text, entities=tuple(_clean(one, redactor) for one in kept))


def _clean(one: Entity, redactor: Redactor) -> Entity:
    if one.kind in _NUMERIC:
        return one
    value, words = (redactor.text(each, keep=_STAYS) for each in (one.value, one.text))
    return replace(one, value=value, text=words)
