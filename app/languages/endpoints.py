"""The doors of languages: what agents may speak, and taking new packs without a restart."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.status import HTTP_202_ACCEPTED

from app.auth.guard import Bearer, current_subject, key_service, operator
from app.errors import Conflict, PackError
from app.kit.pagination import Page
from app.kit.problem import responses
from app.languages.mind import LiveMind
from app.languages.reload import PackReloads
from app.languages.schemas import LanguageView, ReloadView
from app.languages.speech import SpeechCoverage

router = APIRouter(responses=responses(401, 403, 429, 503), tags=["languages"])


async def _key_holder(request: Request, bearer: Bearer) -> None:
    """Lets in any valid key: a tenant's, whatever its scopes, and the operator's.

    Raises:
        Unauthorized: No key, or none that is valid.
    """
    if bearer is None or not key_service(request).is_operator(bearer.credentials):
        await current_subject(request, bearer)


def _mind(request: Request) -> LiveMind:
    mind: LiveMind = request.app.state.mind
    return mind


def _reloads(request: Request) -> PackReloads:
    reloads: PackReloads = request.app.state.reloads
    return reloads


def _speech(request: Request) -> SpeechCoverage:
    speech: SpeechCoverage = request.app.state.speech_coverage
    return speech


@router.get(
    "/languages",
    operation_id="list_languages",
    summary="List the languages that agents may speak",
    dependencies=[Depends(_key_holder)],
)
async def list_languages(
    mind: Annotated[LiveMind, Depends(_mind)], speech: Annotated[SpeechCoverage, Depends(_speech)]
) -> Page[LanguageView]:
    """Lists every loaded language pack: its grade and version, what is approved, and what the speech engines can do."""
    registry = mind.current.registry
    data = [LanguageView.of(pack, registry.reports[pack.tag], speech.of(pack)) for pack in registry.packs]
    return Page(data=data, has_more=False, next_cursor=None)


@router.post(
    "/languages/reload",
    operation_id="reload_languages",
    summary="Read the language packs again",
    status_code=HTTP_202_ACCEPTED,
    dependencies=[Depends(operator)],
    responses=responses(409),
)
async def reload_languages(reloads: Annotated[PackReloads, Depends(_reloads)]) -> ReloadView:
    """Reads all folders again, in every process of the service. Needs the operator's key.

    What is right is taken: its model is trained beside the calls, and new calls get it when that is done. Calls that
    are under way keep the version they began with. What is wrong is listed with file, line and reason, and the version
    that served goes on serving. A folder that is gone goes with the next start.
    """
    try:
        return ReloadView.of(await reloads.request())
    except PackError as error:
        raise Conflict(error.detail, code="packs_not_read") from error
