"""What travels between the media process and a speech worker, through msgpack and back."""

import hypothesis
import pytest
from hypothesis import strategies as st

from app.speech import wire
from app.speech.asr.engine import Alternative, Bias, ScriptShare, Transcript, Word

pytestmark = pytest.mark.unit

WORDS = (Word("मेरा", 80, 240, 0.9), Word("order", 240, 560, 0.5))


def travel(message: object, piece: int = 3) -> object:
    unpacker, data = wire.Unpacker(), wire.encode(message)
    found = [m for at in range(0, len(data), piece) for m in unpacker.feed(data[at : at + piece])]
    assert len(found) == 1
    return found[0]


def test_a_transcript_arrives_as_it_left() -> None:
    said = Transcript(
        "मेरा order",
        0.7,
        WORDS,
        True,
        (ScriptShare("Latn", 0.6, 0.5), ScriptShare("Deva", 0.4, 0.9)),
        (Alternative("तेरा order", 0.2, WORDS[1:]),),
    )
    assert wire.unpack_transcript(travel(wire.pack_transcript(said)), is_final=True) == said


@hypothesis.given(
    st.lists(st.text(max_size=8), max_size=4), st.none() | st.tuples(st.integers(1, 9), st.integers(9, 16))
)
def test_a_bias_arrives_as_it_left(phrases: list[str], digits: tuple[int, int] | None) -> None:
    bias = Bias(tuple(phrases), digits, tuple(reversed(phrases)), tuple((phrase, 1) for phrase in phrases))
    assert wire.unpack_bias(travel(wire.pack_bias(bias))) == bias


def test_no_bias_is_none() -> None:
    assert wire.unpack_bias(travel(wire.pack_bias(None))) is None
