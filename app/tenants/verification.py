"""Asks a provider whether the credentials that a tenant saved open its door; the answer stands beside them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import quote

import httpx

from app.tenants.models import Credentials, LlmCredentials, PlivoCredentials, ToolCredentials, WhatsAppCredentials

TIMEOUT_SECONDS: Final = 5.0
GRAPH_VERSION: Final = "v23.0"
_REFUSALS: Final = (401, 403)


class CheckState(StrEnum):
    """What is known: the provider let us in; it was not asked or did not answer; it refused."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of the latest question to a provider.

    Attributes:
        state: What is known.
        reason: Why, in words for the tenant's engineer.
        checked_at: Aware UTC; None: never asked.
    """

    state: CheckState
    reason: str
    checked_at: datetime | None = None


NEVER: Final = Check(CheckState.UNVERIFIED, "the provider was not asked yet; POST .../verify asks it")


class ProviderChecks:
    """One cheap read at each provider, which changes nothing there.

    Args:
        plivo_api_url: Of the installation.
        graph_api_url: Of the installation.
        installed: Reaches what the operator named.
        public: Reaches what tenants named, on public hosts only in production.
    """

    def __init__(
        self, plivo_api_url: str, graph_api_url: str, installed: httpx.AsyncClient, public: httpx.AsyncClient
    ) -> None:
        self._plivo_api_url = plivo_api_url.rstrip("/")
        self._graph_api_url = graph_api_url.rstrip("/")
        self._installed = installed
        self._public = public

    async def aclose(self) -> None:
        """Closes connections to what the operator named; the other client belongs to whoever gave it."""
        await self._installed.aclose()

    async def ask(self, credentials: Credentials) -> Check:
        """Returns what the provider says; whatever happens on the way is `unverified`, never an error."""
        try:
            match credentials:
                case PlivoCredentials():
                    return await self._plivo(credentials)
                case WhatsAppCredentials():
                    return await self._whatsapp(credentials)
                case ToolCredentials():
                    return await self._tools(credentials)
                case LlmCredentials():
                    return await self._llm(credentials)
        except UnicodeEncodeError:
            return Check(CheckState.FAILED, "a secret holds letters that no request can carry: put the right one")
        except httpx.TimeoutException:
            return Check(CheckState.UNVERIFIED, f"no answer within {TIMEOUT_SECONDS:g} seconds; verify again later")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Check(CheckState.UNVERIFIED, f"not reached ({type(error).__name__}); verify again later")

    async def _plivo(self, account: PlivoCredentials) -> Check:
        url = f"{self._plivo_api_url}/v1/Account/{quote(account.auth_id, safe='')}/"
        answer = await self._installed.get(url, auth=(account.auth_id, account.auth_token), timeout=TIMEOUT_SECONDS)
        return _judged(answer, "Plivo", "auth_id and auth_token", missing_is_refusal=True)

    async def _whatsapp(self, number: WhatsAppCredentials) -> Check:
        url = f"{self._graph_api_url}/{GRAPH_VERSION}/{number.phone_number_id}"
        answer = await self._installed.get(
            url,
            params={"fields": "id,display_phone_number"},
            headers={"Authorization": f"Bearer {number.access_token}"},
            timeout=TIMEOUT_SECONDS,
        )
        if answer.status_code == 400:  # Meta's answer to a number that the token does not reach
            return Check(CheckState.FAILED, "Meta refuses: the access token does not reach phone_number_id")
        return _judged(answer, "Meta", "access_token and phone_number_id", missing_is_refusal=True)

    async def _tools(self, system: ToolCredentials) -> Check:
        headers = {"Authorization": f"Bearer {system.bearer_token}"} if system.bearer_token else {}
        async with self._public.stream("GET", system.base_url, headers=headers, timeout=TIMEOUT_SECONDS) as answer:
            if answer.status_code < 500 and answer.status_code not in _REFUSALS:
                said = f"the system answers ({answer.status_code}); the token is proven by the first tool"
                return Check(CheckState.VERIFIED, said)
            return _judged(answer, "the system", "base_url and bearer_token")

    async def _llm(self, model: LlmCredentials) -> Check:
        headers = {"Authorization": f"Bearer {model.api_key}"}
        url = model.base_url + "/models"
        async with self._public.stream("GET", url, headers=headers, timeout=TIMEOUT_SECONDS) as answer:
            return _judged(answer, "the model's API", "base_url and api_key")


def _judged(answer: httpx.Response, who: str, what: str, *, missing_is_refusal: bool = False) -> Check:
    status = answer.status_code
    if status in _REFUSALS or (status == 404 and missing_is_refusal):
        return Check(CheckState.FAILED, f"{who} refuses ({status}): put the right {what}")
    if answer.is_success:
        return Check(CheckState.VERIFIED, f"{who} let us in")
    return Check(CheckState.UNVERIFIED, f"{who} answered {status}, which says nothing of {what}; verify again later")
