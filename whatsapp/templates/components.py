"""Reads a template's components: which values it takes, whether given ones fit, what the customer reads; pure.

Source: Meta, "Template components", "Common reasons for rejection", "Messages: template object".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.errors import FieldError
from whatsapp.templates.models import Facts, Wanted

PLACEHOLDER: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_NAME: Final = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_BAD_VALUE: Final = re.compile(r"[\n\r\t]| {5,}")
_LONGEST: Final = {"HEADER": 60, "BODY": 1024, "FOOTER": 60}
_LONGEST_VALUE: Final = 1024
_LONGEST_URL_VALUE: Final = 2000
_MOST_BUTTONS: Final = 10
_BUTTON_LETTERS: Final = 25
_WORDS_PER_VARIABLE: Final = 2
_MEDIA: Final = frozenset({"IMAGE", "VIDEO", "DOCUMENT", "LOCATION", "GIF"})


@dataclass(frozen=True, slots=True)
class Slot:
    """One value that a template takes.

    Attributes:
        part: `header`, `body` or `button`.
        name: What stands in the braces: "1", or a name.
        button: Which button, from 0; None for the other parts.
    """

    part: str
    name: str
    button: int | None = None

    @property
    def label(self) -> str:
        """What people call it."""
        return f"button {(self.button or 0) + 1}" if self.part == "button" else f"{self.part} {{{{{self.name}}}}}"


def slots_of(facts: Facts) -> tuple[Slot, ...]:
    """Returns the values that a template takes, in the order in which they are given: header, body, buttons."""
    found: list[Slot] = []
    for part in ("HEADER", "BODY"):
        text = _text(facts, part)
        found += [Slot(part.lower(), name) for name in dict.fromkeys(PLACEHOLDER.findall(text))]
    for index, button in enumerate(_buttons(facts)):
        if button.get("type") == "URL" and PLACEHOLDER.search(str(button.get("url", ""))):
            found.append(Slot("button", "1", index))
        elif button.get("type") in ("COPY_CODE", "OTP"):
            found.append(Slot("button", "1", index))
    return tuple(found)


def unsendable(facts: Facts) -> str | None:
    """Returns why a template cannot be sent by values alone, or None."""
    header = _part(facts, "HEADER")
    kind = str(header.get("format", "TEXT")).upper()
    if kind in _MEDIA:
        return f"its header is {kind.lower()}, which is not sent from here; use a template with a text header or none"
    return None if _text(facts, "BODY") else "it has no body that is known; sync the templates"


def value_faults(facts: Facts, values: Sequence[str]) -> list[FieldError]:
    """Returns what is wrong with values for a template; nothing if they fit.

    Args:
        facts: The template.
        values: In the order of `slots_of`.
    """
    slots = slots_of(facts)
    if len(values) != len(slots):
        wanted = ", ".join(slot.label for slot in slots) or "none"
        return [FieldError("/values", f"takes {len(slots)} values ({wanted}), not {len(values)}")]
    faults = []
    for index, (slot, value) in enumerate(zip(slots, values, strict=True)):
        cure = _value_fault(slot, value)
        if cure is not None:
            faults.append(FieldError(f"/values/{index}", f"{slot.label}: {cure}"))
    if not faults:
        for part, text in _filled_parts(facts, values):
            if len(text) > _LONGEST[part]:
                limit = f"{len(text)} letters with its values; at most {_LONGEST[part]}: shorten a value"
                faults.append(FieldError("/values", f"{part.lower()}: {limit}"))
    return faults


def _value_fault(slot: Slot, value: str) -> str | None:
    if not value.strip():
        return "must not be empty"
    if _BAD_VALUE.search(value):
        return "no line breaks, no tabs and no more than four spaces in a row"
    longest = _LONGEST_URL_VALUE if slot.part == "button" else _LONGEST_VALUE
    return f"at most {longest} letters" if len(value) > longest else None


def rendered(facts: Facts, values: Sequence[str]) -> str:
    """Returns the message as the customer reads it: header, body, footer, and the buttons in brackets.

    Args:
        facts: The template.
        values: In the order of `slots_of`; checked before.
    """
    lines = [text for _, text in _filled_parts(facts, values)]
    footer = _text(facts, "FOOTER")
    lines += [footer] if footer else []
    lines += [f"[{button.get('text', '')}]" for button in _buttons(facts)]
    return "\n".join(lines)


def message_components(facts: Facts, values: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the `components` of a message that sends the template.

    Args:
        facts: The template.
        values: In the order of `slots_of`; checked before.
    """
    given = dict(zip(slots_of(facts), values, strict=True))
    parts: list[dict[str, Any]] = []
    for part in ("header", "body"):
        parameters = [_parameter(slot, value, facts.named) for slot, value in given.items() if slot.part == part]
        if parameters:
            parts.append({"type": part, "parameters": parameters})
    buttons = _buttons(facts)
    for slot, value in given.items():
        if slot.button is not None:
            kind = "copy_code" if buttons[slot.button].get("type") == "COPY_CODE" else "url"
            parameter = {"type": "coupon_code", "coupon_code": value} if kind == "copy_code" else _text_parameter(value)
            parts.append({"type": "button", "sub_type": kind, "index": str(slot.button), "parameters": [parameter]})
    return parts


def wanted_faults(wanted: Wanted) -> list[FieldError]:
    """Returns why Meta would not take a template, with the cure; nothing if it may be submitted."""
    faults = []
    if not _NAME.fullmatch(wanted.name):
        faults.append(FieldError("/name", "lower-case letters, digits and _ only, at most 512"))
    if not _LANGUAGE.fullmatch(wanted.language):
        faults.append(FieldError("/language", "Meta's code, such as hi or en_US"))
    if wanted.category.value == "UNKNOWN":
        faults.append(FieldError("/category", "MARKETING, UTILITY or AUTHENTICATION"))
    kinds = [str(component.get("type")) for component in wanted.components]
    if kinds.count("BODY") != 1 or len(set(kinds)) != len(kinds):
        faults.append(FieldError("/components", "exactly one BODY, and no type twice"))
    for index, component in enumerate(wanted.components):
        faults += [FieldError(f"/components/{index}", cure) for cure in _component_faults(component, wanted.named)]
    return faults


def _component_faults(component: Mapping[str, Any], named: bool) -> Iterator[str]:
    kind = str(component.get("type"))
    if kind == "BUTTONS":
        yield from _button_faults(component.get("buttons"))
        return
    if kind not in _LONGEST:
        yield "type is HEADER, BODY, FOOTER or BUTTONS"
        return
    if kind == "HEADER" and str(component.get("format", "TEXT")) != "TEXT":
        yield "a header is text here: format TEXT"
        return
    text = str(component.get("text", ""))
    if not 1 <= len(text) <= _LONGEST[kind]:
        yield f"text has 1 to {_LONGEST[kind]} letters, not {len(text)}"
    yield from _variable_faults(kind, text, component.get("example"), named)


def _variable_faults(kind: str, text: str, example: object, named: bool) -> Iterator[str]:
    names = PLACEHOLDER.findall(text)
    if "{{" in PLACEHOLDER.sub("", text):
        yield "a variable is {{1}} or {{a_name}}"
    if not names:
        return
    if kind == "FOOTER":
        yield "a footer has no variables"
        return
    if not named and names != [str(place) for place in range(1, len(names) + 1)]:
        yield "variables are {{1}}, {{2}} ... in order, each once"
    if kind == "HEADER" and len(names) > 1:
        yield "a header has one variable at most"
    if not example:
        yield "variables need an example of each"
    if kind == "BODY":
        bare = text.strip(" .!?,;:।\n")
        if PLACEHOLDER.match(bare) or re.search(r"\{\{\s*\w+\s*\}\}$", bare):
            yield "the body neither starts nor ends with a variable"
        if len(PLACEHOLDER.sub(" ", text).split()) <= _WORDS_PER_VARIABLE * len(names):
            yield "too few words for its variables; write more than two for each"


def _button_faults(buttons: object) -> Iterator[str]:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= _MOST_BUTTONS:
        yield f"1 to {_MOST_BUTTONS} buttons"
        return
    for button in buttons:
        text = str(button.get("text", "")) if isinstance(button, Mapping) else ""
        if not 1 <= len(text) <= _BUTTON_LETTERS:
            yield f"a button's text has 1 to {_BUTTON_LETTERS} letters"


def _filled_parts(facts: Facts, values: Sequence[str]) -> Iterator[tuple[str, str]]:
    given = {(slot.part, slot.name): value for slot, value in zip(slots_of(facts), values, strict=True)}
    for part in ("HEADER", "BODY"):
        text = _text(facts, part)
        if text:
            pieces = PLACEHOLDER.split(text)
            pieces[1::2] = [given[part.lower(), name] for name in pieces[1::2]]
            yield part, "".join(pieces)


def _parameter(slot: Slot, value: str, named: bool) -> dict[str, Any]:
    parameter = _text_parameter(value)
    return {**parameter, "parameter_name": slot.name} if named else parameter


def _text_parameter(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def _part(facts: Facts, kind: str) -> Mapping[str, Any]:
    return next((component for component in facts.components if component.get("type") == kind), {})


def _text(facts: Facts, kind: str) -> str:
    text = _part(facts, kind).get("text")
    return text if isinstance(text, str) else ""


def _buttons(facts: Facts) -> list[Mapping[str, Any]]:
    buttons = _part(facts, "BUTTONS").get("buttons")
    return [button for button in buttons if isinstance(button, Mapping)] if isinstance(buttons, list) else []
