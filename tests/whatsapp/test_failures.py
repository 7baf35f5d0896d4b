"""The table of Meta's errors: complete, each code once, a text for agents in every language."""

import re

import pytest

from app.errors import ConfigError
from app.language.packs import Pack
from whatsapp.failures import Remedy, Scope, failure_of, named, read_table, table

pytestmark = pytest.mark.unit
DOCUMENTED = {
    131047: (Remedy.CLOSE_WINDOW, None),
    131026: (Remedy.UNREACHABLE, None),
    131049: (Remedy.WAIT_A_DAY, Scope.PAIR),
    131050: (Remedy.NO_MARKETING, None),
    130429: (Remedy.SLOW_DOWN, Scope.NUMBER),
    80007: (Remedy.SLOW_DOWN, Scope.ACCOUNT),
    4: (Remedy.SLOW_DOWN, Scope.APP),
    131056: (Remedy.SLOW_DOWN, Scope.PAIR),
    131048: (Remedy.FREEZE, Scope.NUMBER),
    131064: (Remedy.FREEZE, Scope.ACCOUNT),
    368: (Remedy.FREEZE, Scope.ACCOUNT),
    131031: (Remedy.FREEZE, Scope.ACCOUNT),
    131042: (Remedy.ALERT, None),
    132000: (Remedy.FIX, None),
    132012: (Remedy.FIX, None),
    132001: (Remedy.NEXT_LANGUAGE, None),
    132007: (Remedy.ALTERNATE, None),
    132015: (Remedy.ALTERNATE, None),
    132016: (Remedy.ALTERNATE, None),
    131057: (Remedy.RETRY, None),
    131016: (Remedy.RETRY, None),
    131000: (Remedy.RETRY, None),
    1: (Remedy.RETRY, None),
    2: (Remedy.RETRY, None),
    190: (Remedy.ALERT, None),
    10: (Remedy.ALERT, None),
    200: (Remedy.ALERT, None),
    250: (Remedy.ALERT, None),
    299: (Remedy.ALERT, None),
}


@pytest.mark.parametrize(("code", "expected"), DOCUMENTED.items())
def test_behaviour_16_every_documented_code_has_its_remedy(code: int, expected: tuple[Remedy, Scope | None]) -> None:
    failure = failure_of(code)
    assert (failure.code, failure.remedy, failure.scope) == (code, *expected)


@pytest.mark.parametrize("code", [-1, 7, 199, 300, 131999, 999_999])
def test_behaviour_16_codes_that_nobody_listed_are_final_and_never_retried(code: int) -> None:
    failure = failure_of(code)
    assert (failure.code, failure.remedy, failure.name, failure.pauses_seconds) == (code, Remedy.FIX, "refused", ())
    assert named("no such name").name == "refused"


def test_behaviour_16_agents_read_every_failure_in_every_language(packs: dict[str, Pack]) -> None:
    assert packs.keys() >= {"hi-IN", "ta-IN", "te-IN", "en-IN"}
    for tag, pack in packs.items():
        assert pack.failures.keys() == table().keys(), tag
        texts = list(pack.failures.values())
        assert len(set(texts)) == len(texts), f"{tag}: two failures read the same"
        for name, text in pack.failures.items():
            assert re.search(r"[.।]$", text), f"{tag} {name}: a whole sentence ends with a stop"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("refused: {remedy: fix}\nbusy: {codes: [1], remedy: retry}", "need pauses_seconds"),
        ("refused: {remedy: fix}\nslow: {codes: [4], remedy: slow_down, pauses_seconds: [5]}", "needs a scope"),
        ("refused: {remedy: fix}\na: {codes: [1], remedy: fix}\nb: {codes: [1], remedy: fix}", r"stand twice: \[1\]"),
        ("a: {codes: [1], remedy: fix}", "refused is missing"),
        ("refused: {remedy: pray}", "refused.remedy"),
        ("refused: {remedy: fix, note: x}", "refused.note"),
        ("refused: [", "no YAML"),
    ],
)
def test_a_wrong_table_is_refused_with_the_place(text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        read_table(text)
