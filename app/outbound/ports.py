"""What placing calls needs from above: a carrier that dials; wired by the root."""

from dataclasses import dataclass
from typing import Protocol

from app.calls.ports import CarrierAccount


@dataclass(frozen=True, slots=True)
class DialOrder:
    """What the carrier is told. Numbers are E.164."""

    call_id: str
    from_number: str
    to_number: str
    ring_seconds: int
    detect_machine: bool


class Dialler(Protocol):
    """The carrier."""

    async def dial(self, account: CarrierAccount, order: DialOrder) -> str:
        """Places a call; returns the carrier's request id. Its webhooks carry the call's id.

        Raises:
            CarrierError: Not placed; `carrier_outcome_unknown`: perhaps placed.
        """
        ...

    def close(self) -> None:
        """Lets go of what the carrier's client holds."""
        ...
