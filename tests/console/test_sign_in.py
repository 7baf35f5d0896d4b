"""Who gets in: the form, the cookies, the way back; and that nothing is shown to anybody else."""

import httpx
import pytest

from app.auth.roles import Role
from tests.console.conftest import Desk, read

pytestmark = pytest.mark.integration


def sign_in_form(desk: Desk, **changes: str) -> dict[str, str]:
    member = {"email": "asha@example.com", "password": "a sentence is a good one"}
    return {"tenant": desk.tenant.tenant_id, **member, "next": "/console/inbox", **changes}


def cookies_of(answer: httpx.Response) -> dict[str, str]:
    return {header.partition("=")[0]: header for header in answer.headers.get_list("set-cookie")}


async def test_the_form_begins_a_session_in_cookies_that_other_sites_cannot_use(desk: Desk) -> None:
    await desk.tenant.member("Asha")
    browser = desk.stranger()
    shown = read(await browser.get("/console/sign-in?next=/console/inbox/conv_1"))
    assert shown.one("input", name="next")["value"] == "/console/inbox/conv_1"
    answer = await browser.client.post("/console/sign-in", data=sign_in_form(desk, next="/console/inbox/conv_1"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/inbox/conv_1")
    cookies = cookies_of(answer)
    assert "HttpOnly" in cookies["vs_session"] and "HttpOnly" not in cookies["vs_csrf"]
    assert all("SameSite=strict" in header and "Secure" not in header for header in cookies.values())


async def test_only_the_consoles_own_pages_can_be_asked_for_after_it(desk: Desk) -> None:
    await desk.tenant.member("Asha")
    for wanted in ("https://evil.example", "//evil.example", "/v1/session", "/console/\\evil", "/console/a\r\nb"):
        answer = await desk.stranger().client.post("/console/sign-in", data=sign_in_form(desk, next=wanted))
        assert answer.headers["location"] == "/console/inbox"


@pytest.mark.parametrize(
    ("changes", "headers", "status", "words"),
    [
        ({"password": "another sentence"}, {}, 401, "is wrong"),
        ({"tenant": "tenant_unknown"}, {}, 401, "is wrong"),
        ({}, {"Origin": "https://evil.example"}, 403, "another site"),
        ({"password": "another sentence"}, {"Accept-Language": "hi-IN,hi;q=0.9"}, 401, "गलत है"),
    ],
)
async def test_says_what_is_wrong(
    desk: Desk, changes: dict[str, str], headers: dict[str, str], status: int, words: str
) -> None:
    await desk.tenant.member("Asha")
    answer = await desk.stranger(**headers).client.post("/console/sign-in", data=sign_in_form(desk, **changes))
    assert answer.status_code == status and words in read(answer).text
    assert "vs_session" not in cookies_of(answer) and "another sentence" not in answer.text


async def test_without_a_session_every_page_leads_to_the_form_and_nothing_is_shown(desk: Desk) -> None:
    conversation = await desk.conversation()
    place, browser = f"/console/inbox/{conversation.conversation_id}", desk.stranger()
    for path in ("/console/inbox", "/console/inbox/list", place, f"{place}/live", f"{place}/composer"):
        answer = await browser.get(path)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/console/sign-in?next=")
        assert "4512" not in answer.text
    part = await browser.client.get(
        f"{place}/live", headers={"HX-Request": "true", "HX-Current-URL": f"http://console.test{place}"}
    )
    assert part.headers["hx-redirect"] == f"/console/sign-in?next={place}"
    act = await browser.post(f"{place}/take", version="0")
    assert "hx-redirect" in act.headers
    assert (
        await desk.house.services.conversations.get(desk.tenant.tenant_id, conversation.conversation_id)
    ).version == 0


async def test_an_unsafe_request_without_the_sessions_token_changes_nothing(desk: Desk) -> None:
    asha, conversation = await desk.person("Asha"), await desk.conversation()
    place = f"/console/inbox/{conversation.conversation_id}"
    for headers in ({}, {"X-CSRF-Token": "guessed"}):
        answer = await asha.client.post(f"{place}/take", data={"version": "0"}, headers=headers)
        assert answer.status_code == 403 and "load the page again" in read(answer).text
    assert (
        await desk.house.services.conversations.get(desk.tenant.tenant_id, conversation.conversation_id)
    ).version == 0


async def test_a_session_that_began_elsewhere_is_asked_to_sign_in_as_it_could_change_nothing(desk: Desk) -> None:
    member = await desk.tenant.member("Asha")
    browser = desk.stranger()
    browser.client.cookies.set("vs_session", member.cookie)
    assert (await browser.get("/v1/session")).status_code == 200
    assert (await browser.get("/console/inbox")).headers["location"].startswith("/console/sign-in")


async def test_signing_out_ends_the_session(desk: Desk) -> None:
    asha = await desk.person("Asha")
    kept = dict(asha.client.cookies)
    assert (await asha.get("/console/inbox")).status_code == 200
    gone = await asha.post("/console/sign-out")
    assert gone.headers["hx-redirect"] == "/console/sign-in"
    thief = desk.stranger()
    thief.client.cookies.update(kept)
    assert (await thief.get("/console/inbox")).status_code == 303


async def test_the_language_is_the_browsers_until_one_is_chosen(desk: Desk) -> None:
    browser = desk.stranger(**{"Accept-Language": "hi-IN,en;q=0.5"})
    assert read(await browser.get("/console/sign-in")).one("html")["lang"] == "hi"
    await browser.get("/console/language/en?next=/console/sign-in")
    assert read(await browser.get("/console/sign-in")).one("html")["lang"] == "en"
    odd = await browser.get("/console/language/xx?next=https://evil.example")
    assert odd.headers["location"] == "/console/inbox" and "set-cookie" not in odd.headers


async def test_pages_load_nothing_but_their_own_files(desk: Desk) -> None:
    asha = await desk.person("Asha")
    conversation = await desk.conversation()
    for path in ("/console/sign-in", "/console/inbox", f"/console/inbox/{conversation.conversation_id}"):
        answer = await asha.get(path)
        policy = answer.headers["content-security-policy"]
        assert (
            "default-src 'none'" in policy and "unsafe" not in policy and answer.headers["cache-control"] == "no-store"
        )
        shown = read(answer)
        assert not [attributes for _, attributes in shown.elements if "style" in attributes]
        assert not [name for _, attributes in shown.elements for name in attributes if name.startswith("on")]
        scripts = [attributes.get("src", "") for attributes in shown.all("script")]
        assert scripts and all(source.startswith("/console/static/") for source in scripts)
        for source in (*scripts, *(link["href"] for link in shown.all("link", rel="stylesheet"))):
            assert (await asha.get(source)).status_code == 200, source


async def test_every_page_and_button_asks_for_a_right(desk: Desk) -> None:
    """Who may only read sees no button, and is refused where the request comes anyway."""
    auditor, conversation = await desk.person("Esha", Role.AUDITOR), await desk.conversation()
    place = f"/console/inbox/{conversation.conversation_id}"
    shown = read(await auditor.get(place))
    assert not shown.all("button", id="do-take") and not shown.all("div", id="composer")
    for verb in (
        "take",
        "release",
        "resolve",
        "reopen",
        "assign",
        "labels",
        "snooze",
        "callback",
        "read",
        "note",
        "reply",
    ):
        answer = await auditor.post(f"{place}/{verb}", version="0", hours="1", text="x", key="write_" + "0" * 26)
        assert answer.status_code == 403 and "role" in read(answer).text, verb
    assert (await auditor.post("/console/inbox/presence", online="true")).status_code == 403
