"""Holds the raw files of a pack against the contract, for `loader`, which refuses a pack that fails.

Here: the manifest, letters and unfinished texts, and the lexicon. Sentences and wording have modules of their own.
"""

import re
from collections.abc import Iterator, Mapping, Sized
from dataclasses import replace
from typing import Any

from app.language.contract import Contract
from app.language.findings import Problem
from app.language.normalise import normalise
from app.language.number_words import has_number_engine
from app.language.render import slots_of
from app.language.scripts import SCRIPTS, script_of_letter
from app.language.sentence_checks import sentence_problems
from app.language.source import UNFINISHED, Source, is_nfc
from app.language.wording_checks import braced, keyed, wording_problems

FILES = (
    "manifest.yaml", "disclosures.yaml", "intents.yaml", "tests/intents.yaml", "responses.yaml", "whatsapp.yaml",
    "errors.yaml", "failures.yaml", "lexicon.yaml",
)  # fmt: skip
VALUES = "tests/values.yaml"
TIME_SLOTS = frozenset({"hour", "next", "minute", "part"})
TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff]")  # not the joiners, which some words need
_CLOCK_TIME = re.compile(r"(\d|1\d|2[0-3]):[0-5]\d")
_TIME_FORMATS = frozenset({"whole", "half", "quarter", "three_quarters", "minutes", "minutes_below_ten"})
_MANIFEST = ("tag", "name", "native_name", "scripts", "forms", "fallback", "whatsapp_code", "tts", "numbers")
_VALUES = {
    "digit_plurals": r"\d",
    "digit_words": r"\d", "number_words": r"[1-9]\d+", "repeat_words": r"[2-9]", "relative_days": r"-?\d",
    "fraction_words": r"[+-]?\d+\.\d+", "language_names": TAG.pattern,
    "alarm_words": "anger|upset|medical|security|minor|age|age_of|self|self_age",
}  # fmt: skip
_FORMATS = (
    ("date_format", frozenset({"day", "month"})),
    ("amount_format", frozenset({"number"})),
    ("amount_one", frozenset[str]()),
    ("amount_paise_format", frozenset({"number", "paise"})),
)


def check(tag: str, sources: Mapping[str, Source], contract: Contract) -> list[Problem]:
    """Returns every finding in a pack, with its line.

    Args:
        tag: The folder's name.
        sources: All of `FILES`, read.
        contract: What the pack must serve.
    """
    raw = {file: source.content for file, source in sources.items()}
    found = list(_manifest(tag, raw["manifest.yaml"], contract))
    if not found:
        forms = tuple(raw["manifest.yaml"]["forms"])
        scripts = frozenset(raw["manifest.yaml"]["scripts"])
        for file in FILES:
            found += _texts(file, raw[file], scripts)
        found += _lexicon(raw["lexicon.yaml"], contract, forms)
        found += sentence_problems(raw, contract, forms)
        if not any(problem.file == "lexicon.yaml" for problem in found):
            found += wording_problems(raw, contract)
    return [replace(problem, line=sources[problem.file].line_of(problem.key)) for problem in found]


def values_faults(doc: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields (key, cure) for each fault in the shape of `tests/values.yaml`."""
    for part, by_kind in doc.items():
        if part == "now":
            continue
        if part not in ("heard", "said"):
            yield part, "no part of this file; there are now, heard and said"
        elif not isinstance(by_kind, Mapping):
            yield part, "give {kind: {given: wanted}}"
        else:
            for kind, pairs in by_kind.items():
                if not isinstance(pairs, Mapping) or not all(isinstance(value, str) for value in pairs.values()):
                    yield f"{part}.{kind}", "give {given: wanted} pairs"


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


def _manifest(tag: str, doc: Mapping[str, Any], contract: Contract) -> Iterator[Problem]:
    file = "manifest.yaml"
    yield from keyed(file, doc, _MANIFEST, "entry")
    if any(key not in doc for key in _MANIFEST):
        return
    for key, text in strings_of(doc):
        if UNFINISHED.search(text):
            yield Problem(file, key, f"unfinished: {text!r}; fill it in")
    if doc["tag"] != tag or not TAG.fullmatch(tag):
        cure = f"{doc['tag']!r}: must be a BCP-47 tag like 'hi-IN' and equal the folder's name {tag!r}"
        yield Problem(file, "tag", cure)
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
        if UNFINISHED.search(text):
            yield Problem(file, key, f"unfinished: {text!r}; write the sentence")
        if invisible := _INVISIBLE.search(text):
            yield Problem(file, key, f"an invisible sign, U+{ord(invisible[0]):04X}, in {text!r}; retype it")
        if not text.strip() and file not in ("manifest.yaml", "lexicon.yaml"):
            yield Problem(file, key, "empty; write it or remove it")
        if not foreign_allowed:
            strange = {script_of_letter(c) for c in text} - scripts - {None, "Latn"}
            if strange:
                yield Problem(file, key, f"letters of {', '.join(sorted(map(str, strange)))} in {text!r}; retype it")


def _lexicon(doc: Mapping[str, Any], contract: Contract, forms: tuple[str, ...]) -> Iterator[Problem]:
    file = "lexicon.yaml"
    yield from keyed(file, doc, [k for k, rule in contract.lexicon.items() if not rule.optional or k in doc], "entry")
    for key, rule in contract.lexicon.items():
        value = doc.get(key)
        if value is None:
            continue
        kind = {"list": list, "map": dict, "forms": dict, "cases": dict, "text": str}[rule.shape]
        if not isinstance(value, kind) or not isinstance(value, Sized) or not value:
            yield Problem(file, key, f"give a {rule.shape} that is not empty")
        elif rule.length is not None and len(value) != rule.length:
            yield Problem(file, key, f"holds {len(value)} entries; exactly {rule.length} needed")
        elif rule.shape == "list" and not all(isinstance(word, str) and word.strip() for word in value):
            yield Problem(file, key, "holds something other than words")
    yield from _lexicon_values(file, doc, contract, forms)
    yield from _formats(file, doc)


def _lexicon_values(file: str, doc: Mapping[str, Any], contract: Contract, forms: tuple[str, ...]) -> Iterator[Problem]:
    words = doc.get("function_words")
    for form in ("native", "romanised"):
        if form in forms and isinstance(words, dict):
            count, floor = len({normalise(w) for w in words.get(form, ())}), contract.floors[f"function_words_{form}"]
            if count < floor:
                yield Problem(file, f"function_words.{form}", f"{count} words; at least {floor} needed")
    for key, pattern in _VALUES.items():
        for word, value in doc[key].items() if isinstance(doc.get(key), dict) else ():
            if not re.fullmatch(pattern, str(value)):
                yield Problem(file, f"{key}.{word}", f"{value!r} does not have the form that contract.yaml states")
    digits = doc.get("digit_words")
    if isinstance(digits, dict) and isinstance(doc.get("digit_names"), list):
        for value, name in enumerate(doc["digit_names"]):
            if digits.get(name) != str(value):
                yield Problem(file, f"digit_names[{value}]", f"{name!r} must stand in digit_words as {value}")
    topics = doc.get("topics")
    if isinstance(topics, dict):
        if "other" not in topics:
            yield Problem(file, "topics.other", "missing; add what any other conversation was about")
        for name in topics.keys() - contract.intents.keys() - {"other"}:
            yield Problem(file, f"topics.{name}", "no intent of contract.yaml")
    wanted = {"matters": tuple(topics) if isinstance(topics, dict) else ()}
    wanted |= {key: rule.keys for key, rule in contract.lexicon.items() if rule.keys}
    for key, names in wanted.items():
        yield from _whispered(file, key, doc.get(key), names, contract.limits["whisper_phrase_letters"])


def _whispered(file: str, key: str, value: Any, names: tuple[str, ...], most: int) -> Iterator[Problem]:
    """Checks that a map holds words that are soon said under these names and no others."""
    if not names or not isinstance(value, dict):
        return
    for name in names:
        if not str(value.get(name) or "").strip():
            yield Problem(file, f"{key}.{name}", "missing; a colleague hears it before a customer is joined to them")
        elif len(str(value[name])) > most:
            yield Problem(
                file, f"{key}.{name}", f"{len(str(value[name]))} letters, too many to whisper; at most {most}"
            )
    for name in value.keys() - set(names):
        yield Problem(file, f"{key}.{name}", "not one of " + ", ".join(names))


def _formats(file: str, doc: Mapping[str, Any]) -> Iterator[Problem]:
    """Checks how dates, amounts and times are put together, and the cases."""
    for key, slots in _FORMATS:
        if isinstance(doc.get(key), str) and slots_of(doc[key]) != slots:
            yield Problem(file, key, f"its slots must be exactly {braced(slots)}")
    parts = doc.get("day_parts")
    for hour in parts if isinstance(parts, dict) else ():
        if not hour.isdigit() or int(hour) > 23:
            yield Problem(file, f"day_parts.{hour}", "give the hour from which on it is called so, 0 to 23")
    times = doc.get("time_formats")
    if isinstance(times, dict):
        for name in {"whole", "minutes"} - times.keys():
            yield Problem(file, f"time_formats.{name}", "missing; add the format")
        for name, text in times.items():
            if name not in _TIME_FORMATS and not _CLOCK_TIME.fullmatch(name):
                cure = f"no time format; there are {', '.join(sorted(_TIME_FORMATS))} and times like 13:30"
                yield Problem(file, f"time_formats.{name}", cure)
            elif not isinstance(text, str) or not slots_of(text) <= TIME_SLOTS:
                yield Problem(file, f"time_formats.{name}", f"its slots must be out of {braced(TIME_SLOTS)}")
    cases = doc.get("cases")
    for name, rules in cases.items() if isinstance(cases, dict) else ():
        if not isinstance(rules, dict) or not rules or not all(isinstance(text, str) for text in rules.values()):
            yield Problem(file, f"cases.{name}", "give {ending: replacement} pairs")
