"""Holds the raw files of a pack against the contract, for `loader`, which refuses a pack that fails."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

from app.language.contract import Contract
from app.language.normalise import normalise, words_of
from app.language.number_words import has_number_engine
from app.language.render import slots_of
from app.language.scripts import SCRIPTS, script_of_letter
from app.language.source import is_nfc

FILES = (
    "manifest.yaml", "disclosures.yaml", "intents.yaml", "tests/intents.yaml", "responses.yaml", "whatsapp.yaml",
    "errors.yaml", "lexicon.yaml",
)  # fmt: skip
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|TBD)\b", re.IGNORECASE)
_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?")
_PLACEHOLDER = re.compile(r"\{\{(\d+)\}\}")
_MANIFEST = ("tag", "name", "native_name", "scripts", "forms", "fallback", "whatsapp_code", "tts", "numbers")


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a pack: the file, the key inside it, and what cures it."""

    file: str
    key: str
    cure: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.cure}"


Raw = Mapping[str, Mapping[str, Any]]  # file name -> its content


def check(tag: str, raw: Raw, contract: Contract) -> list[Problem]:
    """Returns every fault of a pack.

    Args:
        tag: The folder's name.
        raw: All of `FILES`, read.
        contract: What the pack must serve.
    """
    problems = list(_manifest(tag, raw["manifest.yaml"], contract))
    if problems:
        return problems
    forms = tuple(raw["manifest.yaml"]["forms"])
    scripts = frozenset(raw["manifest.yaml"]["scripts"])
    for file in FILES:
        problems += _texts(file, raw[file], scripts)
    problems += _disclosures(raw["disclosures.yaml"], contract)
    problems += _sentences("intents.yaml", raw["intents.yaml"], contract, forms, "examples_per_intent")
    problems += _sentences("tests/intents.yaml", raw["tests/intents.yaml"], contract, forms, "tests_per_intent")
    problems += _overlap(raw)
    problems += _responses(raw["responses.yaml"], contract)
    problems += _templates(raw["whatsapp.yaml"], contract)
    problems += _errors(raw["errors.yaml"], contract)
    problems += _lexicon(raw["lexicon.yaml"], contract, forms)
    return problems


def strings_of(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yields (dotted key, string) for every string in nested lists and mappings, mapping keys included."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield f"{key}.{name}".strip("."), str(name)
            yield from strings_of(inner, f"{key}.{name}".strip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from strings_of(inner, f"{key}[{index}]")


def _keys(file: str, found: Collection[str], wanted: Collection[str], noun: str) -> Iterator[Problem]:
    for key in wanted:
        if key not in found:
            yield Problem(file, key, f"missing; add the {noun}")
    for key in found:
        if key not in wanted:
            yield Problem(file, key, f"no {noun} of contract.yaml; remove it or correct its name")


def _manifest(tag: str, doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    file = "manifest.yaml"
    yield from _keys(file, doc, _MANIFEST, "entry")
    if any(key not in doc for key in _MANIFEST):
        return
    if doc["tag"] != tag or not _TAG.fullmatch(tag):
        yield Problem(
            file, "tag", f"{doc['tag']!r}: must be a BCP-47 tag like 'hi-IN' and equal the folder's name {tag!r}"
        )
    for key, known in (("scripts", SCRIPTS), ("forms", contract.forms)):
        values = doc[key]
        if not isinstance(values, list) or not values or not set(values) <= set(known):
            yield Problem(file, key, f"{values!r}: give a list out of {', '.join(sorted(known))}")
            return
    needed = {"native", "asr"} if set(doc["scripts"]) == {"Latn"} else set(contract.forms)
    if not needed <= set(doc["forms"]):
        yield Problem(file, "forms", f"add {', '.join(sorted(needed - set(doc['forms'])))}")
    if not isinstance(doc["fallback"], list):
        yield Problem(file, "fallback", "give a list of tags, [] for none")
    if doc["numbers"] and not has_number_engine(doc["numbers"]):
        yield Problem(file, "numbers", f"{doc['numbers']!r} is no engine of indic-numtowords; give '' for none")
    tts = doc["tts"]
    if not isinstance(tts, Mapping) or not {"voice", "rate_wpm", "pitch"} <= tts.keys():
        yield Problem(file, "tts", "give {voice: ..., rate_wpm: ..., pitch: ...}")
        return
    for key, low, high in (("rate_wpm", 80, 450), ("pitch", 0, 99)):
        if not str(tts[key]).isdigit() or not low <= int(tts[key]) <= high:
            yield Problem(file, f"tts.{key}", f"{tts[key]!r}: give a whole number {low} to {high}")


def _texts(file: str, doc: Mapping[str, Any], scripts: frozenset[str]) -> Iterator[Problem]:
    foreign_allowed = file in ("lexicon.yaml", "intents.yaml", "tests/intents.yaml", "manifest.yaml")
    for key, text in strings_of(doc):
        if not is_nfc(text):
            yield Problem(file, key, "not in Unicode form NFC; save it normalised")
        if _UNFINISHED.search(text):
            yield Problem(file, key, f"unfinished: {text!r}; write the sentence")
        if not text.strip() and file != "manifest.yaml":
            yield Problem(file, key, "empty; write it or remove it")
        if not foreign_allowed:
            strange = {script_of_letter(c) for c in text} - scripts - {None, "Latn"}
            if strange:
                yield Problem(file, key, f"letters of {', '.join(sorted(map(str, strange)))} in {text!r}; retype it")


def _disclosures(doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    file = "disclosures.yaml"
    yield from _keys(file, doc, contract.disclosures, "disclosure")
    for key, slots in contract.disclosures.items():
        entry = doc.get(key)
        if entry is None:
            continue
        if not isinstance(entry, Mapping) or not isinstance(entry.get("text"), str):
            yield Problem(file, key, "give text, approved_by, approved_on and sha256")
            continue
        if slots_of(entry["text"]) != slots:
            yield Problem(file, key, f"its slots must be exactly {_braced(slots)}")
        if not entry.get("approved_by") or not re.fullmatch(r"\d{4}-\d\d-\d\d", str(entry.get("approved_on", ""))):
            yield Problem(file, key, "not approved; run `vaanisetu packs approve`")
        elif entry.get("sha256") != text_hash(entry["text"]):
            yield Problem(file, key, "changed after its approval; read it again and run `vaanisetu packs approve`")


def text_hash(text: str) -> str:
    """Returns the SHA-256 (hex) of a disclosure's UTF-8 text, that its approval is bound to."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _sentences(
    file: str, doc: Mapping[str, Any], contract: Contract, forms: tuple[str, ...], floor: str
) -> Iterator[Problem]:
    yield from _keys(file, doc, contract.intents, "intent")
    for intent in contract.intents.keys() & doc.keys():
        by_form = doc[intent]
        if not isinstance(by_form, Mapping) or not all(isinstance(v, list) for v in by_form.values()):
            yield Problem(file, intent, f"give lists of sentences under {', '.join(forms)}")
            continue
        for form in by_form.keys() - set(forms):
            yield Problem(file, f"{intent}.{form}", "a form that manifest.yaml does not name")
        distinct = {_plain(text) for texts in by_form.values() for text in texts}
        if len(distinct) < contract.floors[floor]:
            yield Problem(
                file, intent, f"{len(distinct)} different sentences; at least {contract.floors[floor]} needed"
            )
        if floor != "examples_per_intent":
            continue
        for form in forms:
            if len(by_form.get(form, ())) < contract.floors["examples_per_form"]:
                yield Problem(
                    file, f"{intent}.{form}", f"fewer than {contract.floors['examples_per_form']} sentences; add some"
                )


def _overlap(raw: Raw) -> Iterator[Problem]:
    """Finds test sentences that are examples too, and sentences that stand under two intents."""
    owner: dict[str, str] = {}
    for file in ("intents.yaml", "tests/intents.yaml"):
        own: dict[str, str] = {}
        for key, text in strings_of(raw[file]):
            if not key.endswith("]"):
                continue
            intent, plain = key.split(".")[0], _plain(text)
            if file != "intents.yaml" and owner.get(plain) == intent:
                yield Problem(file, key, f"{text!r} is also an example in intents.yaml; write another")
            elif {owner.get(plain, intent), own.get(plain, intent)} != {intent}:
                other = owner.get(plain, own.get(plain, intent))
                yield Problem(file, key, f"{text!r} also stands under {other}; decide for one")
            own[plain] = intent
        owner |= own


def _plain(text: str) -> str:
    return " ".join(words_of(text))


def _responses(doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    file = "responses.yaml"
    yield from _keys(file, doc, contract.responses, "response")
    for key, rule in contract.responses.items():
        variants = doc.get(key)
        if variants is None:
            continue
        if not isinstance(variants, list) or not variants:
            yield Problem(file, key, "give a list of at least one sentence")
            continue
        for text in variants:
            if not rule.required <= slots_of(text) <= rule.required | rule.optional:
                allowed = f"; {_braced(rule.optional)} may stand too" if rule.optional else ""
                yield Problem(file, key, f"{text!r}: must hold {_braced(rule.required)}{allowed}")
        if not any(slots_of(text) == rule.required for text in variants):
            yield Problem(file, key, f"add a variant with {_braced(rule.required)} only")


def _templates(doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    file = "whatsapp.yaml"
    yield from _keys(file, doc, contract.templates, "template")
    for name, (category, params) in contract.templates.items():
        entry = doc.get(name)
        if entry is None:
            continue
        if not isinstance(entry, Mapping) or not {"category", "body", "params", "examples"} <= entry.keys():
            yield Problem(file, name, "give category, body, params and examples")
            continue
        if entry["category"] != category or tuple(entry["params"]) != params:
            yield Problem(file, name, f"category must be {category} and params [{', '.join(params)}]")
        if len(entry["examples"]) != len(params):
            yield Problem(file, name, f"give {len(params)} examples, one for each of its params")
        body = str(entry["body"])
        if _PLACEHOLDER.findall(body) != [str(n + 1) for n in range(len(params))]:
            yield Problem(file, name, "the body must hold each {{n}} once, in rising order")
        if _PLACEHOLDER.match(body) or _PLACEHOLDER.sub("", body[-6:]) != body[-6:] or len(body) > 1024:
            yield Problem(
                file, name, "the body must neither start nor end with a {{n}}, and hold at most 1,024 letters"
            )


def _errors(doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    yield from _keys("errors.yaml", doc, contract.errors, "message")
    for key, slots in contract.errors.items():
        text = doc.get(key)
        if text is not None and (not isinstance(text, str) or slots_of(text) != slots):
            yield Problem("errors.yaml", key, f"give one sentence whose slots are exactly {_braced(slots)}")


def _lexicon(doc: Mapping[str, Any], contract: Contract, forms: tuple[str, ...]) -> Iterator[Problem]:
    file = "lexicon.yaml"
    yield from _keys(file, doc, [k for k, rule in contract.lexicon.items() if not rule.optional or k in doc], "entry")
    for key, rule in contract.lexicon.items():
        value = doc.get(key)
        if value is None:
            continue
        kind = {"list": list, "map": dict, "forms": dict, "text": str}[rule.shape]
        if not isinstance(value, kind) or not isinstance(value, Sized) or not value:
            yield Problem(file, key, f"give a {rule.shape} that is not empty")
        elif rule.length is not None and len(value) != rule.length:
            yield Problem(file, key, f"holds {len(value)} entries; exactly {rule.length} needed")
    yield from _lexicon_values(file, doc, contract, forms)


def _lexicon_values(file: str, doc: Mapping[str, Any], contract: Contract, forms: tuple[str, ...]) -> Iterator[Problem]:
    words = doc.get("function_words")
    for form in ("native", "romanised"):
        if form in forms and isinstance(words, dict):
            count, floor = len({normalise(w) for w in words.get(form, ())}), contract.floors[f"function_words_{form}"]
            if count < floor:
                yield Problem(file, f"function_words.{form}", f"{count} words; at least {floor} needed")
    patterns = {
        "digit_words": r"\d", "number_words": r"[1-9]\d+", "repeat_words": r"[2-9]", "relative_days": r"-?\d",
        "fraction_words": r"[+-]?\d+\.\d+", "language_names": _TAG.pattern,
    }  # fmt: skip
    for key, pattern in patterns.items():
        for word, value in doc[key].items() if isinstance(doc.get(key), dict) else ():
            if not re.fullmatch(pattern, str(value)):
                yield Problem(file, f"{key}.{word}", f"{value!r} does not have the form that contract.yaml states")
    digits = doc.get("digit_words")
    if isinstance(digits, dict) and isinstance(doc.get("digit_names"), list):
        for value, name in enumerate(doc["digit_names"]):
            if digits.get(name) != str(value):
                yield Problem(file, f"digit_names[{value}]", f"{name!r} must stand in digit_words as {value}")
    for key, slots in (("date_format", {"day", "month"}), ("amount_format", {"number"})):
        if isinstance(doc.get(key), str) and slots_of(doc[key]) != slots:
            yield Problem(file, key, f"its slots must be exactly {_braced(slots)}")
    topics = doc.get("topics")
    if isinstance(topics, dict):
        if "other" not in topics:
            yield Problem(file, "topics.other", "missing; add what any other conversation was about")
        for name in topics.keys() - contract.intents.keys() - {"other"}:
            yield Problem(file, f"topics.{name}", "no intent of contract.yaml")


def _braced(slots: Collection[str]) -> str:
    return ", ".join(f"{{{slot}}}" for slot in sorted(slots)) or "none"
