"""The ports between the carrier's edge and the live call: `telephony` calls, `calls` implements, the root wires."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.errors import Forbidden


class Direction(StrEnum):
    """Who rang whom, as the carrier says it."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


@dataclass(frozen=True, slots=True)
class StreamClaim:
    """What a redeemed stream token proves: this socket carries the audio of this call.

    `resumed` is True when the token had been redeemed before: the carrier reconnects. Such a claim may only resume
    a live session, never create one.
    """

    call_id: str
    tenant_id: str
    carrier_call_id: str
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class NumberRoute:
    """Where calls of one of our numbers go, with the tenant's carrier credentials. `number` is E.164."""

    tenant_id: str
    agent_id: str
    number: str
    plivo_auth_id: str
    plivo_auth_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CarrierAccount:
    """A tenant's account at the carrier: signs its webhooks, opens its REST interface."""

    auth_id: str
    auth_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Announcement:
    """Sentences that the carrier plays while no media socket is open; `language` is BCP-47."""

    text: str
    language: str


class CallDeclined(Forbidden):
    """The agent does not take the call: what the caller hears instead, and the person (E.164) who is dialled then."""

    code = "agent_not_live"

    def __init__(self, detail: str, announcement: Announcement | None, transfer_number: str | None) -> None:
        super().__init__(detail)
        self.announcement = announcement
        self.transfer_number = transfer_number


class Admission(Protocol):
    """Decides whether a call from outside reaches its agent; wired by the root. Calls that we place have their gate."""

    async def admit(self, route: NumberRoute, contact_number: str) -> None:
        """Lets a call in.

        Args:
            route: The number of ours, and its agent.
            contact_number: Who rings: E.164, or the carrier's words.

        Raises:
            CallDeclined: The agent takes no such call.
        """
        ...


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The call as the registry stored it."""

    call_id: str
    tenant_id: str
    agent_id: str


@dataclass(frozen=True, slots=True)
class OutboundBrief:
    """What the agent must know of a call that we placed.

    `about` is language -> why we ring; `voicemail_number` (E.164) goes into a message for a machine, None leaves none.
    """

    call_id: str
    agent_id: str
    from_number: str
    language: str
    about: Mapping[str, str]
    variables: Mapping[str, str]
    purpose: str = ""
    voicemail_number: str | None = None


@dataclass(frozen=True, slots=True)
class UnansweredCall:
    """A call that we place and that nobody has answered, or nobody did; `status` says which."""

    id: str
    agent_id: str
    from_number: str
    to_number: str
    status: str
    created_at: datetime
    ended_at: datetime | None
    end_reason: str | None


class OutboundCalls(Protocol):
    """The calls that we placed, as the carrier's webhooks meet them; wired by the root."""

    async def answering(self, tenant_id: str, call_id: str, to_number: str) -> OutboundBrief | None:
        """Notes that somebody picked up; None where the tenant dialled no such call to this number."""
        ...

    async def brief(self, tenant_id: str, call_id: str) -> OutboundBrief | None:
        """Returns what the agent must know, or None."""
        ...

    async def unanswered(self, tenant_id: str, call_id: str) -> UnansweredCall | None:
        """Returns a call that waits, rings or was never answered, or None."""
        ...

    async def on_ringing(self, tenant_id: str, call_id: str) -> None:
        """Notes that it rings."""
        ...

    async def on_ended(self, tenant_id: str, call_id: str, fields: Mapping[str, str], *, answered: bool) -> None:
        """Notes that it is over; `fields` are the webhook's. Fine if it is known."""
        ...


class Carrier(Protocol):
    """What a live session may do to its call. The sync methods queue and return at once, in order."""

    def play(self, mulaw: bytes) -> None:
        """Queues audio to the carrier, which plays it at real time after what it already holds.

        Args:
            mulaw: mu-law, mono, 8 kHz; any length.
        """
        ...

    def checkpoint(self, name: str) -> None:
        """Asks the carrier to report `name` once everything queued before it was played."""
        ...

    def clear(self) -> None:
        """Stops the audio at the carrier; plays and checkpoints that were queued but not sent are dropped."""
        ...

    def send_dtmf(self, digits: str) -> None:
        """Sends keypad tones (`0-9 * # A-D w W`) to the other party."""
        ...

    async def hang_up(self) -> None:
        """Ends the call; fine if it is already gone.

        Raises:
            CarrierError: The carrier refused or did not answer in time.
        """
        ...

    async def transfer(self, number: str) -> None:
        """Hands the caller to `number` (E.164); the media socket closes when the carrier begins to dial.

        Raises:
            CarrierError: The carrier refused or did not answer in time.
        """
        ...

    async def start_recording(self) -> None:
        """Starts the carrier's own recording.

        Raises:
            CarrierError: The carrier refused or did not answer in time.
        """
        ...

    async def stop_recording(self) -> None:
        """Stops the carrier's own recording.

        Raises:
            CarrierError: The carrier refused or did not answer in time.
        """
        ...

    async def close(self) -> None:
        """Sends what is queued, then closes the socket normally; the carrier then reaches the end of its XML."""
        ...


class LiveCall(Protocol):
    """One session as the socket sees it. Every method is called on the event loop and must be cheap."""

    def on_started(self, carrier: Carrier, stream_id: str) -> None:
        """Audio begins, or begins again after a reconnect with a new `carrier`."""
        ...

    def on_audio(self, mulaw: bytes) -> None:
        """Takes what the caller said: about 20 ms of mu-law, mono, 8 kHz. The hot path."""
        ...

    def on_dtmf(self, digit: str) -> None:
        """Takes one key: `0-9 * # A-D`."""
        ...

    def on_played(self, name: str) -> None:
        """The carrier has played everything queued before checkpoint `name`."""
        ...

    def on_cleared(self) -> None:
        """The carrier has dropped its queue."""
        ...

    def on_disconnected(self, reason: str) -> None:
        """The socket is gone, once per `on_started`; not called when a reconnect replaces a socket.

        Args:
            reason: `stopped` and `closed` (the carrier ended the stream), `released` (our `Carrier.close`), `lost`,
                `idle` (no audio arrives), `blocked` (the carrier takes none), `violations`, `failed`, `shutdown`.
        """
        ...


class LiveCalls(Protocol):
    """The sessions of this process."""

    async def attach(self, claim: StreamClaim) -> LiveCall:
        """Creates the session of a call, or resumes it.

        Raises:
            AppError: Refused: no capacity (Unavailable), a resumed claim without a live session (NotFound) and alike.
        """
        ...


class Numbers(Protocol):
    """Our telephone numbers, over all tenants."""

    async def resolve(self, e164: str) -> NumberRoute | None:
        """Returns where calls of this number go, or None if it is not ours."""
        ...


class CallRegistry(Protocol):
    """Calls as the carrier's webhooks report them. Every method is idempotent: carriers repeat themselves.

    A `carrier_call_id` belongs to one tenant for ever: `ring` refuses one that another tenant holds.
    `fields` are the webhook's own form fields.
    """

    async def ring(
        self,
        route: NumberRoute,
        *,
        carrier_call_id: str,
        from_number: str,
        to_number: str,
        direction: Direction,
        request_id: str | None = None,
        placed_as: str | None = None,
    ) -> CallRecord:
        """Creates the call, or returns the one that exists for (tenant, carrier_call_id).

        Args:
            route: The number of ours that takes part, with its tenant.
            carrier_call_id: The carrier's id of the call.
            from_number: E.164, or the carrier's words for a withheld number.
            to_number: E.164.
            direction: OUTBOUND when we placed the call.
            request_id: The carrier's id of our request to place it, if we did.
            placed_as: Our own id of the call, if we placed it.

        Raises:
            AppError: The call is refused (limits, a suspended tenant, an ended call); the carrier is told to hang up.
        """
        ...

    async def account_for(self, carrier_call_id: str) -> CarrierAccount | None:
        """Returns the carrier account of the call's tenant, or None if the call is unknown."""
        ...

    async def on_status(self, carrier_call_id: str, fields: Mapping[str, str]) -> None:
        """Takes a step of the call.

        Args:
            carrier_call_id: The carrier's id of the call.
            fields: The webhook's fields, and `event`: ring, stream_started, stream_stopped, stream_dropped,
                stream_degraded, stream_failed or transfer_ended.
        """
        ...

    async def whisper(self, carrier_call_id: str) -> Announcement | None:
        """Returns what the person hears before the caller is joined to them, or None if nothing is known."""
        ...

    async def on_transfer_ended(self, carrier_call_id: str, *, reached: bool) -> Announcement | None:
        """Takes the end of a transfer; if nobody was reached, another way to a person is taken.

        Returns:
            What the caller hears of it, or None when the call may end in silence.
        """
        ...

    async def on_hangup(self, carrier_call_id: str, fields: Mapping[str, str]) -> None:
        """The call is over (HangupCause, Duration ... in `fields`); also sent for calls that were never answered."""
        ...

    async def on_unanswered(self, route: NumberRoute, placed_as: str, fields: Mapping[str, str]) -> None:
        """Takes a step of a call that we placed and that is not answered: it rings, or it is over.

        Args:
            route: Our number, whose tenant's account has signed.
            placed_as: Our own id of the call.
            fields: The webhook's fields, and `event`: ring or hangup.
        """
        ...

    async def on_machine(self, carrier_call_id: str, result: str) -> None:
        """Takes the answering-machine detection: `machine` or `human`."""
        ...

    async def on_recording(self, carrier_call_id: str, url: str, fields: Mapping[str, str]) -> None:
        """The carrier's recording is ready at `url`."""
        ...
