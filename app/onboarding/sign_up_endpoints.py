"""The doors of self-service sign-up: anybody may ask; whom the mail reaches opens the tenant."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from app.auth.endpoints import known_languages
from app.auth.limits import ApiLimits
from app.auth.member_schemas import MemberView
from app.auth.replay import respond
from app.auth.schemas import ApiKeyView, NewApiKeyView, TenantView
from app.errors import NotFound
from app.kit.idempotency import IdempotencyKey, Outcome
from app.kit.problem import responses
from app.kit.wiring import service
from app.onboarding.sign_up_schemas import SignUpConfirm, SignUpCreate, SignUpOpened, SignUpView
from app.onboarding.sign_ups import SignUps

router = APIRouter(tags=["sign-up"], responses=responses(403, 409, 422, 429, 503))

_NO_TENANT = "sign-ups"
"""Where answers to repeated requests are kept before there is a tenant."""
_ups = service("sign_ups", SignUps)
Ups = Annotated[SignUps, Depends(_ups)]


def _limits(request: Request) -> ApiLimits | None:
    limits: ApiLimits | None = request.app.state.services.limits
    return limits


@router.post(
    "/sign-ups",
    operation_id="ask_sign_up",
    summary="Ask to open a tenant",
    status_code=202,
    response_model=SignUpView,
)
async def ask_sign_up(
    request: Request, ups: Ups, body: SignUpCreate, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Mails the owner a token that opens the tenant, once, within 24 hours. No key is needed.

    The answer is the same whoever is asked for, known here or not, and where an address was written to too often.
    """
    ups.check_open()
    known_languages(request, body.languages)
    limits, mark = _limits(request), ups.mark(body.owner_email)
    may_write = limits is None or await limits.admit_sign_up(request, mark)

    async def ask() -> Outcome:
        languages = tuple(dict.fromkeys(body.languages))
        until = ups.expiry()
        if may_write:
            until = await ups.ask(body.name, body.legal_entity, languages, body.owner_email, body.owner_name)
        return Outcome(202, SignUpView(expires_at=until).model_dump(mode="json"))

    key = None if idempotency_key is None else f"{mark}:{idempotency_key}"
    return await respond(request, _NO_TENANT, key, ask)


@router.post(
    "/sign-ups/confirm",
    operation_id="confirm_sign_up",
    summary="Open the tenant",
    status_code=201,
    response_model=SignUpOpened,
    responses=responses(404),
)
async def confirm_sign_up(
    request: Request, ups: Ups, body: SignUpConfirm, idempotency_key: IdempotencyKey = None
) -> JSONResponse:
    """Opens the tenant of the token, with its owner and its first API key, which is shown this once."""
    limits = _limits(request)
    try:
        sign_up = ups.read(body.token)
    except NotFound as error:
        if limits is not None:
            await limits.refuse(request, error.code)
        raise

    async def open_it() -> Outcome:
        opened = await ups.open(sign_up, body.password.get_secret_value())
        view = SignUpOpened(
            **TenantView.of(opened.tenant).model_dump(),
            owner=MemberView.of(opened.owner),
            api_key=NewApiKeyView(**ApiKeyView.of(opened.key).model_dump(), key=opened.secret),
        )
        return Outcome(201, view.model_dump(mode="json"))

    return await respond(request, sign_up.tenant_id, idempotency_key, open_it)
