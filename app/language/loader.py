"""Reads, checks and freezes the folders of `lang_packs/`; whatever needs a language asks `PackRegistry`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.errors import NotFound, PackError
from app.language.checks import FILES, VALUES, check, values_faults
from app.language.contract import FILE_NAME, Contract, load_contract
from app.language.findings import Problem
from app.language.freeze import freeze
from app.language.normalise import split_words
from app.language.packs import Pack
from app.language.patterns import FILE_NAME as PATTERNS
from app.language.patterns import pattern_faults
from app.language.sentences import FILE_NAME as SENTENCES
from app.language.sentences import read_sentences
from app.language.source import Source, read_source
from app.language.vocabulary import FILE_NAME as VOCABULARY
from app.language.vocabulary import vocabulary_faults

_OPTIONAL = (VOCABULARY, PATTERNS)
_SHOWN = 8
_VERSION_LETTERS = 12
_GRADES = (("A", 0.9), ("B", 0.75), ("C", 0.6), ("D", 0.0))


@dataclass(frozen=True, slots=True)
class PackReport:
    """What `vaanisetu packs validate` prints of one pack.

    `grade` is A to D by how far examples and tests go beyond the floors (A: twice the floors almost everywhere), F
    when the pack does not load.
    """

    tag: str
    problems: tuple[Problem, ...]
    examples: int = 0
    tests: int = 0
    coverage: float = 0.0
    grade: str = "F"
    version: str = ""

    @property
    def faults(self) -> tuple[Problem, ...]:
        """The problems that keep the pack from loading."""
        return tuple(problem for problem in self.problems if not problem.warning)


def load_pack(folder: Path, contract: Contract) -> Pack:
    """Reads one pack.

    Raises:
        PackError: The pack is incomplete or wrong; the detail names file, line, key and cure.
    """
    pack, report = read_pack(folder, contract)
    if pack is None:
        raise _refusal([report])
    return pack


def validate_pack(folder: Path, contract: Contract | None = None) -> PackReport:
    """Checks one pack and grades its coverage; never raises for a faulty pack.

    Args:
        folder: The pack's folder.
        contract: Taken from the folder above when not given.

    Raises:
        PackError: The contract itself cannot be read.
    """
    return read_pack(folder, contract or load_contract(folder.parent))[1]


def read_pack(folder: Path, contract: Contract) -> tuple[Pack | None, PackReport]:
    """Reads, checks and grades one pack.

    Returns:
        The pack, None when it has a fault, and what was found.
    """
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for file in (*FILES, *_OPTIONAL, VALUES):
        if file not in FILES and not (folder / file).exists():
            continue
        try:
            sources[file] = read_source(folder / file, file)
        except PackError as error:
            place, _, cure = error.detail.partition(": ")
            line = place.removeprefix(file).removeprefix(":")
            problems.append(Problem(file, "file", cure, int(line) if line.isdigit() else None))
    if not problems:
        words = sources.get(VOCABULARY, Source({}, {}))
        problems += check(folder.name, sources, contract)
        faults = vocabulary_faults(words.content)
        problems += [Problem(VOCABULARY, key, cure, words.line_of(key)) for key, cure in faults]
        patterns = sources.get(PATTERNS, Source({}, {}))
        faults = pattern_faults(patterns.content, contract.intents)
        problems += [Problem(PATTERNS, key, cure, patterns.line_of(key)) for key, cure in faults]
        values = sources.get(VALUES, Source({}, {}))
        problems += [Problem(VALUES, key, cure, values.line_of(key)) for key, cure in values_faults(values.content)]
        problems += _fallback_problems(folder, sources["manifest.yaml"])
    sentences: Mapping[str, tuple[str, ...]] = {}
    if (folder / SENTENCES).exists() and all(problem.warning for problem in problems):
        sentences, faults_of_lines = _sentences(folder / SENTENCES, sources, contract)
        problems += faults_of_lines
    if any(not problem.warning for problem in problems):
        return None, PackReport(folder.name, tuple(problems))
    raw = {file: source.content for file, source in sources.items()}
    pack = replace(freeze(raw, contract, folder_version(folder)), sentences=sentences)
    return pack, _graded(pack, tuple(problems), contract)


def _sentences(
    path: Path, sources: Mapping[str, Source], contract: Contract
) -> tuple[Mapping[str, tuple[str, ...]], list[Problem]]:
    examples, tests = (
        {
            " ".join(split_words(text)): intent
            for intent, forms in sources[file].content.items()
            for texts in forms.values()
            for text in texts
        }
        for file in ("intents.yaml", "tests/intents.yaml")
    )
    try:
        return read_sentences(path, contract.intents, examples, tests)
    except PackError as error:
        return {}, [Problem(path.name, "file", error.detail.partition(": ")[2])]


def folder_version(folder: Path) -> str:
    """Returns the hash of a pack's files: another hash is another version."""
    digest = hashlib.sha256()
    for file in (*FILES, *_OPTIONAL, SENTENCES):
        path = folder / file
        if path.is_file():
            digest.update(f"{file}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:_VERSION_LETTERS]


class PackRegistry:
    """The loaded packs by tag, in the order of their folders' names. A value: reading again yields another registry."""

    def __init__(
        self, packs_dir: Path, contract: Contract, packs: Mapping[str, Pack], reports: Mapping[str, PackReport]
    ) -> None:
        self._dir = packs_dir
        self._packs = dict(packs)
        self.contract = contract
        self.reports = MappingProxyType(dict(reports))

    def __reduce__(self) -> "tuple[type[PackRegistry], tuple[Path, Contract, dict[str, Pack], dict[str, PackReport]]]":
        return PackRegistry, (self._dir, self.contract, self._packs, dict(self.reports))

    @classmethod
    def load(cls, packs_dir: Path) -> "PackRegistry":
        """Loads every folder that holds a manifest.

        Args:
            packs_dir: The folder with `contract.yaml` and one folder per language.

        Raises:
            PackError: The contract or a pack is wrong, or there is no pack.
        """
        registry = cls.open(packs_dir)
        if registry.rejected:
            raise _refusal(registry.rejected)
        return registry

    @classmethod
    def open(cls, packs_dir: Path, before: "PackRegistry | None" = None) -> "PackRegistry":
        """Loads the packs that are right and keeps note of the others in `rejected`.

        Args:
            packs_dir: The folder with `contract.yaml` and one folder per language.
            before: What serves so far: its packs stay where a folder is wrong now, or gone, or as it was.

        Raises:
            PackError: The contract is wrong, or not one pack is right.
        """
        contract = load_contract(packs_dir / FILE_NAME)
        folders = sorted(path.parent for path in packs_dir.glob("*/manifest.yaml"))
        if not folders and before is None:
            raise PackError(f"{packs_dir}: no language pack; add a folder with a manifest.yaml")
        packs: dict[str, Pack] = dict(before._packs) if before is not None else {}
        reports = {tag: report for tag, report in before.reports.items() if tag in packs} if before is not None else {}
        for folder in folders:
            known = packs.get(folder.name)
            if known is not None and known.version == folder_version(folder):
                if reports[folder.name].faults:
                    reports[folder.name] = validate_pack(folder, contract)
                continue
            pack, reports[folder.name] = read_pack(folder, contract)
            if pack is not None:
                packs[folder.name] = pack
        if not packs:
            raise _refusal([report for report in reports.values() if report.faults])
        return cls(packs_dir, contract, dict(sorted(packs.items())), reports)

    def again(self) -> "PackRegistry":
        """Reads the folders again; see `open`.

        Raises:
            PackError: The contract is wrong, or another than before: the code that serves was made for that one.
        """
        if load_contract(self._dir / FILE_NAME) != self.contract:
            raise PackError(f"{FILE_NAME}: changed while the service runs; it takes effect with the next start")
        return PackRegistry.open(self._dir, before=self)

    @property
    def rejected(self) -> tuple[PackReport, ...]:
        """What was found in the folders that did not load when they were last read."""
        return tuple(report for report in self.reports.values() if report.faults)

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each loaded pack."""
        return {tag: pack.version for tag, pack in self._packs.items()}

    @property
    def tags(self) -> tuple[str, ...]:
        """The BCP-47 tags of all packs."""
        return tuple(self._packs)

    @property
    def packs(self) -> tuple[Pack, ...]:
        """All packs."""
        return tuple(self._packs.values())

    def get(self, tag: str) -> Pack:
        """Returns the pack of a tag.

        Raises:
            NotFound: No such pack is loaded.
        """
        pack = self._packs.get(tag)
        if pack is None:
            raise NotFound(f"no language pack {tag!r}; loaded are {', '.join(self._packs)}", code="language_not_found")
        return pack


def _refusal(reports: Sequence[PackReport]) -> PackError:
    lines = [f"{report.tag}/{problem}" for report in reports for problem in report.faults]
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return PackError("; ".join(lines[:_SHOWN]) + more)


def _fallback_problems(folder: Path, manifest: Source) -> list[Problem]:
    fallback = manifest.content.get("fallback")
    named = [str(tag) for tag in fallback] if isinstance(fallback, list) else []
    unknown = [tag for tag in named if not (folder.parent / tag).is_dir() or tag == folder.name]
    if not unknown:
        return []
    cure = f"{', '.join(unknown)}: no such pack beside this one; remove it"
    return [Problem("manifest.yaml", "fallback", cure, manifest.line_of("fallback"))]


def _graded(pack: Pack, problems: tuple[Problem, ...], contract: Contract) -> PackReport:
    examples = {name: _count(forms) for name, forms in pack.intents.items()}
    tests = {name: _count(forms) for name, forms in pack.tests.items()}
    shares = [count / contract.floors["examples_per_intent"] for count in examples.values()]
    shares += [count / contract.floors["tests_per_intent"] for count in tests.values()]
    coverage = sum(min(1.0, share / 2) for share in shares) / len(shares)
    return PackReport(
        tag=pack.tag,
        problems=problems,
        examples=sum(examples.values()),
        tests=sum(tests.values()),
        coverage=coverage,
        grade=next(grade for grade, least in _GRADES if coverage >= least),
        version=pack.version,
    )


def _count(by_form: Mapping[str, Sequence[Any]]) -> int:
    return sum(map(len, by_form.values()))
