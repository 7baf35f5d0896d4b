"""Plivo's REST interface: what a call's own media socket cannot do. The SDK blocks, so it runs on bounded threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import plivo
import requests
from plivo.exceptions import PlivoRestError

from app.calls.ports import CallRegistry, CarrierAccount, StreamClaim
from app.errors import CarrierError, Unavailable
from app.outbound.ports import DialOrder
from app.telephony.tokens import TransferTargets
from app.telephony.webhooks import CarrierUrls

REQUEST_SECONDS: Final = 5.0
THREADS: Final = 8
MAX_WAITING: Final = 64
MAX_CLIENTS: Final = 256
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class _Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _Client(plivo.RestClient):  # type: ignore[misc]
    """The SDK's client at another address, without its own retries: a call placed twice rings twice."""

    def __init__(self, account: CarrierAccount, api_url: str) -> None:
        super().__init__(account.auth_id, account.auth_token, timeout=REQUEST_SECONDS)
        self._address = api_url.rstrip("/") + "/v1/Account"
        self.session.trust_env = urlsplit(api_url).hostname not in LOOPBACK

    def create_request(self, method: str, path: Any = None, data: Any = None, **options: Any) -> Any:
        self.base_uri = self._address
        return super().create_request(method, path, data, **options)

    def send_request(self, request: Any, **options: Any) -> Any:
        response = super().send_request(request, **options)
        if response.status_code >= 400:
            raise _Refused(response.status_code, response.text[:300])
        return response


@dataclass(frozen=True, slots=True)
class CallOrder:
    """An outbound call to place. Numbers are E.164."""

    from_number: str
    to_number: str
    answer_url: str
    hangup_url: str
    ring_url: str | None = None
    machine_detection_url: str | None = None
    time_limit_seconds: int = 3600
    ring_timeout_seconds: int = 45


class PlivoClients:
    """The threads and SDK clients of one process, one client per account."""

    def __init__(self, api_url: str) -> None:
        self._api_url = api_url
        self._clients: dict[tuple[str, str], _Client] = {}
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="plivo")
        self._waiting = 0

    def of(self, account: CarrierAccount) -> "PlivoRest":
        """Returns the REST interface of an account.

        Raises:
            CarrierError: The account's id is not one of Plivo's.
        """
        key = (account.auth_id, account.auth_token)
        client = self._clients.pop(key, None)
        if client is None:
            try:
                client = _Client(account, self._api_url)
            except PlivoRestError as error:
                raise _error(str(error), "carrier_account_invalid", retryable=False) from error
        self._clients[key] = client
        if len(self._clients) > MAX_CLIENTS:
            del self._clients[next(iter(self._clients))]
        return PlivoRest(client, self)

    async def run(self, work: Callable[[], Any]) -> Any:
        """Runs one blocking request on a thread, in bounded time.

        Raises:
            CarrierError: Refused, not reached, too late, or too many are waiting; `retryable` says whether the same
                request may be sent again without doing its work twice.
        """
        if self._waiting >= MAX_WAITING:
            raise _error("too many requests wait for the carrier", "carrier_busy", retryable=True)
        self._waiting += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS * 2):
                return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except _Refused as refused:
            retryable = refused.status == 429 or refused.status >= 500
            code = "carrier_not_found" if refused.status == 404 else "carrier_refused"
            raise _error(f"the carrier answered {refused.status}: {refused}", code, retryable=retryable) from refused
        except (requests.ConnectTimeout, requests.ConnectionError) as error:
            raise _error("the carrier was not reached", "carrier_unreachable", retryable=True) from error
        except (requests.RequestException, TimeoutError) as error:
            raise _error("the carrier did not answer in time", "carrier_outcome_unknown", retryable=False) from error
        except PlivoRestError as error:
            raise _error(f"the request is wrong: {error}", "carrier_bad_request", retryable=False) from error
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Lets the threads end; requests under way are finished by them."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _error(detail: str, code: str, *, retryable: bool) -> CarrierError:
    error = CarrierError(detail, code=code)
    error.retryable = retryable
    return error


class PlivoRest:
    """One account's calls. Every method raises CarrierError; see `PlivoClients.run`."""

    def __init__(self, client: _Client, clients: PlivoClients) -> None:
        self._calls = client.calls
        self._run = clients.run

    async def make_call(self, order: CallOrder) -> str:
        """Places a call; returns the carrier's request id, which is not the call's id.

        Raises:
            CarrierError: Not placed, or (`carrier_outcome_unknown`) perhaps placed.
        """
        answer = await self._run(
            lambda: self._calls.create(
                from_=order.from_number.lstrip("+"),
                to_=order.to_number.lstrip("+"),
                answer_url=order.answer_url,
                hangup_url=order.hangup_url,
                ring_url=order.ring_url,
                time_limit=order.time_limit_seconds,
                ring_timeout=order.ring_timeout_seconds,
                machine_detection="true" if order.machine_detection_url else None,
                machine_detection_url=order.machine_detection_url,
            )
        )
        request_id = getattr(answer, "request_uuid", None)
        if not isinstance(request_id, str):
            raise _error("the carrier named no request", "carrier_outcome_unknown", retryable=False)
        return request_id

    async def hang_up(self, carrier_call_id: str) -> None:
        """Ends a call; fine if it is gone.

        Raises:
            CarrierError: Refused or not reached.
        """
        await self._unless_gone(lambda: self._calls.delete(carrier_call_id))

    async def cancel_request(self, request_id: str) -> None:
        """Ends a call that was placed and not answered yet; fine if there is none.

        Raises:
            CarrierError: Refused or not reached.
        """
        await self._unless_gone(lambda: self._calls.cancel(request_id))

    async def transfer(self, carrier_call_id: str, url: str) -> None:
        """Makes the call do what the XML at `url` says.

        Raises:
            CarrierError: Refused, gone (`carrier_not_found`) or not reached.
        """
        await self._run(lambda: self._calls.update(carrier_call_id, legs="aleg", aleg_url=url, aleg_method="POST"))

    async def start_recording(self, carrier_call_id: str, *, callback_url: str, time_limit_seconds: int) -> str:
        """Starts a recording; returns its id.

        Raises:
            CarrierError: Refused, gone or not reached.
        """
        answer = await self._run(
            lambda: self._calls.start_recording(
                carrier_call_id,
                time_limit=time_limit_seconds,
                file_format="wav",
                callback_url=callback_url,
                callback_method="POST",
            )
        )
        return str(getattr(answer, "recording_id", ""))

    async def stop_recording(self, carrier_call_id: str) -> None:
        """Stops every recording of the call; fine if it is gone.

        Raises:
            CarrierError: Refused or not reached.
        """
        await self._unless_gone(lambda: self._calls.record_stop(carrier_call_id))

    async def _unless_gone(self, work: Callable[[], Any]) -> None:
        try:
            await self._run(work)
        except CarrierError as error:
            if error.code != "carrier_not_found":
                raise


class PlivoCallControl:
    """What a live call's `Carrier` does over REST, with the credentials of the call's tenant."""

    def __init__(
        self,
        *,
        registry: CallRegistry,
        clients: PlivoClients,
        transfers: TransferTargets,
        urls: CarrierUrls,
        max_call_seconds: int,
    ) -> None:
        self._registry = registry
        self._clients = clients
        self._transfers = transfers
        self._urls = urls
        self._max_call_seconds = max_call_seconds

    async def hang_up(self, claim: StreamClaim) -> None:
        """Ends the call; fine if it is gone. Raises: CarrierError."""
        await (await self._rest(claim)).hang_up(claim.carrier_call_id)

    async def transfer(self, claim: StreamClaim, number: str) -> None:
        """Lets the carrier dial `number` (E.164) for the caller. Raises: CarrierError."""
        rest = await self._rest(claim)
        try:
            await self._transfers.put(claim.carrier_call_id, number)
        except Unavailable as error:
            raise _error(error.detail, error.code, retryable=True) from error
        await rest.transfer(claim.carrier_call_id, self._urls.transfer(claim.call_id))

    async def start_recording(self, claim: StreamClaim) -> None:
        """Starts the carrier's recording. Raises: CarrierError."""
        rest = await self._rest(claim)
        url = self._urls.hook("recording")
        await rest.start_recording(claim.carrier_call_id, callback_url=url, time_limit_seconds=self._max_call_seconds)

    async def stop_recording(self, claim: StreamClaim) -> None:
        """Stops the carrier's recording. Raises: CarrierError."""
        await (await self._rest(claim)).stop_recording(claim.carrier_call_id)

    async def _rest(self, claim: StreamClaim) -> PlivoRest:
        account = await self._registry.account_for(claim.carrier_call_id)
        if account is None:
            raise _error("the call's tenant has no carrier account", "carrier_account_missing", retryable=False)
        return self._clients.of(account)


class PlivoDialler:
    """Implements `Dialler`: places calls whose webhooks say which call they are about."""

    def __init__(self, clients: PlivoClients, urls: CarrierUrls, max_call_seconds: int) -> None:
        self._clients = clients
        self._urls = urls
        self._max_call_seconds = max_call_seconds

    async def dial(self, account: CarrierAccount, order: DialOrder) -> str:
        """Places a call; see `Dialler`. Raises: CarrierError."""
        machine = self._urls.placed("machine", order.call_id) if order.detect_machine else None
        return await self._clients.of(account).make_call(
            CallOrder(
                from_number=order.from_number,
                to_number=order.to_number,
                answer_url=self._urls.placed("answer", order.call_id),
                hangup_url=self._urls.placed("hangup", order.call_id),
                ring_url=self._urls.placed("ring", order.call_id),
                machine_detection_url=machine,
                time_limit_seconds=self._max_call_seconds,
                ring_timeout_seconds=order.ring_seconds,
            )
        )

    def close(self) -> None:
        """Lets the threads end."""
        self._clients.close()
