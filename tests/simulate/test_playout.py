import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.simulate.playout import FRAME_BYTES, Playout

pytestmark = pytest.mark.unit


def drain(playout: Playout) -> bytes:
    heard = b""
    while (frame := playout.tick(0.0)) is not None:
        heard += frame.mulaw
    return heard


@given(st.lists(st.one_of(st.binary(max_size=500), st.text(min_size=1, max_size=3)), max_size=20))
def test_everything_is_played_in_order_and_each_checkpoint_after_the_audio_before_it(queued: list[bytes | str]) -> None:
    heard = 0
    reached: list[tuple[str, int]] = []
    playout = Playout(lambda name: reached.append((name, heard)))
    for item in queued:
        if isinstance(item, str):
            playout.checkpoint(item)
        else:
            assert playout.play(item)
    audio = b"".join(item for item in queued if isinstance(item, bytes))
    played = b""
    for _ in range(len(audio) // FRAME_BYTES + 2):
        heard = len(played)
        frame = playout.tick(0.0)
        played += frame.mulaw if frame else b""
    assert played[: len(audio)] == audio
    assert set(played[len(audio) :]) <= {0xFF}
    before = 0
    names = [item for item in queued if isinstance(item, str)]
    assert [name for name, _ in reached] == names
    marks = iter(reached)
    for item in queued:
        if isinstance(item, str):
            assert next(marks)[1] >= before
        else:
            before += len(item)


def test_clear_drops_audio_and_its_checkpoints() -> None:
    reached: list[str] = []
    playout = Playout(reached.append)
    playout.play(b"\x00" * 1600)
    playout.checkpoint("end")
    playout.tick(0.0)
    assert playout.clear() == pytest.approx(0.18)
    assert playout.tick(0.0) is None
    assert reached == []


def test_a_full_queue_refuses() -> None:
    playout = Playout(lambda _: None)
    assert playout.play(b"\x00" * 480_000)
    assert not playout.play(b"\x00")


def test_silence_is_not_loud_and_speech_is() -> None:
    playout = Playout(lambda _: None)
    playout.play(b"\xff" * 160 + b"\x10\x90" * 80)
    quiet, speech = playout.tick(0.0), playout.tick(0.0)
    assert quiet is not None and not quiet.loud
    assert speech is not None and speech.loud
