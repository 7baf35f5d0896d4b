"""Further sentences of a pack (`sentences.tsv`, optional): one a line, an intent, a tab, and what a caller says.

Read by `loader`; `nlu.classifier` trains on them beside the examples of `intents.yaml`. Those are few, of every form,
and held against the floors; these are many, as callers come to mind, and only have to be unambiguous.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from app.errors import PackError
from app.language.findings import Problem
from app.language.normalise import split_words
from app.language.source import UNFINISHED, is_nfc

FILE_NAME = "sentences.tsv"


def read_sentences(
    path: Path, intents: Collection[str], examples: Mapping[str, str], tests: Collection[str]
) -> tuple[dict[str, tuple[str, ...]], list[Problem]]:
    """Returns the sentences of a file by intent, and the faults of its other lines.

    Args:
        path: UTF-8; empty lines and lines that begin with `#` are passed over.
        intents: The intents of the contract.
        examples: Words of the pack's examples -> their intent; a sentence may not contradict them.
        tests: Words of the pack's tests; a sentence may not be one of them.

    Raises:
        PackError: The file cannot be read as UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(f"{path.name}: cannot be read as UTF-8: {error}") from error
    found: dict[str, list[str]] = {}
    seen = dict(examples)
    problems: list[Problem] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        intent, tab, text = line.partition("\t")
        plain = " ".join(split_words(text))
        if cure := _cure(intent, tab, text, plain, intents, seen, tests):
            problems.append(Problem(path.name, intent or "line", cure, number))
        else:
            found.setdefault(intent, []).append(text)
            seen[plain] = intent
    return {intent: tuple(texts) for intent, texts in found.items()}, problems


def _cure(
    intent: str,
    tab: str,
    text: str,
    plain: str,
    intents: Collection[str],
    seen: Mapping[str, str],
    tests: Collection[str],
) -> str | None:
    if not tab or not plain or "\t" in text:
        return "write an intent, one tab and a sentence"
    if intent not in intents:
        return "no intent of the contract; remove the line or correct its name"
    if not is_nfc(text):
        return "write it in Unicode form NFC"
    if UNFINISHED.search(text):
        return f"{text!r} is unfinished; write it out"
    if plain in tests:
        return f"{text!r} is one of the tests; write another"
    if seen.get(plain, intent) != intent:
        return f"{text!r} also stands under {seen[plain]}; decide for one"
    return None
