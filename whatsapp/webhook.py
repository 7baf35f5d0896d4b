"""Meta's door: checks the signature over the raw bytes, stores the webhook, answers 200, leaves the rest to a job."""

import hashlib
import hmac
from collections.abc import Mapping

import orjson
import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse

from app.errors import Forbidden, PayloadTooLarge, Unauthorized
from app.kit.jobs import Jobs
from app.kit.problem import responses
from app.kit.wiring import service
from app.tenants.credentials import CredentialService
from app.tenants.models import WhatsAppCredentials
from whatsapp.inbox import RawInbox
from whatsapp.ingest import INGEST
from whatsapp.payload import ACCOUNT, addressed

MAX_BYTES = 4 * 1024 * 1024
_log = structlog.get_logger(__name__)
router = APIRouter(prefix="/whatsapp", tags=["whatsapp"], responses=responses(401, 403, 413, 422, 503))


class WebhookDoor:
    """Decides whose a webhook is and keeps it."""

    def __init__(self, credentials: CredentialService, inbox: RawInbox, jobs: Jobs) -> None:
        self._credentials = credentials
        self._inbox = inbox
        self._jobs = jobs

    async def knows(self, verify_token: str) -> bool:
        """Returns whether a tenant chose this verify token."""
        return await self._credentials.has_verify_token(verify_token)

    async def receive(self, raw: bytes, signature: str) -> None:
        """Stores a webhook and enqueues its ingestion.

        The numbers and accounts that it names are only used to find the secrets to check it with; what no checked
        secret covers is not routed. A webhook of numbers and accounts that nobody has goes to quarantine.

        Raises:
            Unauthorized: No signature, or one by none of the secrets of those named.
            Unavailable: It could not be stored.
        """
        if not signature.startswith("sha256="):
            raise Unauthorized("X-Hub-Signature-256 is missing; sign the raw body with the app secret")
        named = _named(raw)
        routes: dict[str, str] = {}
        known = False
        for name, account_id in sorted(named.items()):
            candidates = await self._candidates(name)
            known = known or bool(candidates)
            owners = {
                owner: number for owner, number in candidates if signature_holds(number.app_secret, raw, signature)
            }
            if len(owners) == 1:
                [(tenant_id, credentials)] = owners.items()
                routes[name] = tenant_id
                if credentials.business_account_id is None and account_id:
                    await self._credentials.numbers.learn_account(tenant_id, credentials.phone_number_id, account_id)
        if routes:
            raw_id = await self._inbox.keep(raw.decode(), routes)
            await self._jobs.enqueue(INGEST, {"raw_id": raw_id})
        elif known or not named:
            raise Unauthorized("X-Hub-Signature-256 does not match the body")
        else:
            kept = await self._inbox.quarantine(raw.decode(), f"belongs to nobody: {', '.join(sorted(named))[:200]}")
            _log.warning("whatsapp.webhook_of_a_stranger", kept=kept, named=len(named))

    async def _candidates(self, name: str) -> list[tuple[str, WhatsAppCredentials]]:
        """Returns whose a number or an account may be, with the secrets to check that with."""
        numbers = self._credentials.numbers
        if name.startswith(ACCOUNT):
            return await numbers.account_routes(name.removeprefix(ACCOUNT))
        route = await numbers.route(name)
        return [] if route is None else [route]


def signature_holds(app_secret: str, raw: bytes, signature: str) -> bool:
    """Returns whether `signature` (`sha256=<hex>`) is the HMAC-SHA256 of the raw body."""
    expected = "sha256=" + hmac.new(app_secret.encode(), raw, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def _named(raw: bytes) -> Mapping[str, str]:
    try:
        return addressed(orjson.loads(raw))
    except orjson.JSONDecodeError:
        return {}


_door = service("whatsapp_door", WebhookDoor)


@router.get(
    "/webhook",
    operation_id="verify_whatsapp_webhook",
    summary="Answer Meta's verification challenge",
    response_class=PlainTextResponse,
)
async def verify(
    request: Request,
    mode: str = Query(alias="hub.mode"),
    challenge: str = Query(alias="hub.challenge", max_length=200),
    token: str = Query(alias="hub.verify_token", max_length=200),
) -> PlainTextResponse:
    """Echoes the challenge when a tenant chose the verify token.

    Raises:
        Forbidden: Nobody did.
    """
    if mode != "subscribe" or not await _door(request).knows(token):
        raise Forbidden("hub.verify_token belongs to no tenant; set it with PUT /v1/credentials/whatsapp")
    return PlainTextResponse(challenge)


@router.post("/webhook", operation_id="receive_whatsapp_webhook", summary="Take Meta's updates")
async def receive(request: Request) -> dict[str, str]:
    """Stores the update before answering; Meta repeats what is not answered with 200.

    Raises:
        PayloadTooLarge: More than 4 MiB.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BYTES:
            raise PayloadTooLarge(f"a webhook has at most {MAX_BYTES} bytes")
    await _door(request).receive(bytes(raw), request.headers.get("x-hub-signature-256", ""))
    return {"status": "stored"}
