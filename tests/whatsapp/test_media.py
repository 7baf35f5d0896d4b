"""Files of customers: fetched apart from the message, checked, sealed, tried again; voice notes become words."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response

from app.errors import AsrError, MessagingError
from tests.house import ACCESS_TOKEN, PHONE_NUMBER_ID, House, TenantDoor
from tests.standins.graph import served
from tests.whatsapp.test_webhook import WA_ID, connected, messages, post, text, webhook
from whatsapp.graph_media import GraphMedia, MediaGone

pytestmark = pytest.mark.integration
PICTURE = b"\xff\xd8\xff\xe0 a picture" * 100
BEARER = f"Bearer {ACCESS_TOKEN}"


@dataclass
class MediaGraph:
    """Meta's side of files: one file, with faults on demand."""

    content: bytes = PICTURE
    mime_type: str = "image/jpeg"
    told: dict[str, Any] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    uploads: list[tuple[str, str, bytes]] = field(default_factory=list)
    url: str = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v23.0/{media_id}")
        async def facts(media_id: str, request: Request, authorization: str = Header(default="")) -> Response:
            self.asked.append(media_id)
            if authorization != BEARER:
                return Response(status_code=401)
            if media_id != "4490709327384033":
                return JSONResponse({"error": {"code": 100, "error_subcode": 33}}, status_code=400)
            known = {"mime_type": self.mime_type, "file_size": len(self.content), "id": media_id}
            digest = hashlib.sha256(self.content).hexdigest()
            return JSONResponse({"url": f"{request.base_url}_file", "sha256": digest, **known, **self.told})

        @app.get("/_file")
        async def file(authorization: str = Header(default="")) -> Response:
            if self.failures:
                return Response(status_code=self.failures.pop(0))
            return Response(self.content) if authorization == BEARER else Response(status_code=401)

        return app


@dataclass
class ToldNotes:
    """An ear that hears what it is told."""

    says: str = "where is my order"
    failure: AsrError | None = None
    heard: list[bytes] = field(default_factory=list)

    async def written(self, recording: bytes) -> str:
        self.heard.append(recording)
        if self.failure is not None:
            raise self.failure
        return self.says


@dataclass
class Gallery:
    house: House
    graph: MediaGraph
    notes: ToldNotes
    tenant: TenantDoor

    async def arrive(self, kind: str = "image", wamid: str = "wamid.1", **part: Any) -> None:
        file = {"id": "4490709327384033", "mime_type": self.graph.mime_type, **part}
        self.house.graph.state.last_inbound[PHONE_NUMBER_ID, WA_ID] = datetime.now(UTC)
        raw = webhook({"messages": [{**text(wamid, ""), "type": kind, kind: file}]})
        assert (await post(self.house, raw)).status_code == 200
        await self.house.work()

    async def first(self) -> dict[str, Any]:
        return (await messages(self.tenant))[0]


@pytest_asyncio.fixture
async def gallery(house: House) -> AsyncIterator[Gallery]:
    graph, notes = MediaGraph(), ToldNotes()
    async with served(graph.app()) as url:
        graph.url = url
        media = GraphMedia(url, timeout_seconds=5.0)
        intake = replace(house.services.whatsapp_intake, media=media, notes=notes)
        house.services = replace(house.services, whatsapp_intake=intake)
        yield Gallery(house, graph, notes, await connected(house))
        await media.aclose()


async def test_behaviour_25_a_file_is_fetched_at_once_into_sealed_storage(gallery: Gallery) -> None:
    for _ in range(2):
        await gallery.arrive(caption="this came broken")
    message = await gallery.first()
    assert (message["kind"], message["text"], message["media"]["state"]) == (
        "image",
        "[image] this came broken",
        "stored",
    )
    place = f"/v1/attachments/{message['media']['attachment_id']}"
    content = await gallery.tenant.request("GET", f"{place}/content")
    assert content.content == PICTURE and content.headers["content-type"].startswith("image/jpeg")
    facts = await gallery.tenant.ok("GET", place)
    assert facts["conversation_id"] == message["conversation_id"]
    stored = list((gallery.house.services.settings.data_dir / "attachments").rglob("*"))
    assert not any(PICTURE in path.read_bytes() for path in stored if path.is_file()), "it lies sealed"
    assert gallery.house.brain.heard == ["this came broken"], "the caption is what the customer says"
    assert gallery.graph.asked == ["4490709327384033"], "repeated webhooks fetch nothing again"


async def test_behaviour_25_an_outage_delays_the_file_and_never_the_message(gallery: Gallery) -> None:
    gallery.graph.failures = [500, 404]
    await gallery.arrive()
    message = await gallery.first()
    assert message["media"]["state"] == "stored", "each attempt asks for a fresh address"
    assert len(gallery.graph.asked) == 3


async def test_behaviour_25_a_file_whose_job_was_lost_is_swept_up_until_meta_has_it_no_more(gallery: Gallery) -> None:
    gallery.graph.failures = [503] * 100
    raw = webhook({"messages": [{**text("wamid.1", ""), "type": "image", "image": {"id": "4490709327384033"}}]})
    await post(gallery.house, raw)
    await gallery.house.services.ingest(gallery.house.brain).ingest(gallery.house.jobs.jobs.pop().payload["raw_id"])
    gallery.house.jobs.jobs.clear()
    fetcher = gallery.house.services.whatsapp_intake.fetcher(gallery.house.brain)
    assert await fetcher.sweep() == 0
    gallery.house.clock.ahead = timedelta(minutes=5)
    assert await fetcher.sweep() == 1
    [message_id] = [job.payload["message_id"] for job in gallery.house.jobs.jobs]
    gallery.house.jobs.jobs.clear()
    await fetcher.fetch(gallery.tenant.tenant_id, message_id)
    assert (await gallery.first())["media"]["state"] == "pending"
    gallery.house.clock.ahead = timedelta(days=7, minutes=1)
    await fetcher.fetch(gallery.tenant.tenant_id, message_id)
    media = (await gallery.first())["media"]
    assert media["state"] == "lost" and "seven days" in media["reason"]
    rows = gallery.house.services.database.tenant(gallery.tenant.tenant_id).collection("whatsapp_media_fetches")
    assert await rows.count({}) == 0


@pytest.mark.parametrize(
    ("mime_type", "told", "state", "reason"),
    [
        ("application/x-msdownload", {}, "refused", "not carried"),
        ("image/jpeg", {"file_size": 50_000_000}, "refused", "at most"),
        ("image/jpeg", {"url": "https://evil.example/file"}, "lost", "refused to send the token"),
    ],
)
async def test_behaviour_25_type_size_and_host_are_checked(
    gallery: Gallery, mime_type: str, told: dict[str, Any], state: str, reason: str
) -> None:
    gallery.graph.mime_type, gallery.graph.told = mime_type, told
    await gallery.arrive()
    media = (await gallery.first())["media"]
    assert media["state"] == state and reason in media["reason"] and media["attachment_id"] is None


async def test_a_file_larger_than_it_was_told_is_not_kept(gallery: Gallery) -> None:
    gallery.graph.content, gallery.graph.mime_type = b"x" * 600_000, "image/webp"
    gallery.graph.told = {"file_size": 10}
    await gallery.arrive("sticker")
    media = (await gallery.first())["media"]
    assert media["state"] == "refused" and "more than 512000" in media["reason"]


async def test_behaviour_21_the_token_goes_to_metas_hosts_only() -> None:
    media = GraphMedia("https://graph.facebook.com")
    for address in (
        "http://lookaside.fbsbx.com/x",
        "https://fbsbx.com.evil.example/x",
        "https://graph.facebook.com.x/",
    ):
        with pytest.raises(MediaGone, match="refused to send the token"):
            await media.content(_credentials(), address, 1000)
    with pytest.raises(MessagingError):
        await media.facts(_credentials(), "../me/accounts")
    await media.aclose()


def _credentials() -> Any:
    from app.tenants.models import WhatsAppCredentials

    return WhatsAppCredentials(PHONE_NUMBER_ID, ACCESS_TOKEN, "secret", "verify")


async def test_behaviour_25_a_voice_note_is_written_down_and_answered_as_words(gallery: Gallery) -> None:
    gallery.graph.content, gallery.graph.mime_type = b"OggS a voice", "audio/ogg"
    await gallery.arrive("audio", voice=True)
    said = await messages(gallery.tenant)
    assert [(message["kind"], message["text"]) for message in said] == [
        ("voice", "where is my order"),
        ("text", "heard: where is my order"),
    ]
    assert gallery.house.brain.heard == ["where is my order"] and gallery.notes.heard == [b"OggS a voice"]
    await gallery.arrive("audio", voice=True)
    assert gallery.house.brain.heard == ["where is my order"]


@pytest.mark.parametrize("says", [None, ""])
async def test_a_voice_note_that_nobody_understands_is_apologised_for(gallery: Gallery, says: str | None) -> None:
    gallery.graph.content, gallery.graph.mime_type = b"OggS a voice", "audio/ogg"
    if says is None:
        gallery.notes.failure = AsrError("as the test asked")
    gallery.notes.says = says or ""
    await gallery.arrive("audio", voice=True)
    said = await messages(gallery.tenant)
    assert said[0]["text"] == "[voice]" and said[0]["media"]["state"] == "stored"
    assert len(said) == 2 and gallery.house.brain.heard == []


async def test_behaviour_23_a_spoken_stop_in_a_note_is_obeyed(gallery: Gallery) -> None:
    gallery.graph.content, gallery.graph.mime_type = b"OggS a voice", "audio/ogg"
    gallery.notes.says = "stop"
    await gallery.arrive("audio", voice=True)
    entries = await gallery.house.services.audit.entries(gallery.tenant.tenant_id)
    assert "contact.opted_out" in [entry.action for entry in entries]
