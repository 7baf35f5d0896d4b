"""The jobs of the WhatsApp room, by name; the worker registers them."""

from collections.abc import Mapping

from app.kit.jobs import JobFunction
from whatsapp.dispatch import Dispatcher
from whatsapp.ingest import INGEST, Ingest
from whatsapp.service import DISPATCH

__all__ = ["DISPATCH", "INGEST", "SWEEP", "SWEEP_SECONDS", "functions"]

SWEEP = "whatsapp.sweep"
SWEEP_SECONDS = 60


def functions(dispatcher: Dispatcher, ingest: Ingest) -> Mapping[str, JobFunction]:
    """Returns the room's jobs.

    `whatsapp.dispatch` takes `tenant_id` and `outbox_id`, `whatsapp.ingest` takes `raw_id`, and `whatsapp.sweep`, due
    every `SWEEP_SECONDS`, takes nothing.
    """

    async def sweep() -> None:
        await dispatcher.sweep()
        await ingest.sweep()

    return {DISPATCH: dispatcher.dispatch, INGEST: ingest.ingest, SWEEP: sweep}
