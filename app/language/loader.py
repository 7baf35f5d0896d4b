"""Reads, checks and freezes the folders of `lang_packs/`; whatever needs a language asks `PackRegistry`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import NotFound, PackError
from app.language.checks import FILES, Problem, check, text_hash
from app.language.contract import FILE_NAME, Contract, load_contract
from app.language.normalise import normalise
from app.language.packs import Disclosure, Formats, Lexicon, Manifest, Pack, WhatsappTemplate
from app.language.source import is_nfc, read_yaml

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class PackReport:
    """What `vaanisetu packs check` prints of one pack.

    `grade` is A to D by how far examples and tests go beyond the floors (A: twice the floors almost everywhere), F
    when the pack would not load.
    """

    tag: str
    problems: tuple[Problem, ...]
    examples: int = 0
    tests: int = 0
    coverage: float = 0.0
    grade: str = "F"


def load_pack(folder: Path, contract: Contract) -> Pack:
    """Reads one pack.

    Raises:
        PackError: The pack is incomplete or wrong; the detail names file, key and cure.
    """
    raw = {file: read_yaml(folder / file, f"{folder.name}/{file}") for file in FILES}
    problems = check(folder.name, raw, contract)
    if problems:
        shown = "; ".join(f"{folder.name}/{problem}" for problem in problems[:_SHOWN])
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise PackError(shown + more)
    return _pack(raw, contract)


def validate_pack(folder: Path, contract: Contract | None = None) -> PackReport:
    """Checks one pack and grades its coverage; never raises for a faulty pack.

    Args:
        folder: The pack's folder.
        contract: Taken from the folder above when not given.

    Raises:
        PackError: The contract itself cannot be read.
    """
    contract = contract or load_contract(folder.parent)
    raw: dict[str, Mapping[str, Any]] = {}
    problems: list[Problem] = []
    for file in FILES:
        try:
            raw[file] = read_yaml(folder / file, file)
        except PackError as error:
            problems.append(Problem(file, "file", error.detail.removeprefix(f"{file}: ")))
    problems = problems or check(folder.name, raw, contract)
    if problems:
        return PackReport(folder.name, tuple(problems))
    counts = [_count(raw["intents.yaml"][name]) / contract.floors["examples_per_intent"] for name in contract.intents]
    tests = [_count(raw["tests/intents.yaml"][name]) / contract.floors["tests_per_intent"] for name in contract.intents]
    coverage = sum(min(1.0, share / 2) for share in counts + tests) / len(counts + tests)
    return PackReport(
        tag=folder.name,
        problems=(),
        examples=sum(map(_count, raw["intents.yaml"].values())),
        tests=sum(map(_count, raw["tests/intents.yaml"].values())),
        coverage=coverage,
        grade=next(grade for grade, least in (("A", 0.9), ("B", 0.75), ("C", 0.6), ("D", 0.0)) if coverage >= least),
    )


def approve(folder: Path, approved_by: str, approved_on: str, keys: Iterable[str] | None = None) -> list[str]:
    """Binds disclosures to their text, after a person has read them; rewrites disclosures.yaml.

    Args:
        folder: The pack's folder.
        approved_by: Who approves.
        approved_on: ISO date.
        keys: Which to approve; all whose text is new or changed when not given.

    Returns:
        The keys that were approved.

    Raises:
        PackError: The file cannot be read, a key is not in it or a text is not in NFC.
    """
    path = folder / "disclosures.yaml"
    doc = read_yaml(path, f"{folder.name}/disclosures.yaml")
    for key, entry in doc.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("text"), str) or not is_nfc(entry["text"]):
            raise PackError(f"{folder.name}/disclosures.yaml: {key}: write `text: ...` in Unicode form NFC")
    changed = [key for key, entry in doc.items() if entry.get("sha256") != text_hash(entry["text"])]
    chosen = changed if keys is None else list(keys)
    for key in chosen:
        if key not in doc:
            raise PackError(f"{folder.name}/disclosures.yaml: {key}: missing; add the disclosure")
        doc[key] |= {"approved_by": approved_by, "approved_on": approved_on, "sha256": text_hash(doc[key]["text"])}
    lines: list[str] = []
    for key, entry in doc.items():
        lines.append(f"{key}:")
        lines += [
            f"  {name}: {_quoted(str(entry[name]))}"
            for name in ("text", "approved_by", "approved_on", "sha256")
            if name in entry
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return chosen


class PackRegistry:
    """The loaded packs by tag, in the order of their folders' names."""

    def __init__(self, packs_dir: Path, contract: Contract, packs: Mapping[str, Pack]) -> None:
        self._dir = packs_dir
        self._packs = dict(packs)
        self.contract = contract

    @classmethod
    def load(cls, packs_dir: Path) -> "PackRegistry":
        """Loads every folder that holds a manifest.

        Args:
            packs_dir: The folder with `contract.yaml` and one folder per language.

        Raises:
            PackError: The contract or a pack is wrong, or there is no pack.
        """
        contract = load_contract(packs_dir / FILE_NAME)
        folders = sorted(path.parent for path in packs_dir.glob("*/manifest.yaml"))
        if not folders:
            raise PackError(f"{packs_dir}: no language pack; add a folder with a manifest.yaml")
        packs = {folder.name: load_pack(folder, contract) for folder in folders}
        for tag, pack in packs.items():
            unknown = [other for other in pack.manifest.fallback if other not in packs]
            if unknown:
                raise PackError(f"{tag}/manifest.yaml: fallback: {', '.join(unknown)}: no such pack; remove it")
        return cls(packs_dir, contract, packs)

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

    def reload(self, tag: str) -> Pack:
        """Reads one pack again; the old one stays when the new one is wrong.

        Raises:
            PackError: The files are wrong.
        """
        pack = load_pack(self._dir / tag, self.contract)
        self._packs = {**self._packs, tag: pack}
        return pack


def _pack(raw: Mapping[str, Mapping[str, Any]], contract: Contract) -> Pack:
    words = raw["lexicon.yaml"]
    templates = {
        name: WhatsappTemplate(name, t["category"], t["body"], tuple(t["params"]), tuple(t["examples"]))
        for name, t in raw["whatsapp.yaml"].items()
    }
    return Pack(
        manifest=_manifest(raw["manifest.yaml"]),
        disclosures={
            key: Disclosure(key, d["text"], d["approved_by"], d["approved_on"], d["sha256"])
            for key, d in raw["disclosures.yaml"].items()
        },
        intents=_by_form(raw["intents.yaml"]),
        tests=_by_form(raw["tests/intents.yaml"]),
        responses={key: tuple(variants) for key, variants in raw["responses.yaml"].items()},
        whatsapp_templates={name: template.body for name, template in templates.items()},
        errors=dict(raw["errors.yaml"]),
        lexicon=_lexicon(words),
        digit_words=_lowered(words["digit_words"]),
        number_words={word: int(value) for word, value in _lowered(words["number_words"]).items()},
        repeat_words={word: int(value) for word, value in _lowered(words["repeat_words"]).items()},
        fraction_words=_lowered(words.get("fraction_words", {})),
        formats=Formats(
            digit_names=tuple(words["digit_names"]),
            months=tuple(words["months"]),
            weekdays=tuple(words["weekdays"]),
            date=words["date_format"],
            amount=words["amount_format"],
        ),
        templates=templates,
        opening=contract.opening,
    )


def _manifest(doc: Mapping[str, Any]) -> Manifest:
    return Manifest(
        tag=doc["tag"],
        name=doc["name"],
        native_name=doc["native_name"],
        scripts=tuple(doc["scripts"]),
        fallback=tuple(doc["fallback"]),
        whatsapp_code=doc["whatsapp_code"],
        tts_voice=doc["tts"]["voice"],
        tts_rate_wpm=int(doc["tts"]["rate_wpm"]),
        tts_pitch=int(doc["tts"]["pitch"]),
        forms=tuple(doc["forms"]),
        numbers=doc["numbers"],
    )


def _lexicon(doc: Mapping[str, Any]) -> Lexicon:
    return Lexicon(
        function_words_native=_words(doc["function_words"].get("native", ())),
        function_words_romanised=_words(doc["function_words"].get("romanised", ())),
        backchannels=_words(doc["backchannels"]),
        stop_words=_words(doc["stop_words"]),
        start_words=_words(doc["start_words"]),
        language_names=_lowered(doc["language_names"]),
        yes_words=_words(doc["yes_words"]),
        no_words=_words(doc["no_words"]),
        speak_words=_words(doc["speak_words"]),
        correction_words=_words(doc["correction_words"]),
        number_joins=_words(doc.get("number_joins", ())),
        suffixes=tuple(doc.get("suffixes", ())),
        common_words=_words(doc.get("common_words", ())),
        relative_days={word: int(days) for word, days in _lowered(doc["relative_days"]).items()},
        topics=dict(doc["topics"]),
    )


def _words(values: Iterable[str]) -> frozenset[str]:
    return frozenset(normalise(value).lower() for value in values)


def _lowered(values: Mapping[str, str]) -> dict[str, str]:
    return {normalise(word).lower(): value for word, value in values.items()}


def _by_form(doc: Mapping[str, Mapping[str, list[str]]]) -> dict[str, dict[str, tuple[str, ...]]]:
    return {intent: {form: tuple(texts) for form, texts in forms.items()} for intent, forms in doc.items()}


def _count(by_form: Mapping[str, list[str]]) -> int:
    return sum(map(len, by_form.values()))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
