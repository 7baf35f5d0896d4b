"""The customers' phones at the Graph stand-in: what arrived, and what a person does with it; JSON and a small page."""

import html
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, Header, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from app.simulate.graph.customers import Customers
from app.simulate.graph.errors import GraphError
from app.simulate.graph.media import MediaFile, kind_of
from app.simulate.graph.state import Bubble, GraphState

TICKS: Final = {"sent": "✓", "delivered": "✓✓", "read": "✓✓ read", "played": "✓✓ played"}
_REFRESH: Final = """
const chat = document.getElementById("chat");
async function refresh() {
  const answer = await fetch(location.pathname + "/chat");
  const text = await answer.text();
  if (text !== chat.dataset.shown) { chat.innerHTML = text; chat.dataset.shown = text; chat.scrollTop = 1e9; }
}
setInterval(refresh, 1000); refresh();
for (const form of document.forms) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await fetch(form.action, {method: "POST", body: new FormData(form)});
  form.reset(); refresh();
});
"""
_STYLE: Final = """
body{font:16px/1.4 system-ui;margin:0 auto;max-width:30rem;height:100vh;display:flex;flex-direction:column}
h1{font-size:1.1rem;margin:0;padding:.8rem;background:#075e54;color:#fff}
#chat{flex:1;overflow-y:auto;padding:.8rem;background:#ece5dd}
.b{max-width:80%;margin:.3rem 0;padding:.5rem .7rem;border-radius:.6rem;background:#fff;
white-space:pre-wrap;width:fit-content}
.me{margin-left:auto;background:#dcf8c6}small{color:#555;display:block}img{max-width:100%}
form{display:flex;gap:.4rem;padding:.5rem}input[name=text]{flex:1;padding:.5rem}
"""


class Reply(BaseModel):
    """What a customer writes on their phone."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sender: str = Field(alias="from", pattern=r"^\d{7,15}$")
    text: str = Field(min_length=1, max_length=4096)
    phone_number_id: str | None = None


def phone_routes(customers: Customers, file: Callable[[str], MediaFile]) -> APIRouter:
    """Returns the routes below `/_phone`.

    Args:
        customers: Who does what a person does.
        file: Returns a file by its id; raises GraphError where there is none.
    """
    router = APIRouter(prefix="/_phone")

    @router.get("")
    async def everybody() -> Response:
        return HTMLResponse(_everybody(customers.state))

    @router.post("/reply")
    async def reply(body: Reply) -> dict[str, str]:
        number = body.phone_number_id or customers.state.number_of(body.sender) or customers.first_number
        return {"wamid": customers.customer_writes(number, body.sender, body.text)}

    @router.get("/{wa_id}")
    async def phone(wa_id: str, accept: str = Header(default="")) -> Response:
        if "text/html" in accept:
            customers.customer_reads(wa_id)
            return HTMLResponse(_page(wa_id, customers.state))
        return JSONResponse(_as_json(wa_id, customers.state))

    @router.get("/{wa_id}/chat")
    async def chat(wa_id: str) -> Response:
        customers.customer_reads(wa_id)
        return HTMLResponse(_bubbles(wa_id, customers.state))

    @router.post("/{wa_id}/say")
    async def say(
        wa_id: str, text: Annotated[str, Form(max_length=4096)] = "", file: Annotated[UploadFile | None, File()] = None
    ) -> Response:
        number = customers.state.number_of(wa_id) or customers.first_number
        content = await file.read() if file is not None else b""
        if file is not None and content:
            mime_type = file.content_type or "application/octet-stream"
            name = file.filename or "file"
            customers.customer_sends_file(number, wa_id, content, mime_type, name=name, caption=text)
        elif text.strip():
            customers.customer_writes(number, wa_id, text)
        return RedirectResponse(f"/_phone/{wa_id}", status_code=303)

    @router.post("/{wa_id}/react")
    async def react(
        wa_id: str, wamid: Annotated[str, Form()], emoji: Annotated[str, Form(max_length=16)] = ""
    ) -> Response:
        customers.customer_reacts(wa_id, wamid, emoji)
        return RedirectResponse(f"/_phone/{wa_id}", status_code=303)

    @router.get("/{wa_id}/file/{media_id}")
    async def picture(wa_id: str, media_id: str) -> Response:
        try:
            found = file(media_id)
        except GraphError as error:
            return JSONResponse(error.body(), status_code=404)
        kind = found.mime_type if kind_of(found.mime_type) in {"image", "audio", "video", "sticker"} else "text/plain"
        return Response(found.content, media_type=kind, headers={"X-Content-Type-Options": "nosniff"})

    return router


def _as_json(wa_id: str, state: GraphState) -> dict[str, Any]:
    return {
        "wa_id": wa_id,
        "messages": [
            {
                "id": bubble.wamid,
                "from": "business" if bubble.from_business else "customer",
                "kind": bubble.kind,
                "text": bubble.text,
                "template": bubble.template,
                "language": bubble.language,
                "media_id": bubble.media_id,
                "reactions": state.reactions_to(bubble.wamid),
                "at": bubble.at.isoformat(),
            }
            for bubble in state.phones.get(wa_id, [])
        ],
    }


def _everybody(state: GraphState) -> str:
    rows = "".join(f'<li><a href="/_phone/{html.escape(wa_id)}">+{html.escape(wa_id)}</a>' for wa_id in state.phones)
    return f"<!doctype html><meta charset=utf-8><title>Phones</title><h1>Phones</h1><ul>{rows or '<li>none yet'}</ul>"


def _bubbles(wa_id: str, state: GraphState) -> str:
    return "".join(_bubble(wa_id, bubble, state) for bubble in state.phones.get(wa_id, []))


def _bubble(wa_id: str, bubble: Bubble, state: GraphState) -> str:
    about = " ".join(
        [
            f"{bubble.at:%H:%M:%S}",
            html.escape(f"{bubble.template} {bubble.language}" if bubble.template else ""),
            TICKS.get(state.progress.get(bubble.wamid, ""), "") if bubble.from_business else "",
            html.escape(" ".join(state.reactions_to(bubble.wamid))),
        ]
    )
    address = f"/_phone/{html.escape(wa_id)}/file/{html.escape(bubble.media_id or '')}"
    words = html.escape(bubble.text)
    if bubble.media_id and bubble.kind in {"image", "sticker"}:
        words = f'<img src="{address}" alt="">{words}'
    elif bubble.media_id:
        words = f'<a href="{address}">{html.escape(bubble.kind)}</a> {words}'
    side = "b" if bubble.from_business else "b me"
    return f'<div class="{side}" data-wamid="{html.escape(bubble.wamid)}">{words}<small>{about}</small></div>'


def _page(wa_id: str, state: GraphState) -> str:
    shown = html.escape(wa_id)
    latest = next((bubble.wamid for bubble in reversed(state.phones.get(wa_id, [])) if bubble.from_business), "")
    react = (
        f'<form action="/_phone/{shown}/react" method=post><input type=hidden name=wamid value="{html.escape(latest)}">'
        "<button name=emoji value=👍 aria-label=Like>👍</button></form>"
        if latest
        else ""
    )
    return (
        f'<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
        f"<title>+{shown}</title><style>{_STYLE}</style><h1>+{shown}</h1>"
        f"<div id=chat aria-live=polite>{_bubbles(wa_id, state)}</div>{react}"
        f'<form action="/_phone/{shown}/say" method=post enctype="multipart/form-data">'
        "<input name=text autocomplete=off autofocus placeholder=Message aria-label=Message>"
        "<input type=file name=file aria-label=File><button>Send</button></form>"
        f"<script>{_REFRESH}</script></html>"
    )
