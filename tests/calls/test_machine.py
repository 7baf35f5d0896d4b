"""An answering machine on a call that we placed: greeted out and told who rang; a person in its place is heard."""

from dataclasses import replace

import pytest

from tests.calls.test_session import PACKS, PROFILE, Line
from tests.calls.virtual_time import run

pytestmark = pytest.mark.unit

CALLING = replace(PROFILE, about={"en-IN": "your order", "hi-IN": "आपके ऑर्डर"}, call_purpose="service")
NUMBER = "+918047000001"


def message(line: Line) -> list[object]:
    return [data.get("disclosure") for data in line.sink.of("agent_turn") if data["complete"]]


def test_the_message_waits_for_the_end_of_the_greeting_and_nothing_of_that_is_a_turn() -> None:
    async def call() -> None:
        line = Line(CALLING)
        await line.answer()
        await line.hear(0.95, 2.0)
        assert line.session.leave_message(NUMBER)
        begun = len(message(line))
        assert not line.sink.recording
        line.ear.text = "a person please"
        await line.hear(0.95, 4.0)
        await line.hear(0.02, 0.6)
        await line.hear(0.95, 2.0)
        assert len(message(line)) == begun and not line.session._playback.speaking
        await line.hear(0.02, 2.0)
        assert line.session.leave_message(NUMBER), "told twice, left once"
        await line.quiet(60)
        await line.running
        assert message(line)[begun:] == list(PACKS.get("en-IN").voicemail)
        assert line.sink.of("caller_turn") == [] and line.carrier.hung_up
        assert line.session.end_reason == "voicemail"

    run(call())


def test_a_greeting_without_end_is_talked_over() -> None:
    async def call() -> None:
        line = Line(CALLING)
        await line.answer()
        await line.hear(0.95, 1.0)
        line.session.leave_message(NUMBER)
        await line.hear(0.95, 90.0)
        await line.running
        assert message(line) == list(PACKS.get("en-IN").voicemail)

    run(call())


def test_a_person_taken_for_a_machine_may_still_say_stop() -> None:
    async def call() -> None:
        line = Line(CALLING)
        await line.answer()
        await line.hear(0.02, 1.0)
        line.session.leave_message(NUMBER)
        await line.hear(0.02, 2.0)
        await line.say("do not call me again")
        await line.quiet(60)
        await line.running
        assert [action.kind for action in line.actions.performed] == ["opt_out"]

    run(call())


def test_a_machine_that_is_noticed_at_once_hears_the_message_and_no_opening() -> None:
    async def call() -> None:
        line = Line(CALLING)
        assert line.session.leave_message(NUMBER)
        await line.answer()
        await line.hear(0.02, 2.0)
        await line.quiet(60)
        await line.running
        assert message(line) == list(PACKS.get("en-IN").voicemail)

    run(call())


def test_a_machine_on_a_line_without_a_stream_is_hung_up_on() -> None:
    async def call() -> None:
        line = Line(CALLING)
        await line.hear(0.02, 0.1)
        assert line.session.leave_message(NUMBER)
        await line.running
        assert line.session.end_reason == "answering_machine" and message(line) == []

    run(call())
