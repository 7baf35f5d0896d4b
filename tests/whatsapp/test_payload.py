"""Meta's webhooks, walked whole; whatever the shape, nothing raises."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp.payload import ItemKind, items, opens_window, phone_number_ids, text_of

pytestmark = pytest.mark.unit
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["entry", "changes", "value", "messages", "metadata", "statuses"]), inner)
    ),
    max_leaves=20,
)


def change(number: str, **value: Any) -> dict[str, Any]:
    return {"field": "messages", "value": {"metadata": {"phone_number_id": number}, **value}}


def test_every_entry_change_and_item_is_seen() -> None:
    payload = {
        "entry": [
            {
                "changes": [
                    change(
                        "1",
                        messages=[{"id": "a", "from": "9"}, {"id": "b"}],
                        contacts=[{"wa_id": "9", "profile": {"name": "Asha"}}],
                    ),
                    change("2", statuses=[{"id": "c"}]),
                ]
            },
            {"changes": [change("3", messages=[{"id": "d"}], statuses=[{"id": "e"}])]},
        ]
    }
    found = list(items(payload))
    assert [(item.kind, item.phone_number_id, item.body["id"]) for item in found] == [
        (ItemKind.MESSAGE, "1", "a"),
        (ItemKind.MESSAGE, "1", "b"),
        (ItemKind.STATUS, "2", "c"),
        (ItemKind.MESSAGE, "3", "d"),
        (ItemKind.STATUS, "3", "e"),
    ]
    assert [item.name for item in found[:2]] == ["Asha", None]
    assert found[3].place == "/entry/1/changes/0/value/messages/0"
    assert phone_number_ids(payload) == {"1", "2", "3"}


@given(json_values)
def test_no_shape_is_fatal(payload: Any) -> None:
    for item in items(payload):
        text_of(item.body)
        opens_window(item.body)


@pytest.mark.parametrize(
    ("message", "text", "own"),
    [
        ({"type": "text", "text": {"body": "hi"}}, "hi", True),
        ({"type": "button", "button": {"text": "Yes"}}, "Yes", True),
        ({"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"title": "One"}}}, "One", True),
        ({"type": "image", "image": {"caption": "bill"}}, "[image] bill", False),
        ({"type": "reaction", "reaction": {"emoji": "👍"}}, "[reaction 👍]", False),
        ({"type": "hologram"}, "[hologram]", False),
        ({}, "[unknown]", False),
    ],
)
def test_words_and_placeholders(message: dict[str, Any], text: str, own: bool) -> None:
    assert text_of(message) == (text, own)


def test_reactions_and_system_messages_open_nothing() -> None:
    assert opens_window({"type": "image"}) and opens_window({"type": "text"})
    assert not any(opens_window({"type": kind}) for kind in ("reaction", "system", "unsupported", "unknown"))
