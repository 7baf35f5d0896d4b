"""The shipped recogniser as a streaming engine: invariances first, then whether it hears simple speech."""

from __future__ import annotations

import time

import numpy as np
import pytest

from app.speech.asr.decoder import edit_distance
from app.speech.asr.engine import AsrEngine, Transcript
from app.speech.asr.onnx_engine import OnnxAsrEngine, OnnxAsrStream
from app.speech.audio import decode_mulaw, encode_mulaw

from .conftest import Voice

pytestmark = pytest.mark.integration


def feed(engine: OnnxAsrEngine, mulaw: bytes, piece: int = 160) -> OnnxAsrStream:
    stream = engine.open_stream()
    for at in range(0, len(mulaw), piece):
        engine.push(stream, mulaw[at : at + piece])
        engine.step([stream])
    return stream


def heard(engine: OnnxAsrEngine, mulaw: bytes, piece: int = 160) -> Transcript:
    return engine.finish([feed(engine, mulaw, piece)])[0]


def test_satisfies_the_protocol(engine: OnnxAsrEngine) -> None:
    typed: AsrEngine = engine
    assert typed.chunk_ms == 160
    assert "hi-IN" in engine.languages


@pytest.mark.parametrize("piece", [1, 333, 100_000])
def test_push_size_does_not_matter(engine: OnnxAsrEngine, voice: Voice, piece: int) -> None:
    mulaw = voice("मेरा order कहाँ है")
    assert heard(engine, mulaw, piece).text == heard(engine, mulaw).text


def test_batch_equals_single(engine: OnnxAsrEngine, voice: Voice) -> None:
    calls = [voice("nine four double two", "en-us+f4"), voice("नहीं"), voice("என் order எங்க இருக்கு", "ta+m5")]
    streams = [engine.open_stream() for _ in calls]
    for at in range(0, max(map(len, calls)), 160):
        for stream, mulaw in zip(streams, calls, strict=True):
            engine.push(stream, mulaw[at : at + 160])
        engine.step(streams)
    together = engine.finish(streams)
    alone = [heard(engine, mulaw) for mulaw in calls]
    for one, other in zip(together, alone, strict=True):
        assert edit_distance(one.text, other.text) <= 1
        assert one.confidence == pytest.approx(other.confidence, abs=0.05)


def test_finish_does_not_alter_the_stream(engine: OnnxAsrEngine, voice: Voice) -> None:
    mulaw = voice("मुझे agent से बात करनी है")
    half = len(mulaw) // 2
    stream = feed(engine, mulaw[:half])
    first = engine.finish([stream])[0]
    assert engine.finish([stream])[0] == first
    for at in range(half, len(mulaw), 160):
        engine.push(stream, mulaw[at : at + 160])
        engine.step([stream])
    assert engine.finish([stream])[0].text == heard(engine, mulaw).text


def after_somebody_else(voice: Voice) -> tuple[bytes, int]:
    """Returns somebody's quiet words, then the caller's; and where the caller's recording begins, in ms."""
    quiet = decode_mulaw(voice("where is my order", "en-us+f4")) * np.float32(0.05)
    return encode_mulaw(quiet) + voice("nine eight four zero two", "en-us+m5"), len(quiet) // 8


def test_words_of_somebody_else_before_the_callers_leave_no_trace(engine: OnnxAsrEngine, voice: Voice) -> None:
    mulaw, starts_ms = after_somebody_else(voice)
    alone = heard(engine, voice("nine eight four zero two", "en-us+m5"))
    found = heard(engine, mulaw)
    assert found.text == alone.text
    assert edit_distance("nine eight four zero two".split(), found.text.split()) <= 1
    assert all(
        abs(word.start_ms - starts_ms - own.start_ms) <= 160 for word, own in zip(found.words, alone.words, strict=True)
    )
    assert [share.script for share in found.scripts] == ["Latn"]


def test_hearing_the_caller_alone_goes_on_with_the_turn(engine: OnnxAsrEngine, voice: Voice) -> None:
    mulaw, starts_ms = after_somebody_else(voice)
    cut = (starts_ms + 1_600) * 8
    stream = feed(engine, mulaw[:cut])
    early = engine.finish([stream])[0]
    heard_again = stream.alone
    engine.push(stream, mulaw[cut:])
    engine.step([stream])
    assert engine.finish([stream])[0] == engine.finish([stream])[0] == heard(engine, mulaw)
    assert early.text
    assert heard_again is not None and stream.alone is heard_again


def test_a_long_turn_is_not_heard_again(engine: OnnxAsrEngine, voice: Voice) -> None:
    mulaw, _ = after_somebody_else(voice)
    stream = feed(engine, mulaw + b"\xff" * 8_000 * 8, piece=8_000)
    assert engine.finish([stream])[0].text
    assert stream.alone is None


def test_partials_come_before_the_final(engine: OnnxAsrEngine, voice: Voice) -> None:
    mulaw = voice("one two three four five six", "en-us+m5")
    stream = engine.open_stream()
    partials: list[Transcript] = []
    for at in range(0, len(mulaw), 160):
        engine.push(stream, mulaw[at : at + 160])
        partials += [partial for partial in engine.step([stream]) if partial is not None]
    final = engine.finish([stream])[0]
    assert partials
    assert not partials[0].is_final
    assert final.is_final
    assert len(final.words) >= len(partials[0].words)
    assert all(0 <= word.confidence <= 1 and word.start_ms < word.end_ms for word in final.words)
    assert [word.start_ms for word in final.words] == sorted(word.start_ms for word in final.words)
    assert final.text == " ".join(word.text for word in final.words)


def test_step_says_none_where_nothing_is_new(engine: OnnxAsrEngine) -> None:
    busy, idle = engine.open_stream(), engine.open_stream()
    engine.push(busy, b"\xff" * 4000)
    assert engine.step([busy, idle])[1] is None
    assert engine.step([busy, idle]) == [None, None]


def test_hostile_input(engine: OnnxAsrEngine) -> None:
    assert engine.step([]) == []
    assert engine.finish([]) == []
    stream = engine.open_stream()
    engine.push(stream, b"")
    engine.push(stream, b"\x00")
    engine.step([stream])
    assert engine.finish([stream])[0].is_final
    noise = np.random.default_rng(0).integers(0, 256, 16_001, dtype=np.uint8).tobytes()
    engine.push(stream, noise)
    engine.step([stream])
    assert engine.finish([stream])[0].is_final


def test_silence_is_not_speech(engine: OnnxAsrEngine) -> None:
    assert heard(engine, b"\xff" * 16_000).text == ""


def test_five_streams_step_in_time(engine: OnnxAsrEngine, voice: Voice) -> None:
    mulaw = voice("मेरा order number nine four two है")
    streams = [engine.open_stream() for _ in range(5)]
    chunk = engine.chunk_ms * 8
    spent = []
    for at in range(0, len(mulaw) - chunk, chunk):
        for stream in streams:
            engine.push(stream, mulaw[at : at + chunk])
        started = time.process_time()
        engine.step(streams)
        spent.append(time.process_time() - started)
    assert np.quantile(spent, 0.25) < engine.chunk_ms / 1000
