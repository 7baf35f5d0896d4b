import json
from collections.abc import AsyncIterator
from xml.etree import ElementTree

import httpx
import pytest
from starlette.requests import Request

from app.calls.ports import Announcement, CallDeclined, CarrierAccount, Direction
from app.errors import Conflict, PayloadTooLarge, Unavailable
from app.simulate.wire import check_stream, read_answer, signed
from app.telephony.form import e164, read
from app.telephony.webhooks import CarrierUrls
from tests.telephony.edge import AUTH_TOKEN, CALLER, OUR_NUMBER, Edge

pytestmark = pytest.mark.integration

UUID = "9d9c1f1e-0d6b-4b43-8a7e-0a1b2c3d4e5f"
RINGING = {
    "CallUUID": UUID,
    "From": CALLER[1:],
    "To": OUR_NUMBER[1:],
    "CallStatus": "ringing",
    "Direction": "inbound",
    "Event": "StartApp",
}


@pytest.fixture
def edge(quiet_edge: Edge) -> Edge:
    return quiet_edge


@pytest.fixture
async def http(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge.app)) as http:
        yield http


class Carrier:
    def __init__(self, http: httpx.AsyncClient, edge: Edge) -> None:
        self.http = http
        self.edge = edge

    async def post(self, name: str, token: str = AUTH_TOKEN, **fields: str) -> httpx.Response:
        url = self.edge.urls.hook(name)
        held = {**RINGING, **fields}
        return await self.http.post(url, data=held, headers=signed("POST", url, held, token))


@pytest.fixture
def carrier(http: httpx.AsyncClient, edge: Edge) -> Carrier:
    return Carrier(http, edge)


async def test_an_answer_opens_a_stream_that_the_carrier_accepts(carrier: Carrier, edge: Edge) -> None:
    response = await carrier.post("answer")
    assert response.headers["content-type"].startswith("application/xml")
    order = check_stream(read_answer(response.content)[0])
    token = order.url.rpartition("/")[2]
    assert order.url == edge.socket_url(token) and order.url.startswith("wss://voice.example.com/v1/")
    assert order.keep_call_alive and order.status_url == edge.urls.hook("status")
    assert edge.registry.rung == [(CALLER, OUR_NUMBER, Direction.INBOUND, None)]
    claim = await edge.tokens.redeem(token, UUID)
    assert claim is not None and claim.call_id == edge.registry.records[UUID].call_id


async def test_an_outbound_answer_is_resolved_by_who_calls(carrier: Carrier, edge: Edge) -> None:
    response = await carrier.post(
        "answer", From=OUR_NUMBER[1:], To=CALLER[1:], Direction="outbound", RequestUUID="req-1"
    )
    assert b"<Stream" in response.content
    assert edge.registry.rung == [(OUR_NUMBER, CALLER, Direction.OUTBOUND, "req-1")]


async def test_answering_twice_is_one_call(carrier: Carrier, edge: Edge) -> None:
    await carrier.post("answer")
    await carrier.post("answer")
    assert len(edge.registry.records) == 1


@pytest.mark.parametrize(
    "fields", [{"CallStatus": "completed"}, {"HangupCause": "NORMAL_CLEARING"}, {"Event": "Hangup"}]
)
async def test_an_answer_address_asked_at_hangup_opens_no_stream(
    carrier: Carrier, edge: Edge, fields: dict[str, str]
) -> None:
    response = await carrier.post("answer", **fields)
    assert read_answer(response.content) == ()
    assert edge.registry.kinds() == ["hangup"] and edge.registry.rung == []


async def test_an_unknown_number_is_rejected(carrier: Carrier) -> None:
    response = await carrier.post("answer", To="910000000000")
    (element,) = read_answer(response.content)
    assert (element.name, element.attributes) == ("Hangup", {"reason": "rejected"})


@pytest.mark.parametrize(("refusal", "reason"), [(Unavailable("full"), "busy"), (Conflict("over"), "rejected")])
async def test_a_refused_call_is_hung_up(
    carrier: Carrier, edge: Edge, refusal: Unavailable | Conflict, reason: str
) -> None:
    edge.registry.refusal = refusal
    (element,) = read_answer((await carrier.post("answer")).content)
    assert (element.name, element.attributes["reason"]) == ("Hangup", reason)


async def test_who_is_declined_hears_why_and_is_joined_to_a_person_where_there_is_one(
    carrier: Carrier, edge: Edge
) -> None:
    said = Announcement("nobody is here", "en-IN")
    edge.registry.refusal = CallDeclined("a draft", said, None)
    play, hang_up = read_answer((await carrier.post("answer")).content)
    assert (play.name, hang_up.name) == ("Play", "Hangup")
    edge.registry.refusal = CallDeclined("a draft", said, "+918099999999")
    play, dial = read_answer((await carrier.post("answer")).content)
    assert (play.name, dial.name) == ("Play", "Dial")
    assert edge.registry.rung == [], "no call was taken"


@pytest.mark.parametrize("name", ["answer", "hangup", "ring", "status", "machine", "recording", "transfer/call_0"])
async def test_nothing_is_done_without_the_right_signature(carrier: Carrier, edge: Edge, name: str) -> None:
    fields = {"Machine": "true", "RecordUrl": "https://r.example/1.wav"}
    url = edge.urls.hook(name)
    wrong = await carrier.post(name, token="another tenant's", **fields)
    unsigned = await carrier.http.post(url, data={**RINGING, **fields})
    headers = signed("POST", url, RINGING, AUTH_TOKEN)
    altered = await carrier.http.post(url, data={**RINGING, **fields, "From": "911111111111"}, headers=headers)
    for response in (wrong, unsigned, altered):
        assert (response.status_code, response.json()["code"]) == (403, "bad_signature")
    assert not edge.registry.told and not edge.registry.rung
    kind = name.partition("/")[0]
    assert edge.count("vaanisetu_carrier_webhooks_total", kind=kind, outcome="bad_signature") == 3


async def test_a_webhook_of_nobody_is_refused_alike(carrier: Carrier) -> None:
    response = await carrier.post("hangup", To="910000000000")
    assert (response.status_code, response.json()["code"]) == (403, "bad_signature")


async def test_get_with_a_signed_query(carrier: Carrier, edge: Edge) -> None:
    url = str(httpx.URL(edge.urls.hook("hangup"), params={**RINGING, "HangupCause": "USER_BUSY"}))
    headers = signed("GET", url, {}, AUTH_TOKEN)
    assert (await carrier.http.get(url, headers=headers)).status_code == 204
    assert (await carrier.http.get(url + "&x=1", headers=headers)).status_code == 403
    assert edge.registry.told[0][2]["HangupCause"] == "USER_BUSY"


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        ({"Event": "StartStream"}, "stream_started"),
        ({"Event": "DroppedStream"}, "stream_dropped"),
        ({"Event": "DegradedStream"}, "stream_degraded"),
        ({"Event": "stopped"}, "stream_stopped"),
        ({"Event": "failed"}, "stream_failed"),
    ],
)
async def test_stream_status_in_both_vocabularies(
    carrier: Carrier, edge: Edge, fields: dict[str, str], event: str
) -> None:
    assert (await carrier.post("status", **fields)).status_code == 204
    assert edge.registry.kinds() == [event]
    await carrier.post("status", Event="Daydreaming")
    assert edge.registry.kinds() == [event]


async def test_ring_machine_and_hangup(carrier: Carrier, edge: Edge) -> None:
    await carrier.post("ring")
    await carrier.post("machine", Machine="true")
    await carrier.post("machine", Machine="false")
    assert (await carrier.post("machine", Machine="perhaps")).status_code == 400
    await carrier.post("hangup", HangupCause="NO_ANSWER")
    assert edge.registry.kinds() == ["ring", "machine", "human", "hangup"]


@pytest.mark.parametrize(
    "fields",
    [
        {"RecordUrl": "https://r.example/1.wav"},
        {"record_url": "https://r.example/1.wav"},
        {"response": json.dumps({"record_url": "https://r.example/1.wav", "duration": 3})},
    ],
)
async def test_recordings_in_every_form(carrier: Carrier, edge: Edge, fields: dict[str, str]) -> None:
    await carrier.post("recording", **fields)
    ((kind, call, held),) = edge.registry.told
    assert (kind, call, held["url"]) == ("recording", UUID, "https://r.example/1.wav")


async def test_a_recording_elsewhere_than_on_the_web_is_refused(carrier: Carrier) -> None:
    assert (await carrier.post("recording", RecordUrl="file:///etc/passwd")).status_code == 400


async def test_a_transfer_dials_the_noted_number_only(carrier: Carrier, edge: Edge) -> None:
    (nothing,) = read_answer((await carrier.post("transfer/call_0")).content)
    assert nothing.name == "Hangup"
    await edge.transfers.put(UUID, "+919800000001")
    (dial,) = read_answer((await carrier.post("transfer/call_0")).content)
    assert (dial.name, dial.numbers) == ("Dial", ("919800000001",))
    assert dial.attributes["callerId"] == OUR_NUMBER[1:]
    await carrier.http.post(dial.attributes["action"], data={})
    await carrier.post("transfer-ended", DialStatus="completed")
    assert edge.registry.kinds() == ["transfer_ended", "transfer_over"]


@pytest.mark.parametrize("uuid", ["", "x" * 65, "../etc", "a b"])
async def test_a_call_without_a_proper_id_is_refused(carrier: Carrier, uuid: str) -> None:
    assert (await carrier.post("answer", CallUUID=uuid)).status_code == 400


async def test_hostile_bodies(carrier: Carrier, edge: Edge) -> None:
    url = edge.urls.hook("hangup")
    assert (await carrier.http.post(url, content=b"\xff\xfe")).status_code == 400
    assert (await carrier.http.post(url, content=b"a=1&" * 300)).status_code == 400
    assert (await carrier.http.post(url, content=b"a" * 70_000)).status_code == PayloadTooLarge.status


async def test_the_public_address_is_what_was_signed_whatever_the_proxy_made_of_it() -> None:
    public = "https://voice.example.com/in"
    scope = {"type": "http", "method": "POST", "path": "/v1/plivo/ring", "raw_path": b"/v1/plivo/ring"}
    body = {"type": "http.request", "body": b"CallUUID=abc", "more_body": False}

    async def receive() -> dict[str, object]:
        return body

    hook = await read(Request({**scope, "query_string": b"", "headers": []}, receive), public)
    assert hook.canonical == "https://voice.example.com/in/v1/plivo/ring?CallUUIDabc"


def test_addresses_follow_the_public_one() -> None:
    urls = CarrierUrls("https://voice.example.com/in/")
    assert urls.stream("t") == "wss://voice.example.com/in/v1/plivo/stream/t"
    assert urls.transfer("call_1") == "https://voice.example.com/in/v1/plivo/transfer/call_1"


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        ("919876543210", "+919876543210"),
        ("+91 98765 43210", "+919876543210"),
        ("anonymous", "anonymous"),
        ("sip:a@b", "sip:a@b"),
        ("", ""),
        ("09876543210", "09876543210"),
    ],
)
def test_numbers(number: str, wanted: str) -> None:
    assert e164(number) == wanted


def test_the_answer_is_well_formed_for_awkward_tokens() -> None:
    from app.telephony import xml

    text = xml.stream("wss://h/p?a=1&b=2", status_url="https://h/s?x=<y>", timeout_seconds=60)
    (stream,) = ElementTree.fromstring(text)
    assert stream.text == "wss://h/p?a=1&b=2" and stream.attrib["statusCallbackUrl"] == "https://h/s?x=<y>"


async def test_another_tenants_number_cannot_end_a_call(
    carrier: Carrier, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def of_another(_: str) -> CarrierAccount:
        return CarrierAccount("MA2", "the call's own tenant's")

    monkeypatch.setattr(edge.registry, "account_for", of_another)
    response = await carrier.post("answer", CallStatus="completed")
    assert (response.status_code, response.json()["code"]) == (403, "bad_signature")
    assert not edge.registry.told


async def test_a_person_hears_a_whisper_before_the_caller_is_joined(carrier: Carrier, edge: Edge) -> None:
    await carrier.post("answer")
    edge.registry.whispered = Announcement("A caller is on the line.", "en-IN")
    await edge.transfers.put(UUID, "+919800000001")
    (dial,) = read_answer((await carrier.post("transfer/call_0")).content)
    (play,) = read_answer((await carrier.http.post(dial.attributes["confirmSound"])).content)
    assert play.name == "Play" and play.text is not None
    audio = await carrier.http.get(play.text)
    assert audio.headers["content-type"] == "audio/wav"
    assert audio.content.endswith(b"en-IN:A caller is on the line.") and audio.content.startswith(b"RIFF")
    assert (await carrier.http.get(edge.urls.hook("say/guessed"))).status_code == 404


@pytest.mark.parametrize("status", ["busy", "no-answer", "timeout", "failed", "cancel"])
async def test_a_caller_whom_nobody_answered_hears_how_it_goes_on(carrier: Carrier, edge: Edge, status: str) -> None:
    await carrier.post("answer")
    edge.registry.regrets = Announcement("Nobody was there. I wrote to you.", "hi-IN")
    play, end = read_answer((await carrier.post("transfer-ended", DialStatus=status)).content)
    assert (play.name, end.name) == ("Play", "Hangup")
    (end,) = read_answer((await carrier.post("transfer-ended", DialStatus="completed")).content)
    assert end.name == "Hangup"


async def test_a_placed_call_that_nobody_answers_is_told_by_our_number_and_its_own_id(
    carrier: Carrier, edge: Edge
) -> None:
    outbound = {"From": OUR_NUMBER[1:], "To": CALLER[1:], "Direction": "outbound"}
    address = "{}?placed_as=call_1"
    assert (await carrier.post(address.format("ring"), CallStatus="ringing", **outbound)).status_code == 204
    ended = {"CallStatus": "busy", "HangupCause": "USER_BUSY", **outbound}
    assert (await carrier.post(address.format("hangup"), **ended)).status_code == 204
    assert [(kind, who, fields["event"]) for kind, who, fields in edge.registry.told] == [
        ("unanswered", "call_1", "ring"),
        ("unanswered", "call_1", "hangup"),
    ]
    posed = {**ended, "Direction": "inbound", "From": CALLER[1:], "To": OUR_NUMBER[1:]}
    await carrier.post(address.format("hangup"), **posed)
    assert edge.registry.kinds().count("unanswered") == 2, "a call to us is none of ours, whatever its address says"
