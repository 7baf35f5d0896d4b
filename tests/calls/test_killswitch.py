"""A live call whose agent is switched off: handed over at its next turn, and told so; opt-outs are still heard."""

import pytest

from app.compliance.killswitch import KillMode
from tests.calls.test_session import PACKS, PHONE, Line
from tests.calls.virtual_time import run

pytestmark = pytest.mark.unit


def switched_line(mode: KillMode, after_opening: bool = True) -> Line:
    line = Line(PHONE)
    line.mode = KillMode.OFF if after_opening else mode
    line.session._switched = lambda: line.mode
    return line


def test_transfer_only_hands_a_live_call_to_a_person_at_its_next_turn() -> None:
    async def call() -> None:
        line = switched_line(KillMode.TRANSFER_ONLY)
        await line.opened()
        line.mode = KillMode.TRANSFER_ONLY
        await line.say("where is my order", then=1.0)
        await line.running
        assert line.carrier.transferred == ["+918000000009"]
        assert not line.tools.calls
        assert line.sink.of("caller_turn")[-1]["text"] == "where is my order", "what was said is kept"

    run(call())


def test_whatsapp_only_moves_it_there_and_says_so() -> None:
    async def call() -> None:
        line = switched_line(KillMode.WHATSAPP_ONLY)
        await line.opened()
        line.mode = KillMode.WHATSAPP_ONLY
        await line.say("where is my order", then=1.0)
        await line.running
        assert [action.kind for action in line.actions.performed] == ["handoff_whatsapp"]
        assert line.actions.performed[0].reason == "kill_switch"
        assert any(text in PACKS.get("en-IN").responses["handoff_whatsapp_done"] for text in line.heard())
        assert line.carrier.hung_up

    run(call())


def test_stop_ends_it_with_a_sentence() -> None:
    async def call() -> None:
        line = switched_line(KillMode.STOP)
        await line.opened()
        line.mode = KillMode.STOP
        for key in "12#":
            line.session.on_dtmf(key)
        await line.running
        assert any(text in PACKS.get("en-IN").responses["no_person_available"] for text in line.heard())
        assert line.carrier.hung_up and line.session.end_reason == "kill_switch"

    run(call())


def test_a_call_that_begins_switched_off_discloses_and_hands_over_unasked() -> None:
    async def call() -> None:
        line = switched_line(KillMode.TRANSFER_ONLY, after_opening=False)
        await line.answer()
        await line.running
        disclosed = [data["disclosure"] for data in line.sink.of("agent_turn") if data.get("disclosure")]
        assert disclosed == list(PACKS.get("en-IN").opening)
        assert line.carrier.transferred == ["+918000000009"]

    run(call())


def test_an_opt_out_is_heard_whatever_is_switched_off() -> None:
    async def call() -> None:
        line = switched_line(KillMode.STOP)
        await line.opened()
        line.mode = KillMode.STOP
        await line.say("do not call me again", then=1.0)
        await line.running
        assert [action.kind for action in line.actions.performed] == ["opt_out"]

    run(call())
