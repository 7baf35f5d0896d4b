"""Holds a pack's examples and tests against the floors: enough of them, different, and each nearest to its own intent.

Part of `checks`. Likeness is Dice's coefficient of the letter trigrams of two normalised sentences, 0..1.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from app.language.contract import Contract
from app.language.findings import Problem
from app.language.normalise import words_of

EXAMPLES, TESTS = "intents.yaml", "tests/intents.yaml"
_SAME_AGAIN = 0.85  # so alike that the second says nothing new
_STRAYED = 0.75
_STRAYED_BY = 0.35


@dataclass(frozen=True, slots=True)
class _Sentence:
    file: str
    key: str
    intent: str
    form: str
    text: str
    plain: str


def sentence_problems(
    raw: Mapping[str, Mapping[str, Any]], contract: Contract, forms: Sequence[str]
) -> Iterator[Problem]:
    """Yields what is wrong with a pack's sentences.

    Args:
        raw: The pack's files, read.
        contract: Intents and floors.
        forms: The forms that the manifest names.
    """
    shapely: dict[str, Mapping[str, Mapping[str, list[str]]]] = {}
    for file in (EXAMPLES, TESTS):
        faults = list(_shape(file, raw[file], contract, forms))
        yield from faults
        shapely[file] = {
            name: by_form
            for name, by_form in raw[file].items()
            if isinstance(by_form, Mapping) and all(isinstance(v, list) for v in by_form.values())
        }
    sentences = [
        _Sentence(file, f"{intent}.{form}[{index}]", intent, form, text, " ".join(words_of(text)))
        for file, doc in shapely.items()
        for intent, by_form in doc.items()
        for form, texts in by_form.items()
        for index, text in enumerate(texts)
        if isinstance(text, str)
    ]
    yield from _overlap(sentences)
    if not sentences:
        return
    alike = _likeness([sentence.plain for sentence in sentences])
    yield from _floors(sentences, alike, contract, forms)
    yield from _strays(sentences, alike)


def _shape(file: str, doc: Mapping[str, Any], contract: Contract, forms: Sequence[str]) -> Iterator[Problem]:
    for intent in contract.intents:
        if intent not in doc:
            yield Problem(file, intent, "missing; add the intent")
    for intent, by_form in doc.items():
        if intent not in contract.intents:
            yield Problem(file, intent, "no intent of contract.yaml; remove it or correct its name")
        elif not isinstance(by_form, Mapping) or not all(isinstance(v, list) for v in by_form.values()):
            yield Problem(file, intent, f"give lists of sentences under {', '.join(forms)}")
        else:
            for form in by_form.keys() - set(forms):
                yield Problem(file, f"{intent}.{form}", "a form that manifest.yaml does not name")
            for form, texts in by_form.items():
                for index, text in enumerate(texts):
                    if not isinstance(text, str):
                        yield Problem(file, f"{intent}.{form}[{index}]", "no sentence; write it as text")


def _overlap(sentences: Sequence[_Sentence]) -> Iterator[Problem]:
    """Finds test sentences that are examples too, and sentences that stand under two intents."""
    first: dict[str, _Sentence] = {}
    for sentence in sentences:
        known = first.setdefault(sentence.plain, sentence)
        if known is sentence:
            continue
        if known.intent != sentence.intent:
            cure = f"{sentence.text!r} also stands under {known.intent}; decide for one"
            yield Problem(sentence.file, sentence.key, cure)
        elif known.file != sentence.file:
            cure = f"{sentence.text!r} is also an example in {known.file}; write another"
            yield Problem(sentence.file, sentence.key, cure)


def _floors(
    sentences: Sequence[_Sentence], alike: NDArray[np.float32], contract: Contract, forms: Sequence[str]
) -> Iterator[Problem]:
    floors = contract.floors
    wanted = {EXAMPLES: ("examples_per_intent", "examples_per_form"), TESTS: ("tests_per_intent", "tests_per_form")}
    rows: dict[tuple[str, str], list[int]] = {}
    for row, sentence in enumerate(sentences):
        rows.setdefault((sentence.file, sentence.intent), []).append(row)
    for file, (total, each) in wanted.items():
        for intent in contract.intents:
            own = rows.get((file, intent), [])
            apart = rows.get((EXAMPLES, intent), []) if file == TESTS else []
            different = _different(own, apart, alike)
            if len(different) < floors[total]:
                cure = f"{len(different)} different sentences of {len(own)}; at least {floors[total]} needed"
                yield Problem(file, intent, cure)
            for form in forms:
                count = sum(sentences[row].form == form for row in own)
                if count < floors[each]:
                    yield Problem(file, f"{intent}.{form}", f"fewer than {floors[each]} sentences; add some")


def _different(own: Sequence[int], apart: Sequence[int], alike: NDArray[np.float32]) -> list[int]:
    """Returns the rows that are unlike each other and unlike all of `apart`."""
    kept: list[int] = []
    for row in own:
        others = [*kept, *apart]
        if not others or float(alike[row, others].max()) < _SAME_AGAIN:
            kept.append(row)
    return kept


def _strays(sentences: Sequence[_Sentence], alike: NDArray[np.float32]) -> Iterator[Problem]:
    """Finds sentences that are nearer to another intent than to their own."""
    names = sorted({sentence.intent for sentence in sentences})
    labels = np.array([names.index(sentence.intent) for sentence in sentences])
    same = labels[:, None] == labels[None, :]
    own = np.where(same, alike, 0.0).max(axis=1)
    foreign = np.where(same, 0.0, alike)
    nearest, likeness = foreign.argmax(axis=1), foreign.max(axis=1)
    for row, sentence in enumerate(sentences):
        other = sentences[int(nearest[row])]
        if sentence.plain == other.plain or likeness[row] <= own[row]:
            continue
        place = f"{sentence.text!r} is nearer to {other.intent} ({other.text!r}) than to its own intent"
        if likeness[row] >= _SAME_AGAIN:
            yield Problem(sentence.file, sentence.key, f"{place}; move it, or word one of them otherwise")
        elif likeness[row] >= _STRAYED and likeness[row] - own[row] >= _STRAYED_BY:
            yield Problem(sentence.file, sentence.key, f"{place}; give {sentence.intent} more like it", warning=True)


def _likeness(texts: Sequence[str]) -> NDArray[np.float32]:
    """Returns float32[n, n], the likeness of each two texts, 0 on the diagonal."""
    columns: dict[str, int] = {}
    indices: list[int] = []
    starts = [0]
    for text in texts:
        padded = f" {text} "
        grams = {padded[at : at + 3] for at in range(len(padded) - 2)}
        indices += [columns.setdefault(gram, len(columns)) for gram in sorted(grams)]
        starts.append(len(indices))
    ones = np.ones(len(indices), dtype=np.float32)
    matrix = csr_matrix((ones, indices, starts), shape=(len(texts), max(1, len(columns))))
    sizes = np.diff(matrix.indptr).astype(np.float32)
    shared = (matrix @ matrix.T).toarray().astype(np.float32)
    alike = np.asarray(2 * shared / np.maximum(sizes[:, None] + sizes[None, :], 1), dtype=np.float32)
    np.fill_diagonal(alike, 0.0)
    return alike
