"""The stand-in's template shelf: review, lists in pages, states that forbid sending, updates as Meta writes them."""

import json
from typing import Any

import httpx
import pytest

from app.simulate.graph import GraphConfig, GraphError, GraphStandIn
from app.simulate.graph.templates import (
    ALREADY_THERE,
    LEADING_OR_TRAILING,
    NO_SAMPLE,
    TOO_MANY_VARIABLES,
    TemplateShelf,
)
from tests.standins.graph import served

pytestmark = pytest.mark.integration
ACCOUNT = "102290129340398"
BEARER = {"Authorization": "Bearer token"}


def wanted(**changes: Any) -> dict[str, Any]:
    body = {"type": "BODY", "text": "Hello from {{1}}, your order {{2}} left.", "example": {"body_text": [["a", "b"]]}}
    return {"name": "left", "language": "en", "category": "UTILITY", "components": [body], **changes}


def body(text: str, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "BODY", "text": text, **more}]


@pytest.mark.parametrize(
    ("asked", "subcode"),
    [
        (wanted(name="Left"), None),
        (wanted(language="hi_IN"), None),
        (wanted(category="NEWS"), None),
        (wanted(components=[]), None),
        (wanted(components=body("x" * 1025)), None),
        (wanted(components=body("we say {{2}} and {{1}} to you all", example={})), None),
        (wanted(components=body("{{1}} is here for you now", example={"body_text": [["a"]]})), LEADING_OR_TRAILING),
        (wanted(components=body("now it is yours, {{1}}.", example={"body_text": [["a"]]})), LEADING_OR_TRAILING),
        (wanted(components=body("so {{1}} b", example={"body_text": [["a"]]})), TOO_MANY_VARIABLES),
        (wanted(components=body("your order {{1}} is on its way")), NO_SAMPLE),
        (wanted(components=[*body("hello"), {"type": "FOOTER", "text": "y" * 61}]), None),
        (wanted(components=[*body("hello"), {"type": "BUTTONS", "buttons": []}]), None),
    ],
)
def test_what_meta_would_not_take(asked: dict[str, Any], subcode: int | None) -> None:
    with pytest.raises(GraphError) as refused:
        TemplateShelf().create(asked)
    assert (refused.value.code, refused.value.subcode) == (100, subcode)


def test_the_same_language_twice_is_refused() -> None:
    shelf = TemplateShelf(review="PENDING")
    template, update = shelf.create(wanted())
    assert (template.status, update) == ("PENDING", None)
    shelf.create(wanted(language="hi"))
    with pytest.raises(GraphError) as refused:
        shelf.create(wanted())
    assert refused.value.subcode == ALREADY_THERE


@pytest.mark.parametrize(
    ("status", "code"),
    [("PENDING", 132001), ("REJECTED", 132001), ("ARCHIVED", 132001), ("PAUSED", 132015), ("DISABLED", 132016)],
)
def test_only_what_is_approved_leaves(status: str, code: int) -> None:
    shelf = TemplateShelf()
    shelf.create(wanted())
    asked = {
        "name": "left",
        "language": {"code": "en"},
        "components": [{"type": "body", "parameters": [{"type": "text", "text": text} for text in ("us", "4512")]}],
    }
    assert shelf.fill(asked)[1] == "Hello from us, your order 4512 left."
    shelf.decide("left", "en", status)
    with pytest.raises(GraphError) as refused:
        shelf.fill(asked)
    assert refused.value.code == code


def test_named_parameters_go_by_their_names() -> None:
    shelf = TemplateShelf()
    text = body("Hello {{first_name}}, we are here for you.", example={"body_text_named_params": []} | {"a": 1})
    shelf.create(wanted(components=text, parameter_format="named"))
    named = {"type": "text", "parameter_name": "first_name", "text": "Asha"}
    asked = {"name": "left", "language": {"code": "en"}, "components": [{"type": "body", "parameters": [named]}]}
    assert shelf.fill(asked)[1] == "Hello Asha, we are here for you."
    with pytest.raises(GraphError) as refused:
        shelf.fill({**asked, "components": [{"type": "body", "parameters": [{**named, "parameter_name": "name"}]}]})
    assert refused.value.code == 132012


async def test_the_list_comes_in_pages_and_a_decision_is_told() -> None:
    stocked = {(f"t{number}", "en"): "hello" for number in range(5)}
    graph = GraphStandIn(GraphConfig({"111": "token"}, "secret", None, stocked, ACCOUNT))
    async with served(graph.app) as base, httpx.AsyncClient(base_url=f"{base}/v24.0", headers=BEARER) as client:
        made = await client.post(f"/{ACCOUNT}/message_templates", json=wanted())
        assert made.json()["status"] == "PENDING"
        names, after = [], None
        while True:
            page = (await client.get(f"/{ACCOUNT}/message_templates", params={"limit": 2, "after": after or ""})).json()
            names += [entry["name"] for entry in page["data"]]
            after = page["paging"]["cursors"]["after"]
            if "next" not in page["paging"]:
                break
        assert names == ["t0", "t1", "t2", "t3", "t4", "left"]
        assert (await client.get("/999/message_templates")).status_code == 401
        assert (await client.delete(f"/{ACCOUNT}/message_templates", params={"name": "t0"})).json() == {"success": True}
    assert graph.shelf.entries["left", "en"].status == "APPROVED"


async def test_updates_name_the_account_and_the_template() -> None:
    graph = GraphStandIn(GraphConfig({"111": "token"}, "secret", None, {("left", "en"): "hello"}, ACCOUNT))
    for change in (
        graph.shelf.decide("left", "en", "PAUSED", "LOW_QUALITY"),
        graph.shelf.rate("left", "en", "RED"),
        graph.shelf.recategorise("left", "en", "MARKETING"),
        graph.shelf.edit("left", "en", "hello again"),
    ):
        graph.tell_of_template(change)
    entries = [json.loads(graph._updates.get_nowait())["entry"][0] for _ in range(4)]
    assert {entry["id"] for entry in entries} == {ACCOUNT}
    changes = [entry["changes"][0] for entry in entries]
    assert [change["value"]["message_template_name"] for change in changes] == ["left"] * 4
    assert [change["field"] for change in changes] == [
        "message_template_status_update",
        "message_template_quality_update",
        "template_category_update",
        "message_template_components_update",
    ]
    assert changes[0]["value"]["event"] == "PAUSED" and changes[2]["value"]["new_category"] == "MARKETING"
