"""What every pack must serve, from `lang_packs/contract.yaml`; `checks` holds packs against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import PackError
from app.language.source import read_yaml

FILE_NAME = "contract.yaml"


@dataclass(frozen=True, slots=True)
class IntentRule:
    """One intent: its slots, and whether it goes to a person at once."""

    slots: tuple[str, ...]
    means: str
    escalates: bool


@dataclass(frozen=True, slots=True)
class ResponseRule:
    """Slots that every variant holds, and those that a variant may hold."""

    required: frozenset[str]
    optional: frozenset[str]


@dataclass(frozen=True, slots=True)
class LexiconRule:
    """Shape of one lexicon entry: list, map, forms, cases or text; `length` fixes a list's length, `keys` a map's."""

    shape: str
    length: int | None
    optional: bool
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract, frozen."""

    forms: tuple[str, ...]
    floors: Mapping[str, int]
    pass_rates: Mapping[str, float]  # what `packs test` asks of each form, intent and of values
    limits: Mapping[str, int]  # letters that a listener is asked to hear out
    intents: Mapping[str, IntentRule]
    disclosures: Mapping[str, frozenset[str]]
    opening: tuple[str, ...]
    opening_outbound: tuple[str, ...]
    voicemail: tuple[str, ...]
    responses: Mapping[str, ResponseRule]
    templates: Mapping[str, tuple[str, tuple[str, ...]]]  # name -> category, params
    errors: Mapping[str, frozenset[str]]
    failures: tuple[str, ...]
    lexicon: Mapping[str, LexiconRule]


def load_contract(path: Path) -> Contract:
    """Reads the contract.

    Args:
        path: `contract.yaml`, or the folder that holds it.

    Raises:
        PackError: A part is missing or malformed.
    """
    raw = read_yaml(path / FILE_NAME if path.is_dir() else path)
    try:
        return _contract(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PackError(f"{FILE_NAME}: {error!r}: give every part the shape that its comments state") from error


def _contract(raw: Mapping[str, Any]) -> Contract:
    return Contract(
        forms=tuple(raw["forms"]),
        floors={name: int(value) for name, value in raw["floors"].items()},
        pass_rates={name: float(value) for name, value in raw["pass_rates"].items()},
        limits={name: int(value) for name, value in raw["limits"].items()},
        intents={
            name: IntentRule(tuple(rule["slots"]), str(rule["means"]), rule.get("escalates") == "true")
            for name, rule in raw["intents"].items()
        },
        disclosures={name: frozenset(rule["slots"]) for name, rule in raw["disclosures"].items()},
        opening=tuple(raw["opening"]),
        opening_outbound=tuple(raw["opening_outbound"]),
        voicemail=tuple(raw["voicemail"]),
        responses={
            key: ResponseRule(frozenset(rule.get("required", ())), frozenset(rule.get("optional", ())))
            for key, rule in raw["responses"].items()
        },
        templates={name: (str(rule["category"]), tuple(rule["params"])) for name, rule in raw["whatsapp"].items()},
        failures=tuple(raw["failures"]),
        errors={key: frozenset(rule.get("slots", ())) for key, rule in raw["errors"].items()},
        lexicon={
            key: LexiconRule(
                str(rule["shape"]),
                int(rule["length"]) if "length" in rule else None,
                rule.get("optional") == "true",
                tuple(rule.get("keys", ())),
            )
            for key, rule in raw["lexicon"].items()
        },
    )
