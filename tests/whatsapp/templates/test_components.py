"""What a template takes, whether values fit it, what the customer reads, and what Meta would not take."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.language.packs import Pack
from app.simulate.graph.errors import GraphError
from app.simulate.graph.templates import TemplateShelf
from whatsapp.templates.components import (
    message_components,
    rendered,
    slots_of,
    unsendable,
    value_faults,
    wanted_faults,
)
from whatsapp.templates.models import Category, Facts, TemplateStatus, Wanted

pytestmark = pytest.mark.unit
BODY = {"type": "BODY", "text": "Your order {{1}} is now {{2}} and on its way."}
HEADER = {"type": "HEADER", "format": "TEXT", "text": "News of {{1}}"}
FOOTER = {"type": "FOOTER", "text": "Sundar Stores"}
BUTTONS = {
    "type": "BUTTONS",
    "buttons": [
        {"type": "QUICK_REPLY", "text": "Thanks"},
        {"type": "URL", "text": "Track", "url": "https://example.in/{{1}}"},
        {"type": "COPY_CODE", "text": "Copy", "example": "A1"},
    ],
}
FULL = Facts("news", "en", Category.UTILITY, TemplateStatus.APPROVED, components=(HEADER, BODY, FOOTER, BUTTONS))
VALUES = ("your order", "4512", "packed", "4512", "SAVE10")


def plain(text: str) -> Facts:
    return Facts("plain", "en", components=({"type": "BODY", "text": text},))


def test_behaviour_17_header_body_and_buttons_all_take_their_values() -> None:
    labels = [slot.label for slot in slots_of(FULL)]
    assert labels == ["header {{1}}", "body {{1}}", "body {{2}}", "button 2", "button 3"]
    assert value_faults(FULL, VALUES) == []
    assert rendered(FULL, VALUES) == (
        "News of your order\nYour order 4512 is now packed and on its way.\nSundar Stores\n[Thanks]\n[Track]\n[Copy]"
    )
    assert message_components(FULL, VALUES) == [
        {"type": "header", "parameters": [{"type": "text", "text": "your order"}]},
        {"type": "body", "parameters": [{"type": "text", "text": "4512"}, {"type": "text", "text": "packed"}]},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "4512"}]},
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": "2",
            "parameters": [{"type": "coupon_code", "coupon_code": "SAVE10"}],
        },
    ]


def test_behaviour_17_named_values_carry_their_names() -> None:
    facts = Facts(
        "n", "en", components=({"type": "BODY", "text": "Hi {{first_name}}, it is {{what}} now."},), named=True
    )
    assert rendered(facts, ("Asha", "packed")) == "Hi Asha, it is packed now."
    [part] = message_components(facts, ("Asha", "packed"))
    assert [entry["parameter_name"] for entry in part["parameters"]] == ["first_name", "what"]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (("4512",), "takes 2 values (body {{1}}, body {{2}}), not 1"),
        (("4512", " "), "body {{2}}: must not be empty"),
        (("45\n12", "packed"), "body {{1}}: no line breaks, no tabs and no more than four spaces in a row"),
        (("4512", "a     b"), "body {{2}}: no line breaks, no tabs and no more than four spaces in a row"),
        (("x" * 1025, "packed"), "body {{1}}: at most 1024 letters"),
        (("x" * 600, "y" * 600), "body: 1235 letters with its values; at most 1024: shorten a value"),
    ],
)
def test_behaviour_17_values_that_do_not_fit_are_refused_with_place_and_cure(
    values: tuple[str, ...], fault: str
) -> None:
    [found] = value_faults(plain(str(BODY["text"])), values)
    assert found.detail == fault


def test_a_template_without_a_known_body_or_with_media_is_not_sent() -> None:
    assert "sync" in (unsendable(Facts("n", "en")) or "")
    image = {"type": "HEADER", "format": "IMAGE"}
    assert "image" in (unsendable(Facts("n", "en", components=(image, BODY))) or "")
    assert unsendable(FULL) is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_fits_here_fits_at_meta(first: str, second: str) -> None:
    shelf = TemplateShelf()
    shelf.stock({("plain", "en"): str(BODY["text"])})
    facts = plain(str(BODY["text"]))
    if value_faults(facts, (first, second)):
        return
    parts = message_components(facts, (first, second))
    _, text = shelf.fill({"name": "plain", "language": {"code": "en"}, "components": parts})
    assert text == rendered(facts, (first, second))


_EXAMPLE = {"body_text": [["a", "b", "c"]]}
_PIECES = st.lists(
    st.sampled_from(["{{1}}", "{{2}}", "{{3}}", "word", "two words", ".", " ", "नमस्ते", "{{x", "\n"]), max_size=12
)


@given(_PIECES, st.booleans())
def test_what_passes_here_is_taken_by_meta(pieces: list[str], example: bool) -> None:
    body: dict[str, Any] = {"type": "BODY", "text": " ".join(pieces)} | ({"example": _EXAMPLE} if example else {})
    wanted = Wanted("news", "en", Category.UTILITY, (body,))
    if wanted_faults(wanted):
        return
    TemplateShelf().create(wanted.wire())


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        (Wanted("News", "en", Category.UTILITY, (FOOTER | {"type": "BODY"},)), "/name"),
        (Wanted("news", "en-IN", Category.UTILITY, (FOOTER | {"type": "BODY"},)), "/language"),
        (Wanted("news", "en", Category.UNKNOWN, (FOOTER | {"type": "BODY"},)), "/category"),
        (Wanted("news", "en", Category.UTILITY, (FOOTER,)), "/components"),
        (Wanted("news", "en", Category.UTILITY, (BODY,)), "/components/0"),
        (
            Wanted("news", "en", Category.UTILITY, (FOOTER | {"type": "BODY"}, {"type": "FOOTER", "text": "{{1}}"})),
            "/components/1",
        ),
        (
            Wanted("news", "en", Category.UTILITY, (FOOTER | {"type": "BODY"}, {"type": "BUTTONS", "buttons": []})),
            "/components/1",
        ),
        (
            Wanted("news", "en", Category.UTILITY, (FOOTER | {"type": "BODY"}, {"type": "HEADER", "format": "IMAGE"})),
            "/components/1",
        ),
    ],
)
def test_what_meta_would_refuse_is_refused_here_with_its_place(wanted: Wanted, place: str) -> None:
    assert [fault.pointer for fault in wanted_faults(wanted)] == [place]
    if place != "/components/1" or "IMAGE" not in str(wanted.components):
        with pytest.raises(GraphError):
            TemplateShelf().create(wanted.wire())


def test_every_template_of_the_packs_may_be_submitted(packs: dict[str, Pack]) -> None:
    for tag, pack in packs.items():
        for template in pack.templates.values():
            body = {"type": "BODY", "text": template.body, "example": {"body_text": [list(template.examples)]}}
            wanted = Wanted(template.name, pack.manifest.whatsapp_code, Category.read(template.category), (body,))
            assert wanted_faults(wanted) == [], f"{tag} {template.name}"
