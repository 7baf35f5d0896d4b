"""Holds what a pack's agent says and writes against the contract: slots, length, register, approval, template rules.

Part of `checks`.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from app.language.contract import Contract
from app.language.findings import Problem
from app.language.normalise import words_of
from app.language.render import cases_of, slots_of

_PLACEHOLDER = re.compile(r"\{\{(\d+)\}\}")
_ODD_PLACEHOLDER = re.compile(r"\{\{(?!\d+\}\})")
_LONGEST_TEMPLATE = 1024
_WORDS_PER_VARIABLE = 2  # Meta rejects templates with more variables than this share of words allows
_TEMPLATE_NAME = re.compile(r"[a-z0-9_]{1,512}")
_SPOKEN = ("disclosures.yaml", "responses.yaml")
_ADDRESSING = (*_SPOKEN, "whatsapp.yaml", "errors.yaml", "failures.yaml")
_FAILURE_LETTERS = 180


def text_hash(text: str) -> str:
    """Returns the SHA-256 (hex) of a disclosure's UTF-8 text, that its approval is bound to."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def wording_problems(raw: Mapping[str, Mapping[str, Any]], contract: Contract) -> Iterator[Problem]:
    """Yields what is wrong with a pack's own words.

    Args:
        raw: The pack's files, read.
        contract: Keys, slots and limits.
    """
    yield from _disclosures(raw["disclosures.yaml"], contract)
    yield from _responses(raw["responses.yaml"], contract)
    yield from _templates(raw["whatsapp.yaml"], contract)
    yield from _errors(raw["errors.yaml"], contract)
    yield from _failures(raw["failures.yaml"], contract)
    words = raw["lexicon.yaml"]
    informal = words.get("informal_words", ())
    yield from _register(raw, frozenset(word for phrase in informal for word in words_of(str(phrase))))
    cases = words.get("cases", {})
    yield from _cases(raw, frozenset(cases) if isinstance(cases, Mapping) else frozenset())


def keyed(file: str, found: Collection[str], wanted: Collection[str], noun: str) -> Iterator[Problem]:
    """Yields a problem for each key that is missing and each that is unknown."""
    for key in wanted:
        if key not in found:
            yield Problem(file, key, f"missing; add the {noun}")
    for key in found:
        if key not in wanted:
            yield Problem(file, key, f"no {noun} of contract.yaml; remove it or correct its name")


def braced(slots: Collection[str]) -> str:
    """Returns slots as a message shows them."""
    return ", ".join(f"{{{slot}}}" for slot in sorted(slots)) or "none"


def _disclosures(doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    file, limits = "disclosures.yaml", contract.limits
    yield from keyed(file, doc, contract.disclosures, "disclosure")
    for key, slots in contract.disclosures.items():
        entry = doc.get(key)
        if entry is None:
            continue
        if not isinstance(entry, Mapping) or not isinstance(entry.get("text"), str):
            yield Problem(file, key, "give text, approved_by, approved_on and sha256")
            continue
        if slots_of(entry["text"]) != slots:
            yield Problem(file, f"{key}.text", f"its slots must be exactly {braced(slots)}")
        yield from _too_long(file, f"{key}.text", entry["text"], limits["disclosure_letters"])
        if not entry.get("approved_by") or not re.fullmatch(r"\d{4}-\d\d-\d\d", str(entry.get("approved_on", ""))):
            yield Problem(file, key, "not approved; run `vaanisetu packs approve`")
        elif entry.get("sha256") != text_hash(entry["text"]):
            cure = "changed after its approval; read it again and run `vaanisetu packs approve`"
            yield Problem(file, f"{key}.sha256", cure)
    opening = [doc[key]["text"] for key in contract.opening if isinstance(doc.get(key), Mapping) and "text" in doc[key]]
    length = sum(map(len, opening))
    if length > limits["opening_letters"]:
        cure = f"{length} letters open a call ({', '.join(contract.opening)}); at most {limits['opening_letters']}"
        yield Problem(file, contract.opening[0], cure)


def _responses(doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    file = "responses.yaml"
    yield from keyed(file, doc, contract.responses, "response")
    for key, rule in contract.responses.items():
        variants = doc.get(key)
        if variants is None:
            continue
        if not isinstance(variants, list) or not variants or not all(isinstance(text, str) for text in variants):
            yield Problem(file, key, "give a list of at least one sentence")
            continue
        for index, text in enumerate(variants):
            if not rule.required <= slots_of(text) <= rule.required | rule.optional:
                allowed = f"; {braced(rule.optional)} may stand too" if rule.optional else ""
                cure = f"{text!r}: must hold {braced(rule.required)}{allowed}"
                yield Problem(file, f"{key}[{index}]", cure)
            yield from _too_long(file, f"{key}[{index}]", text, contract.limits["response_letters"])
        if not any(slots_of(text) == rule.required for text in variants):
            yield Problem(file, key, f"add a variant with {braced(rule.required)} only")


def _too_long(file: str, key: str, text: str, most: int) -> Iterator[Problem]:
    if len(text) > most:
        yield Problem(file, key, f"{len(text)} letters are too many to listen to; at most {most}")


def _templates(doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    """Holds templates against the contract and against what Meta rejects.

    Source: WhatsApp Business Platform, "Template components" and "Common reasons for rejection".
    """
    file = "whatsapp.yaml"
    yield from keyed(file, doc, contract.templates, "template")
    for name, (category, params) in contract.templates.items():
        entry = doc.get(name)
        if entry is None:
            continue
        if not isinstance(entry, Mapping) or not {"category", "body", "params", "examples"} <= entry.keys():
            yield Problem(file, name, "give category, body, params and examples")
            continue
        if not _TEMPLATE_NAME.fullmatch(name):
            yield Problem(file, name, "a name holds lower-case letters, digits and _ only")
        if entry["category"] != category or tuple(entry["params"]) != params:
            yield Problem(file, name, f"category must be {category} and params [{', '.join(params)}]")
        if len(entry["examples"]) != len(params) or not all(str(value).strip() for value in entry["examples"]):
            yield Problem(file, f"{name}.examples", f"give {len(params)} examples, one for each of its params")
        for cure in _body_faults(str(entry["body"]), len(params)):
            yield Problem(file, f"{name}.body", cure)


def _body_faults(body: str, count: int) -> Iterator[str]:
    if _PLACEHOLDER.findall(body) != [str(n + 1) for n in range(count)] or _ODD_PLACEHOLDER.search(body):
        yield "the body must hold each {{n}} once, in rising order"
    bare = body.strip(" .!?।,\n")
    if _PLACEHOLDER.match(bare) or re.search(r"\{\{\d+\}\}$", bare):
        yield "the body must neither start nor end with a {{n}}"
    if len(body) > _LONGEST_TEMPLATE:
        yield f"{len(body)} letters; a body holds at most 1,024"
    if re.search(r"\}\}\s*\{\{", body):
        yield "words must stand between two {{n}}"
    if len(words_of(_PLACEHOLDER.sub(" ", body))) <= _WORDS_PER_VARIABLE * count:
        yield "too few words for its {{n}}; write more than two for each"
    if re.search(r"\n{3}| {5}|\t", body):
        yield "no tabs, no more than two line breaks or four spaces in a row"


def _errors(doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    yield from keyed("errors.yaml", doc, contract.errors, "message")
    for key, slots in contract.errors.items():
        text = doc.get(key)
        if text is not None and (not isinstance(text, str) or slots_of(text) != slots):
            yield Problem("errors.yaml", key, f"give one sentence whose slots are exactly {braced(slots)}")


def _failures(doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    file = "failures.yaml"
    yield from keyed(file, doc, contract.failures, "text")
    for key, text in doc.items():
        if not isinstance(text, str) or slots_of(text):
            yield Problem(file, key, "give one text without slots")
        elif len(text) > _FAILURE_LETTERS:
            yield Problem(file, key, f"{len(text)} letters are too many for a glance; at most {_FAILURE_LETTERS}")


def _register(raw: Mapping[str, Mapping[str, Any]], informal: frozenset[str]) -> Iterator[Problem]:
    """Finds words that the pack itself calls too familiar for a caller."""
    for file, key, text in _own_texts(raw):
        for word in words_of(text):
            if word in informal:
                cure = f"{word!r} is an informal_word of lexicon.yaml; address the caller politely"
                yield Problem(file, key, cure)


def _cases(raw: Mapping[str, Mapping[str, Any]], known: frozenset[str]) -> Iterator[Problem]:
    for file, key, text in _own_texts(raw):
        unknown = cases_of(text) - known
        if unknown:
            cure = f"{text!r}: no case {', '.join(sorted(unknown))} in lexicon.yaml under cases; add it"
            yield Problem(file, key, cure)


def _own_texts(raw: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yields (file, key, text) of everything that the agent says or writes."""
    for file in _ADDRESSING:
        for key, value in raw[file].items():
            if isinstance(value, str):
                yield file, key, value
            elif isinstance(value, list):
                yield from ((file, f"{key}[{i}]", text) for i, text in enumerate(value) if isinstance(text, str))
            elif isinstance(value, Mapping):
                part = "body" if file == "whatsapp.yaml" else "text"
                if isinstance(value.get(part), str):
                    yield file, f"{key}.{part}", value[part]
