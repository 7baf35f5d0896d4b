"""The shelf of message templates in the Graph stand-in: creates, lists, reviews and fills them as Meta documents.

Source: Meta, "WhatsApp Business Management API: message templates", "Template webhooks", "Error codes".
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.simulate.graph.errors import GraphError

_PLACEHOLDER: Final = re.compile(r"\{\{(\w+)\}\}")
_NAME: Final = re.compile(r"[a-z0-9_]{1,512}")
_CATEGORIES: Final = frozenset({"MARKETING", "UTILITY", "AUTHENTICATION"})
LANGUAGES: Final = frozenset(
    "af sq ar az bn bg ca zh_CN zh_HK zh_TW hr cs da nl en en_GB en_IN en_US et fil fi fr ka de el gu ha he hi hu id "
    "ga it ja kn kk rw_RW ko ky_KG lo lv lt mk ms ml mr nb fa pl pt_BR pt_PT pa ro ru sr sk sl es es_AR es_ES es_MX "
    "sw sv ta te th tr uk ur uz vi zu".split()
)
_REFUSALS: Final = {
    "PAUSED": (132015, "Template is paused due to low quality so it cannot be sent"),
    "DISABLED": (132016, "Template has been paused too many times due to low quality and is now permanently disabled"),
}
_SENDABLE: Final = frozenset({"APPROVED", "FLAGGED"})
_LONGEST: Final = {"BODY": 1024, "HEADER": 60, "FOOTER": 60}
_MOST_BUTTONS: Final = 10
_BUTTON_LETTERS: Final = 25
_WORDS_PER_VARIABLE: Final = 2
ALREADY_THERE: Final = 2388024
LEADING_OR_TRAILING: Final = 2388299
TOO_MANY_VARIABLES: Final = 2388293
NO_SAMPLE: Final = 2388043


@dataclass(frozen=True, slots=True)
class ShelfTemplate:
    """One template in one language, as this Meta keeps it."""

    template_id: str
    name: str
    language: str
    category: str
    components: tuple[Mapping[str, Any], ...]
    status: str = "PENDING"
    quality: str = "UNKNOWN"
    reason: str = "NONE"
    parameter_format: str = "POSITIONAL"

    def wire(self) -> dict[str, Any]:
        """Returns it as the list shows it."""
        return {
            "id": self.template_id,
            "name": self.name,
            "language": self.language,
            "category": self.category,
            "status": self.status,
            "components": list(self.components),
            "parameter_format": self.parameter_format,
            "quality_score": {"score": self.quality},
            "rejected_reason": self.reason,
        }


@dataclass(slots=True)
class TemplateShelf:
    """All templates of one account.

    Attributes:
        entries: (name, language) -> template.
        review: What becomes of a new one: APPROVED or REJECTED at once, or PENDING until somebody decides.
    """

    entries: dict[tuple[str, str], ShelfTemplate] = field(default_factory=dict)
    review: str = "APPROVED"

    def stock(self, bodies: Mapping[tuple[str, str], str]) -> None:
        """Puts up approved utility templates: (name, language) -> body."""
        for (name, language), body in bodies.items():
            body_part = {"type": "BODY", "text": body}
            self.entries[name, language] = ShelfTemplate(
                _new_id(), name, language, "UTILITY", (body_part,), "APPROVED", "GREEN"
            )

    def create(self, wanted: Mapping[str, Any]) -> tuple[ShelfTemplate, dict[str, Any] | None]:
        """Takes a template to be reviewed.

        Returns:
            The template, and the update that tells of the decision; None while there is none.

        Raises:
            GraphError: Meta would not take it.
        """
        template = _checked(wanted)
        key = (template.name, template.language)
        if key in self.entries:
            raise GraphError(100, "Content in this language already exists", subcode=ALREADY_THERE)
        self.entries[key] = template
        return template, self.decide(*key, self.review) if self.review != "PENDING" else None

    def decide(self, name: str, language: str, status: str, reason: str = "NONE") -> dict[str, Any]:
        """Sets a template's status; returns the update that tells of it."""
        changed = replace(self.entries[name, language], status=status, reason=reason)
        self.entries[name, language] = changed
        return _change("message_template_status_update", changed, event=status, reason=reason)

    def rate(self, name: str, language: str, quality: str) -> dict[str, Any]:
        """Sets GREEN, YELLOW, RED or UNKNOWN; returns the update."""
        before = self.entries[name, language]
        self.entries[name, language] = changed = replace(before, quality=quality)
        scores = {"previous_quality_score": before.quality, "new_quality_score": quality}
        return _change("message_template_quality_update", changed, **scores)

    def recategorise(self, name: str, language: str, category: str) -> dict[str, Any]:
        """Moves a template to another category, as Meta may at any time; returns the update."""
        before = self.entries[name, language]
        self.entries[name, language] = changed = replace(before, category=category)
        return _change("template_category_update", changed, previous_category=before.category, new_category=category)

    def edit(self, name: str, language: str, body: str) -> dict[str, Any]:
        """Changes a template's body; returns the update."""
        before = self.entries[name, language]
        others = tuple(part for part in before.components if part["type"] != "BODY")
        parts = (*others, {"type": "BODY", "text": body})
        self.entries[name, language] = changed = replace(before, components=parts)
        return _change("message_template_components_update", changed, message_template_element=body)

    def page(self, limit: int, after: str | None) -> dict[str, Any]:
        """Returns one page of the list, oldest first, with the cursor of the next one."""
        listed = list(self.entries.values())
        start = next((i + 1 for i, entry in enumerate(listed) if entry.template_id == after), 0) if after else 0
        shown = listed[start : start + limit]
        answer: dict[str, Any] = {"data": [entry.wire() for entry in shown]}
        if shown:
            cursors = {"before": shown[0].template_id, "after": shown[-1].template_id}
            answer["paging"] = {"cursors": cursors}
            if start + limit < len(listed):
                answer["paging"]["next"] = f"https://graph.facebook.com/message_templates?after={cursors['after']}"
        return answer

    def delete(self, name: str) -> bool:
        """Deletes a template in all its languages; returns whether there was one."""
        gone = [key for key in self.entries if key[0] == name]
        for key in gone:
            del self.entries[key]
        return bool(gone)

    def fill(self, asked: Mapping[str, Any]) -> tuple[ShelfTemplate, str]:
        """Returns the template that a message names, and the text as the customer reads it.

        Raises:
            GraphError: There is none, it may not be sent, or its parameters are wrong.
        """
        name, language = asked.get("name"), asked.get("language")
        code = language.get("code") if isinstance(language, dict) else None
        if not isinstance(name, str) or not isinstance(code, str):
            raise GraphError(100, "template needs a name and a language.code")
        entry = self.entries.get((name, code))
        if entry is not None and entry.status in _REFUSALS:
            raise GraphError(*_REFUSALS[entry.status])
        if entry is None or entry.status not in _SENDABLE:
            raise GraphError(132001, f"template name ({name}) does not exist in {code}", 404)
        given = {str(part.get("type")).upper(): part.get("parameters") or [] for part in asked.get("components") or []}
        texts = []
        for part in entry.components:
            if isinstance(part.get("text"), str):
                texts.append(_filled(part["type"], part["text"], given.get(part["type"], []), entry.parameter_format))
        return entry, "\n".join(texts)


def _filled(kind: str, text: str, parameters: Sequence[Mapping[str, Any]], style: str) -> str:
    """Returns a component's text with its parameters in place.

    Raises:
        GraphError: Their number, names or contents are wrong.
    """
    wanted = list(dict.fromkeys(_PLACEHOLDER.findall(text)))
    if len(parameters) != len(wanted):
        detail = f"{kind.lower()}: number of localizable_params ({len(parameters)}) does not match ({len(wanted)})"
        raise GraphError(132000, detail)
    values = {}
    for place, parameter in enumerate(parameters, start=1):
        value = parameter.get("text")
        if not isinstance(value, str) or not value or re.search(r"[\n\t]| {5,}", value):
            raise GraphError(132012, "a parameter is empty or holds a line break, a tab or more than 4 spaces in a row")
        values[str(parameter.get("parameter_name")) if style == "NAMED" else str(place)] = value
    if values.keys() != set(wanted):
        raise GraphError(132012, f"{kind.lower()}: parameter names do not match {wanted}")
    return _PLACEHOLDER.sub(lambda match: values[match.group(1)], text)


def _checked(wanted: Mapping[str, Any]) -> ShelfTemplate:
    name, language, category = wanted.get("name"), wanted.get("language"), wanted.get("category")
    parts = wanted.get("components")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GraphError(100, "name: only lowercase alphanumeric characters and underscores")
    if language not in LANGUAGES:
        raise GraphError(100, f"language {language!r} is not supported")
    if category not in _CATEGORIES:
        raise GraphError(100, f"category must be one of {sorted(_CATEGORIES)}")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise GraphError(100, "components must be a list of objects")
    kinds = [part.get("type") for part in parts]
    if kinds.count("BODY") != 1 or len(set(kinds)) != len(kinds):
        raise GraphError(100, "components need exactly one BODY and no type twice")
    style = str(wanted.get("parameter_format", "POSITIONAL")).upper()
    for part in parts:
        _check_part(part, style)
    return ShelfTemplate(_new_id(), name, str(language), str(category), tuple(parts), parameter_format=style)


def _check_part(part: Mapping[str, Any], style: str) -> None:
    kind, text = str(part.get("type")), part.get("text")
    if kind == "BUTTONS":
        _check_buttons(part.get("buttons"))
        return
    if kind not in _LONGEST:
        raise GraphError(100, f"unknown component {kind}")
    if kind == "HEADER" and part.get("format") != "TEXT":
        return
    if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST[kind]:
        raise GraphError(100, f"{kind}: text must have 1 to {_LONGEST[kind]} characters")
    wanted = _PLACEHOLDER.findall(text)
    if style == "POSITIONAL" and wanted != [str(place) for place in range(1, len(wanted) + 1)]:
        raise GraphError(100, f"{kind}: variables must be {{{{1}}}}, {{{{2}}}} in order")
    if wanted and kind == "BODY":
        bare = re.sub(r"[^\w}{]+$", "", text.strip())
        if bare.startswith("{{") or bare.endswith("}}"):
            raise GraphError(100, "Variables can't be at the start or end of the template", subcode=LEADING_OR_TRAILING)
        if len(_PLACEHOLDER.sub(" ", text).split()) <= _WORDS_PER_VARIABLE * len(wanted):
            raise GraphError(100, "too many variables for its length", subcode=TOO_MANY_VARIABLES)
    if wanted and (kind == "FOOTER" or not part.get("example")):
        raise GraphError(100, f"{kind}: variables need samples, and a footer has none", subcode=NO_SAMPLE)


def _check_buttons(buttons: Any) -> None:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= _MOST_BUTTONS:
        raise GraphError(100, f"BUTTONS: 1 to {_MOST_BUTTONS} buttons")
    if any(not 1 <= len(str(button.get("text", ""))) <= _BUTTON_LETTERS for button in buttons):
        raise GraphError(100, f"BUTTONS: text must have 1 to {_BUTTON_LETTERS} characters")


def _change(name: str, template: ShelfTemplate, **value: Any) -> dict[str, Any]:
    """Returns one change of a webhook."""
    named = {
        "message_template_id": int(template.template_id),
        "message_template_name": template.name,
        "message_template_language": template.language,
    }
    return {"field": name, "value": {**value, **named}}


def _new_id() -> str:
    return str(10**15 + secrets.randbelow(9 * 10**15))
