"""Which template leaves: language before name, alternates of the same category only, and a reason for each refusal."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp.models import TemplateVersion
from whatsapp.templates.door import Choice, choose
from whatsapp.templates.models import Category, Facts, Template, TemplateStatus

pytestmark = pytest.mark.unit
NOW = datetime(2026, 11, 1, tzinfo=UTC)
HI, EN = TemplateVersion("hi-IN", "hi", ("अ",)), TemplateVersion("en-IN", "en", ("a",))
BODY = ({"type": "BODY", "text": "Hello, {{1}} is here."},)
NAMES = ("main", "spare")


def known(*listed: tuple[str, str, TemplateStatus, Category]) -> dict[tuple[str, str], Template]:
    return {
        (name, code): Template("wtpl_1", "t", "1", Facts(name, code, category, status, components=BODY), NOW, NOW, NOW)
        for name, code, status, category in listed
    }


APPROVED, PAUSED, UTILITY = TemplateStatus.APPROVED, TemplateStatus.PAUSED, Category.UTILITY


def picked(stock: dict[tuple[str, str], Template], skip: frozenset[tuple[str, str]] = frozenset()) -> object:
    found = choose(NAMES, (HI, EN), stock, UTILITY, skip)
    return found.key if isinstance(found, Choice) else found


def test_behaviour_18_the_callers_language_comes_first_then_the_next() -> None:
    both = known(("main", "hi", APPROVED, UTILITY), ("main", "en", APPROVED, UTILITY))
    assert picked(both) == ("main", "hi")
    assert picked(both, frozenset({("main", "hi")})) == ("main", "en")
    assert picked(known(("main", "en", APPROVED, UTILITY))) == ("main", "en")


@pytest.mark.parametrize("status", [status for status in TemplateStatus if status is not APPROVED])
def test_behaviour_19_what_is_not_approved_gives_way_to_its_alternate(status: TemplateStatus) -> None:
    stock = known(
        ("main", "hi", status, UTILITY), ("spare", "hi", APPROVED, UTILITY), ("main", "en", APPROVED, UTILITY)
    )
    assert picked(stock) == ("spare", "hi")


def test_behaviour_19_a_service_message_never_becomes_marketing() -> None:
    stock = known(("main", "hi", PAUSED, UTILITY), ("spare", "hi", APPROVED, Category.MARKETING))
    assert picked(stock) == [
        "main in hi is PAUSED",
        "spare in hi is MARKETING at Meta, not UTILITY",
        "main in en does not exist at Meta",
        "spare in en does not exist at Meta",
    ]
    moved = known(("main", "hi", APPROVED, Category.MARKETING))
    assert "main in hi is MARKETING at Meta, not UTILITY" in picked(moved)  # type: ignore[operator]


def test_behaviour_19_an_alternate_with_other_values_is_passed_over() -> None:
    stock = known(("main", "hi", PAUSED, UTILITY), ("spare", "hi", APPROVED, UTILITY))
    wide = Facts(
        "spare", "hi", UTILITY, APPROVED, components=({"type": "BODY", "text": "We say {{1}} and {{2}} now."},)
    )
    stock["spare", "hi"] = Template("wtpl_2", "t", "1", wide, NOW, NOW, NOW)
    assert "takes 2 values" in str(picked(stock))


_STOCK = st.dictionaries(
    st.tuples(st.sampled_from(["main", "spare", "third"]), st.sampled_from(["hi", "en", "ta"])),
    st.tuples(st.sampled_from(list(TemplateStatus)), st.sampled_from(list(Category))),
)


@given(_STOCK, st.sets(st.tuples(st.sampled_from(["main", "spare"]), st.sampled_from(["hi", "en"]))))
def test_nothing_but_an_approved_template_of_its_category_is_ever_chosen(
    stock: dict[tuple[str, str], tuple[TemplateStatus, Category]], skip: set[tuple[str, str]]
) -> None:
    templates = known(*((name, code, status, category) for (name, code), (status, category) in stock.items()))
    found = choose(NAMES, (HI, EN), templates, UTILITY, skip)
    may = [
        (name, code)
        for code in ("hi", "en")
        for name in NAMES
        if stock.get((name, code)) == (APPROVED, UTILITY) and (name, code) not in skip
    ]
    if isinstance(found, Choice):
        assert found.key == may[0] and found.version.code == found.key[1]
    else:
        assert may == [] and len(found) == 4
