"""Meta's webhooks, walked whole; whatever the shape, nothing raises."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp.content import content_of, opens_window
from whatsapp.payload import ItemKind, addressed, items

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
    assert set(addressed(payload)) == {"1", "2", "3"}


@given(json_values)
def test_no_shape_is_fatal(payload: Any) -> None:
    for item in items(payload):
        content_of(item.body)
        opens_window(item.body)


def test_customers_are_named_by_number_by_id_or_by_both() -> None:
    def of(body: dict[str, Any], **value: Any) -> tuple[str | None, str | None]:
        [item] = items({"entry": [{"id": "1", "changes": [change("1", messages=[body], **value)]}]})
        return item.name, item.bsuid

    profile = {"profile": {"name": "Asha"}}
    both = [{**profile, "wa_id": "9", "user_id": "IN.a1"}]
    assert of({"id": "m", "from": "9"}, contacts=both) == ("Asha", "IN.a1")
    assert of({"id": "m", "from_user_id": "IN.a1"}, contacts=both) == ("Asha", "IN.a1")
    assert of({"id": "m"}, contacts=[{**profile, "user_id": "IN.a1"}]) == ("Asha", "IN.a1")
    assert of({"id": "m", "from": "8"}, contacts=both) == (None, None), "somebody else's contact"
    assert of({"id": "m", "from": "9"}) == (None, None)
