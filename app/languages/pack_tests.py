"""Runs a pack's own tests through what serves callers: sentences through the understander, values both ways."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from app.errors import PackError
from app.language.loader import PackRegistry
from app.language.numbers import spoken_amount, spoken_city, spoken_date, spoken_digits, spoken_number, spoken_time
from app.language.packs import Pack
from app.language.source import Source, read_source
from app.nlu.evaluation import Accuracy, Confusion, evaluate
from app.nlu.understander import Understander

FILE_NAME: Final = "tests/values.yaml"
_EXPECTATIONS: Final = {"digits": "digits", "date": "date", "time": "time"}
_RESOLVED: Final = frozenset({"date", "time"})
_SAYING: Final[Mapping[str, Callable[[Pack, str], str]]] = {
    "digits": spoken_digits,
    "number": lambda pack, value: spoken_number(pack, int(value)),
    "amount": lambda pack, value: spoken_amount(pack, int(Decimal(value)), int(Decimal(value) * 100) % 100),
    "date": lambda pack, value: spoken_date(pack, date.fromisoformat(value)),
    "time": lambda pack, value: spoken_time(pack, time.fromisoformat(value)),
    "city": spoken_city,
}


@dataclass(frozen=True, slots=True)
class ValueMiss:
    """One value that came out wrong; `what` is what was given, `line` where it stands."""

    kind: str
    what: str
    wanted: str
    got: str
    line: int | None


@dataclass(frozen=True, slots=True)
class PackTestReport:
    """How a pack fares.

    Attributes:
        tag: The pack.
        forms: Form -> sentences understood.
        intents: Intent -> sentences understood.
        heard: Values understood, spoken by a caller.
        said: Values said as the pack wants them said.
        confusions: Sentences that were taken for another intent.
        misses: Values that came out wrong.
        below: Which floors of the contract are missed, in words.
    """

    tag: str
    forms: Mapping[str, Accuracy]
    intents: Mapping[str, Accuracy]
    heard: Accuracy
    said: Accuracy
    confusions: tuple[Confusion, ...]
    misses: tuple[ValueMiss, ...]
    below: tuple[str, ...]


def run_pack_tests(
    packs_dir: Path, registry: PackRegistry, understander: Understander, tags: Iterable[str]
) -> list[PackTestReport]:
    """Tests packs among all the others, so that one language's sentences cannot hide in another's.

    Args:
        packs_dir: Where the packs' folders are.
        registry: All packs that load.
        understander: Of these packs.
        tags: Which to test.

    Raises:
        NotFound: A pack is not loaded.
        PackError: Its values file is wrong.
    """
    return [_tested(packs_dir, registry, understander, tag) for tag in tags]


def _tested(packs_dir: Path, registry: PackRegistry, understander: Understander, tag: str) -> PackTestReport:
    pack = registry.get(tag)
    found = evaluate(registry, understander, tags=(tag,))
    path = packs_dir / tag / FILE_NAME
    source = read_source(path, f"{tag}/{FILE_NAME}") if path.exists() else Source({}, {})
    heard, heard_misses = _heard(pack, registry, understander, source)
    said, said_misses = _said(pack, source)
    forms = {form: accuracy for (_, form), accuracy in found.by_form.items()}
    rates = registry.contract.pass_rates
    below = [f"form {form}: {a.share:.0%}" for form, a in forms.items() if a.share < rates["form"]]
    below += [f"intent {name}: {a.share:.0%}" for name, a in found.by_intent.items() if a.share < rates["intent"]]
    for name, accuracy in (("values heard", heard), ("values said", said)):
        below += [f"{name}: {accuracy.share:.0%}"] if accuracy.share < rates["values"] else []
    return PackTestReport(
        tag, forms, found.by_intent, heard, said, found.confusions, (*heard_misses, *said_misses), tuple(below)
    )


def _heard(
    pack: Pack, registry: PackRegistry, understander: Understander, source: Source
) -> tuple[Accuracy, list[ValueMiss]]:
    """Understands each utterance and compares the value found; `now` in the file is when it is spoken."""
    now = _now(pack.tag, source)
    right, misses = 0, []
    cases = _cases(pack.tag, source, "heard")
    for kind, utterance, wanted, line in cases:
        understanding = understander.understand(
            utterance,
            enabled=registry.tags,
            current_language=pack.tag,
            expectation=_EXPECTATIONS.get(kind, "open"),
            now=now,
        )
        entity = understanding.entity(kind)
        value = None if entity is None else (entity.resolved if kind in _RESOLVED else entity.value)
        right += value == wanted
        if value != wanted:
            misses.append(ValueMiss(kind, utterance, wanted, value or "nothing", line))
    return Accuracy(right, len(cases)), misses


def _said(pack: Pack, source: Source) -> tuple[Accuracy, list[ValueMiss]]:
    right, misses = 0, []
    cases = _cases(pack.tag, source, "said")
    for kind, value, wanted, line in cases:
        saying = _SAYING.get(kind)
        if saying is None:
            raise PackError(f"{pack.tag}/{FILE_NAME}: said.{kind}: no kind; there are {', '.join(_SAYING)}")
        try:
            spoken = saying(pack, value)
        except (ValueError, ArithmeticError) as error:
            raise PackError(
                f"{pack.tag}/{FILE_NAME}:{line}: said.{kind}.{value}: {error}; correct the value"
            ) from error
        right += spoken == wanted
        if spoken != wanted:
            misses.append(ValueMiss(kind, value, wanted, spoken, line))
    return Accuracy(right, len(cases)), misses


def _cases(tag: str, source: Source, part: str) -> list[tuple[str, str, str, int | None]]:
    """Returns (kind, given, wanted, line) of `heard` or `said`."""
    found: list[tuple[str, str, str, int | None]] = []
    by_kind: Any = source.content.get(part, {})
    for kind, pairs in by_kind.items() if isinstance(by_kind, dict) else ((part, None),):
        if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
            place = f"{tag}/{FILE_NAME}:{source.line_of(f'{part}.{kind}') or 1}"
            raise PackError(f"{place}: {part}.{kind}: give {{given: wanted}} pairs")
        found += [(kind, given, wanted, source.line_of(f"{part}.{kind}.{given}")) for given, wanted in pairs.items()]
    return found


def _now(tag: str, source: Source) -> datetime | None:
    if "now" not in source.content:
        return None
    try:
        now = datetime.fromisoformat(str(source.content["now"]))
    except ValueError:
        now = None
    if now is None or now.tzinfo is None:
        raise PackError(f"{tag}/{FILE_NAME}: now: give a time with its zone, like 2026-11-18T10:00+05:30")
    return now
