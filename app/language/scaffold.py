"""Starts a language pack: every file, with guidance, and TODO wherever only a speaker of the language can know.

`vaanisetu packs new` writes what this makes; `validate` refuses the pack until the last TODO is gone.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from app.errors import Conflict, Unprocessable
from app.language.checks import TAG
from app.language.contract import Contract, ResponseRule
from app.language.number_words import cardinal, has_number_engine
from app.language.packs import Pack
from app.language.scaffold_vocabulary import vocabulary_lines
from app.language.scripts import LATIN, letters_of_script
from app.language.source import read_yaml

TODO: Final = "TODO"
_REGION: Final = re.compile(r"-([A-Z]{2}|\d{3})$")
_FACTS: Final = Path(__file__).parent / "facts.yaml"
_MULTIPLIERS: Final = (100, 1_000, 100_000, 10_000_000)
_FORMS: Final = {
    "native": "as a careful writer writes it, in the language's own script, with punctuation",
    "romanised": "as people type it on WhatsApp, in Latin letters",
    "mixed": "with the English words people really use",
    "asr": "as the recogniser writes: no punctuation, lower case, English words in Latin letters, digits as words",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a language beforehand; empty where nothing is."""

    name: str = TODO
    native_name: str = TODO
    script: str = TODO
    voice: str = TODO
    whatsapp_code: str = TODO
    months: tuple[str, ...] = (TODO,) * 12
    weekdays: tuple[str, ...] = (TODO,) * 7
    languages: Mapping[str, str] | None = None  # name in this language -> ISO 639 code


@lru_cache(maxsize=1)
def _known() -> Mapping[str, Mapping[str, Any]]:
    return read_yaml(_FACTS)


def facts_of(code: str) -> Facts:
    """Returns what is known of a language (ISO 639)."""
    raw = _known().get(code)
    if raw is None:
        return Facts()
    lists = {key: tuple(raw[key]) for key in ("months", "weekdays")}
    return Facts(**{**raw, **lists})


def scaffold(packs_dir: Path, tag: str, contract: Contract, others: Iterable[Pack]) -> Path:
    """Writes a new pack's folder.

    Args:
        packs_dir: Where the packs are.
        tag: BCP-47 tag with a region, such as kn-IN.
        contract: What the pack must serve.
        others: Packs that exist: the first in Latin letters alone shows in comments what to say, and callers ask for
            any of them by name.

    Returns:
        The folder.

    Raises:
        Unprocessable: Not a tag, or one without a region.
        Conflict: The folder exists.
    """
    if not TAG.fullmatch(tag):
        raise Unprocessable(f"{tag!r} is no BCP-47 tag like kn-IN")
    if not _REGION.search(tag):
        raise Unprocessable(f"{tag!r} names no region; add one, such as {tag}-IN")
    folder = packs_dir / tag
    if folder.exists():
        raise Conflict(f"{folder} exists; remove it or choose another tag")
    packs = tuple(others)
    example = next((pack for pack in packs if set(pack.manifest.scripts) == {LATIN}), None)
    facts = facts_of(tag.split("-")[0])
    forms = contract.forms if facts.script != LATIN else ("native", "mixed", "asr")
    files = {
        "manifest.yaml": _manifest(tag, facts, forms, example),
        "disclosures.yaml": _disclosures(contract, example),
        "intents.yaml": _sentences(contract, forms, contract.floors["examples_per_intent"], "examples"),
        "tests/intents.yaml": _sentences(contract, forms, contract.floors["tests_per_intent"], "tests"),
        "responses.yaml": _responses(contract, example),
        "whatsapp.yaml": _templates(contract, example),
        "errors.yaml": _errors(contract, example),
        "failures.yaml": _failures(contract, example),
        "lexicon.yaml": _lexicon(tag, contract, facts, forms, packs, example),
        "vocabulary.yaml": vocabulary_lines(facts.months, facts.weekdays, example, TODO),
    }
    for name, lines in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _manifest(tag: str, facts: Facts, forms: Iterable[str], example: Pack | None) -> Iterator[str]:
    code = tag.split("-")[0]
    yield "# Who the pack is. docs/language.md explains every entry."
    yield f"tag: {tag}"
    yield f"name: {facts.name}"
    yield f"native_name: {_quoted(facts.native_name)}"
    scripts = [facts.script] if facts.script == LATIN else [facts.script, LATIN]
    letters = letters_of_script(facts.script)
    yield f"scripts: [{', '.join(scripts)}]  # ISO 15924{f'; {facts.script} is {letters}' if letters else ''}"
    yield f"forms: [{', '.join(forms)}]"
    yield f"fallback: [{example.tag if example else ''}]  # for chats, never for disclosures"
    yield f"whatsapp_code: {facts.whatsapp_code}  # of Meta's list of template languages"
    yield f"tts: {{voice: {facts.voice}, rate_wpm: 165, pitch: 50}}  # espeak-ng; listen, and set the pace"
    yield f"numbers: {_quoted(code if has_number_engine(code) else '')}  # engine of indic-numtowords, '' for none"


def _disclosures(contract: Contract, example: Pack | None) -> Iterator[str]:
    yield "# Fixed compliance sentences, read out as they stand. Short, polite, as spoken on the phone."
    yield f"# At most {contract.limits['disclosure_letters']} letters each. {', '.join(contract.opening)} open each"
    yield f"# call and hold at most {contract.limits['opening_letters']} together. Then: vaanisetu packs approve."
    for key, slots in contract.disclosures.items():
        if example is not None:
            yield f"# {example.tag}: {example.disclosures[key].text}"
        yield f"{key}:"
        yield f"  text: {_quoted(' '.join([TODO, *(f'{{{slot}}}' for slot in sorted(slots))]))}"


def _sentences(contract: Contract, forms: Iterable[str], floor: int, noun: str) -> Iterator[str]:
    yield f"# What callers say: at least {floor} different {noun} for each intent over all forms, in every form some."
    if noun == "tests":
        yield "# Other sentences than the examples, and not as good as the same: understanding is measured on them."
    yield from (f"#   {form:<10} {_FORMS[form]}" for form in forms)
    for name, rule in contract.intents.items():
        yield f"{name}:  # {rule.means}"
        yield from (f"  {form}: [{TODO}]" for form in forms)


def _responses(contract: Contract, example: Pack | None) -> Iterator[str]:
    yield "# What the agent says: for each key a list of variants. Slots in braces; {slot:case} bends its end by"
    yield f"# the cases of lexicon.yaml. At most {contract.limits['response_letters']} letters each."
    for key, rule in contract.responses.items():
        if example is not None:
            yield from (f"# {example.tag}: {text}" for text in example.responses[key])
        yield f"{key}:{_allowed(rule)}"
        yield f"  - {_quoted(' '.join([TODO, *(f'{{{slot}}}' for slot in sorted(rule.required))]))}"


def _allowed(rule: ResponseRule) -> str:
    return f"  # may also hold {', '.join(f'{{{slot}}}' for slot in sorted(rule.optional))}" if rule.optional else ""


def _templates(contract: Contract, example: Pack | None) -> Iterator[str]:
    yield "# WhatsApp templates as they are submitted to Meta. The body neither starts nor ends with a {{n}}."
    for name, (category, params) in contract.templates.items():
        if example is not None:
            yield f"# {example.tag}: {example.whatsapp_templates[name]}"
        yield f"{name}:"
        yield f"  category: {category}"
        yield f"  body: {_quoted(TODO)}"
        yield f"  params: [{', '.join(params)}]"
        yield f"  examples: [{', '.join(TODO for _ in params)}]"


def _failures(contract: Contract, example: Pack | None) -> Iterator[str]:
    yield "# What an agent reads when a WhatsApp message was not delivered: the rule, and what may be done instead."
    for name in contract.failures:
        if example is not None:
            yield f"# {example.tag}: {example.failures[name]}"
        yield f"{name}: {_quoted(TODO)}"


def _errors(contract: Contract, example: Pack | None) -> Iterator[str]:
    yield "# Messages written, not spoken, to a customer in a chat."
    for key, slots in contract.errors.items():
        if example is not None:
            yield f"# {example.tag}: {example.errors[key]}"
        yield f"{key}: {_quoted(' '.join([TODO, *(f'{{{slot}}}' for slot in sorted(slots))]))}"


def _lexicon(
    tag: str, contract: Contract, facts: Facts, forms: Iterable[str], packs: Iterable[Pack], example: Pack | None
) -> Iterator[str]:
    known = dict(_numbers(tag.split("-")[0], example))
    known |= {
        "language_names": _map(_names(tag, facts, packs)),
        "months": _list(facts.months),
        "weekdays": _list(facts.weekdays),
        "date_format": _quoted("{day} {month}"),
        "amount_format": _quoted(f"{TODO} {{number}}"),
        "repeat_words": _map(dict(example.repeat_words) if example else {TODO: TODO}),
        "relative_days": _map({f"{TODO} today": "0", f"{TODO} tomorrow": "1"}),
        "day_parts": _map({hour: TODO for hour in ("4", "12", "16", "20")}),
        "time_formats": _map({name: f"{TODO} {{part}} {{hour}}" for name in ("whole", "minutes")}),
        "topics": _map({name: TODO for name in (*contract.intents, "other")}),
        "matters": _map({name: TODO for name in (*contract.intents, "other")}),
    }
    known |= {key: _map({name: TODO for name in rule.keys}) for key, rule in contract.lexicon.items() if rule.keys}
    yield "# Closed word lists, lower case. The contract says what each is for; docs/language.md shows examples."
    for key, rule in contract.lexicon.items():
        if rule.optional:
            yield f"# {key}: optional, see contract.yaml"
        elif rule.shape == "forms":
            yield f"{key}:"
            for form in ("native", "romanised"):
                if form in forms:
                    yield f"  {form}: [{TODO}]  # at least {contract.floors[f'{key}_{form}']} words"
        else:
            yield f"{key}: {known.get(key, f'[{TODO}]')}"


def _numbers(code: str, example: Pack | None) -> Iterator[tuple[str, str]]:
    """Yields what the number engine knows, with the English words that callers mix in."""
    english = {word: digit for word, digit in (example.digit_words if example else {}).items()}
    if not has_number_engine(code):
        yield "digit_names", _list([TODO] * 10)
        yield "digit_words", _map({TODO: TODO} | english)
        yield "number_words", _map({TODO: TODO})
        return
    names = [" ".join(cardinal(code, digit)) for digit in range(10)]
    yield "digit_names", _list(names)
    yield "digit_words", _map({name: str(digit) for digit, name in enumerate(names)} | english)
    words = {" ".join(cardinal(code, number)): str(number) for number in range(10, 100)}
    words |= {cardinal(code, 5 * size)[-1]: str(size) for size in _MULTIPLIERS if len(cardinal(code, 5 * size)) == 2}
    words |= {word: str(number) for word, number in (example.number_words if example else {}).items()}
    yield "number_words", _map({word: number for word, number in words.items() if " " not in word})


def _names(tag: str, facts: Facts, packs: Iterable[Pack]) -> dict[str, str]:
    """Returns how callers may call each language that there is a pack for, and this one."""
    tags = {pack.tag.split("-")[0]: pack for pack in packs}
    code = tag.split("-")[0]
    names = {facts.native_name: tag, facts.name.lower(): tag}
    names |= {name: tags[c].tag for name, c in (facts.languages or {}).items() if c in tags and c != code}
    return names | {pack.manifest.name.split(" (")[0].lower(): pack.tag for pack in tags.values() if pack.tag != tag}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"


def _map(values: Mapping[str, Any]) -> str:
    return f"{{{', '.join(f'{_quoted(key)}: {_quoted(str(value))}' for key, value in values.items())}}}"
