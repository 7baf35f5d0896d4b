"""What messages hold, by every type that Meta documents; unknown ones are shown as what they are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.conversations.models import MediaState, MessageKind
from whatsapp.content import Change, change_of, content_of, edited, emoji_of, opens_window

pytestmark = pytest.mark.unit
KINDS = ["text", "image", "audio", "contacts", "location", "interactive", "order", "edit", "reaction", "unsupported"]
loose = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KINDS, "type", "context", "referral", "errors", "title", "phones", "name"]), inner
        )
    ),
    max_leaves=15,
)


@given(kind=st.sampled_from(KINDS), part=loose, more=loose)
def test_no_shape_of_a_message_is_fatal(kind: str, part: Any, more: Any) -> None:
    message = {**(more if isinstance(more, dict) else {}), "type": kind, kind: part}
    assert content_of(message).text or kind == "text"
    edited(message), emoji_of(message), opens_window(message)


@pytest.mark.parametrize(
    ("message", "kind", "text", "own"),
    [
        ({"type": "text", "text": {"body": "hi"}}, "text", "hi", True),
        ({"type": "button", "button": {"text": "Yes", "payload": "y"}}, "button", "Yes", True),
        (
            {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "1", "title": "One"}}},
            "interactive",
            "One",
            True,
        ),
        ({"type": "image", "image": {"id": "5", "caption": "bill"}}, "image", "[image] bill", False),
        ({"type": "audio", "audio": {"id": "5", "voice": True}}, "voice", "[voice]", False),
        ({"type": "audio", "audio": {"id": "5"}}, "audio", "[audio]", False),
        ({"type": "sticker", "sticker": {"id": "5", "animated": True}}, "sticker", "[sticker]", False),
        ({"type": "location", "location": {"latitude": 1.5, "name": "Home"}}, "location", "[location] Home", False),
        (
            {"type": "contacts", "contacts": [{"name": {"formatted_name": "Ravi"}, "phones": [{"phone": "+91 9"}]}]},
            "contacts",
            "[contacts] Ravi",
            False,
        ),
        ({"type": "order", "order": {"product_items": [{"quantity": 2}]}}, "order", "[order]", False),
        ({"type": "unsupported", "unsupported": {"type": "poll"}}, "unsupported", "[unsupported]", False),
        ({"type": "hologram"}, "unsupported", "[hologram]", False),
        ({"type": "text"}, "unsupported", "[text]", False),
        ({}, "unsupported", "[unknown]", False),
    ],
)
def test_behaviour_26_every_type_is_shown_as_what_it_is(
    message: dict[str, Any], kind: str, text: str, own: bool
) -> None:
    content = content_of(message)
    assert (content.kind, content.text, content.own_words) == (MessageKind(kind), text, own)


def test_what_stands_beside_the_words_is_kept() -> None:
    advert = {"source_type": "ad", "headline": "Sale", "ctwa_clid": "abc", "secret": {"deep": 1}}
    message = {
        "type": "text",
        "text": {"body": "hi"},
        "referral": advert,
        "context": {"id": "wamid.before", "forwarded": True},
    }
    content = content_of(message)
    assert content.reply_to == "wamid.before"
    assert content.extra == {
        "referral": {"source_type": "ad", "headline": "Sale", "ctwa_clid": "abc"},
        "forwarded": True,
    }
    poll = content_of({"type": "unsupported", "unsupported": {"type": "poll"}, "errors": [{"code": 131051}]})
    assert poll.extra == {"type": "poll", "error": {"code": 131051}}
    button = content_of({"type": "button", "button": {"text": "Yes", "payload": "yes-1"}})
    assert button.extra == {"payload": "yes-1"}


def test_a_file_waits_to_be_fetched_under_the_id_of_its_webhook() -> None:
    document = {"id": "55", "mime_type": "application/pdf", "filename": "bill.pdf", "sha256": "x"}
    media = content_of({"type": "document", "document": document}).media
    assert media is not None and (media.state, media.provider_id) == (MediaState.PENDING, "55")
    assert (media.mime_type, media.file_name) == ("application/pdf", "bill.pdf")


def test_changes_name_their_message() -> None:
    assert change_of({"type": "reaction", "reaction": {"message_id": "w", "emoji": "👍"}}) == (Change.REACTION, "w")
    assert change_of({"type": "edit", "edit": {"original_message_id": "w"}}) == (Change.EDIT, "w")
    assert change_of({"type": "revoke", "revoke": {"original_message_id": "w"}}) == (Change.REVOKE, "w")
    assert change_of({"type": "text"}) is None
    with pytest.raises(ValueError, match="names no message"):
        change_of({"type": "revoke", "revoke": {}})


def test_reactions_corrections_and_system_messages_open_nothing() -> None:
    assert opens_window({"type": "image"}) and opens_window({"type": "text"})
    closed = ("reaction", "edit", "revoke", "system", "unsupported", "unknown")
    assert not any(opens_window({"type": kind}) for kind in closed)
