import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from app.calls.ports import CarrierAccount, StreamClaim
from app.errors import CarrierError
from app.outbound.ports import DialOrder
from app.simulate.carrier import Parties, SimulatedCall
from app.telephony import rest as room
from app.telephony.rest import CallOrder, PlivoClients, PlivoDialler, PlivoRest
from app.telephony.webhooks import CarrierUrls
from tests.standins.plivo import PlivoStandin
from tests.telephony.edge import AUTH_ID, AUTH_TOKEN, CALLER, OUR_NUMBER, Edge, until

pytestmark = pytest.mark.integration

ACCOUNT = CarrierAccount(AUTH_ID, AUTH_TOKEN)


@pytest.fixture
async def standin() -> AsyncIterator[PlivoStandin]:
    async with PlivoStandin({AUTH_ID: AUTH_TOKEN}) as standin:
        yield standin


@pytest.fixture
def rest(standin: PlivoStandin) -> PlivoRest:
    return PlivoClients(standin.url).of(ACCOUNT)


ORDER = CallOrder(OUR_NUMBER, CALLER, "http://127.0.0.1:9/answer", "http://127.0.0.1:9/hangup")


async def test_an_order_reaches_the_carrier_as_it_documents(standin: PlivoStandin, rest: PlivoRest) -> None:
    async def never(_: SimulatedCall) -> str:
        await asyncio.sleep(60)
        return "no-answer"

    standin.pickup = never
    request_id = await rest.make_call(ORDER)
    ((method, path, fields),) = standin.requests
    assert (method, path) == ("POST", f"/v1/Account/{AUTH_ID}/Call/")
    assert (fields["from"], fields["to"]) == (OUR_NUMBER[1:], CALLER[1:])
    assert fields["hangup_url"] == ORDER.hangup_url and fields["ring_timeout"] == 45
    await rest.cancel_request(request_id)
    await rest.cancel_request(request_id)
    (call,) = standin.calls.values()
    assert call.ending is not None and call.ending.cause == "ORIGINATOR_CANCEL"


async def test_a_call_that_is_gone_is_hung_up_enough_but_cannot_be_transferred(rest: PlivoRest) -> None:
    await rest.hang_up("gone")
    with pytest.raises(CarrierError) as caught:
        await rest.transfer("gone", "http://127.0.0.1:9/x")
    assert caught.value.code == "carrier_not_found" and not caught.value.retryable


@pytest.mark.parametrize(("status", "retryable"), [(429, True), (500, True), (503, True), (400, False), (401, False)])
async def test_refusals_say_whether_to_come_back_and_are_not_repeated(
    standin: PlivoStandin, rest: PlivoRest, status: int, retryable: bool
) -> None:
    standin.failures.append(status)
    with pytest.raises(CarrierError) as caught:
        await rest.make_call(ORDER)
    assert caught.value.retryable is retryable and str(status) in caught.value.detail
    assert standin.received == 1 and standin.calls == {}


async def test_wrong_credentials(standin: PlivoStandin) -> None:
    clients = PlivoClients(standin.url)
    with pytest.raises(CarrierError):
        await clients.of(CarrierAccount(AUTH_ID, "wrong")).hang_up("x")
    with pytest.raises(CarrierError) as caught:
        clients.of(CarrierAccount("nonsense", "x"))
    assert caught.value.code == "carrier_account_invalid"


async def test_beyond_the_carriers_request_rate(standin: PlivoStandin, rest: PlivoRest) -> None:
    standin._recent.extend([time.monotonic()] * 300)
    with pytest.raises(CarrierError) as caught:
        await rest.hang_up("x")
    assert caught.value.retryable


async def test_a_slow_carrier_holds_neither_the_loop_nor_the_caller(
    standin: PlivoStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "REQUEST_SECONDS", 0.3)
    rest = PlivoClients(standin.url).of(ACCOUNT)
    standin.delay_seconds = 1.0
    begun = time.monotonic()
    waiting = asyncio.create_task(rest.make_call(ORDER))
    gaps = []
    while not waiting.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        gaps.append(time.monotonic() - before)
    with pytest.raises(CarrierError) as caught:
        await waiting
    assert caught.value.code == "carrier_outcome_unknown" and not caught.value.retryable
    assert time.monotonic() - begun < 0.9 and max(gaps) < 0.25


async def test_a_carrier_that_is_away_may_be_asked_again() -> None:
    with pytest.raises(CarrierError) as caught:
        await PlivoClients("http://127.0.0.1:9").of(ACCOUNT).make_call(ORDER)
    assert caught.value.code == "carrier_unreachable" and caught.value.retryable


async def test_waiting_requests_are_bounded(
    standin: PlivoStandin, rest: PlivoRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MAX_WAITING", 2)
    standin.delay_seconds = 0.3
    results = await asyncio.gather(*(rest.hang_up("x") for _ in range(4)), return_exceptions=True)
    busy = [error for error in results if isinstance(error, CarrierError)]
    assert [error.code for error in busy] == ["carrier_busy"] * 2


async def ring(edge: Edge) -> SimulatedCall:
    parties = Parties(CALLER[1:], OUR_NUMBER[1:], edge.urls.hook("answer"), hangup_url=edge.urls.hook("hangup"))
    call = edge.plivo.call(parties, auth_id=AUTH_ID)
    await call.dial()
    await until(lambda: edge.live.calls)
    return call


async def test_a_whole_call_that_the_agent_ends(edge: Edge) -> None:
    call = await ring(edge)
    await call.speak(b"\x10\x90" * 800).finished()
    carrier = edge.call.carrier
    carrier.play(b"\x10\x90" * 800)
    carrier.checkpoint("said")
    await until(lambda: edge.call.played)
    assert b"\x10\x90" * 800 in bytes(edge.call.audio)
    assert b"".join(frame.mulaw for frame in call.heard) == b"\x10\x90" * 800
    await carrier.start_recording()
    await carrier.stop_recording()
    await carrier.hang_up()
    ending = await asyncio.wait_for(call.wait_ended(), 20)
    assert ending.source == "API Request" and call.faults == []
    assert edge.call.gone == ["closed"]
    kinds = edge.registry.kinds()
    assert {"stream_started", "recording", "stream_stopped", "hangup"} == set(kinds)
    await carrier.hang_up()


async def test_a_transfer_from_the_live_call(edge: Edge) -> None:
    call = await ring(edge)
    await edge.call.carrier.transfer("+919800000001")
    await until(lambda: call.transferred_to)
    assert call.transferred_to == "919800000001" and call.live
    await until(lambda: edge.call.gone)
    await call.hang_up()
    assert {"transfer_ended", "hangup"} <= set(edge.registry.kinds()) and call.faults == []


async def test_when_we_close_the_socket_the_call_ends(edge: Edge) -> None:
    call = await ring(edge)
    await edge.call.carrier.close()
    assert (await asyncio.wait_for(call.wait_ended(), 20)).code == 4010


async def test_a_dropped_line_resumes_the_same_session(edge: Edge) -> None:
    call = await ring(edge)
    call.drop_socket()
    await until(lambda: len(edge.call.carriers) == 2)
    edge.call.carrier.play(b"\x10\x90" * 80)
    await until(lambda: call.heard)
    await call.hang_up()
    assert [claim.resumed for claim in edge.live.claims] == [False, True]
    assert "stream_dropped" in edge.registry.kinds() and call.faults == []


async def test_a_call_without_an_account_cannot_be_driven(edge: Edge) -> None:
    await ring(edge)
    edge.registry.records.clear()
    with pytest.raises(CarrierError) as caught:
        await edge.call.carrier.hang_up()
    assert caught.value.code == "carrier_account_missing"
    assert edge.live.claims[0] == StreamClaim("call_0", "ten_1", edge.live.claims[0].carrier_call_id)


async def test_a_placed_call_carries_its_id_in_every_address(standin: PlivoStandin) -> None:
    async def engaged(_: SimulatedCall) -> str:
        return "busy"

    standin.pickup = engaged
    clients = PlivoClients(standin.url)
    dialler = PlivoDialler(clients, CarrierUrls("http://127.0.0.1:9"), 600)
    request_id = await dialler.dial(ACCOUNT, DialOrder("call_7", OUR_NUMBER, CALLER, 40, detect_machine=True))
    ((method, path, fields),) = standin.requests
    assert request_id and (method, path) == ("POST", f"/v1/Account/{AUTH_ID}/Call/")
    for name, field in (
        ("answer", "answer_url"),
        ("hangup", "hangup_url"),
        ("ring", "ring_url"),
        ("machine", "machine_detection_url"),
    ):
        assert fields[field] == f"http://127.0.0.1:9/v1/plivo/{name}?placed_as=call_7"
    assert (fields["time_limit"], fields["ring_timeout"], fields["machine_detection"]) == (600, 40, "true")
    dialler.close()
