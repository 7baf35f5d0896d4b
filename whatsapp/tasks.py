"""The jobs of the WhatsApp room, by name; the worker registers them."""

from collections.abc import Mapping

from app.kit.jobs import JobFunction
from whatsapp.dispatch import Dispatcher
from whatsapp.fetching import MediaFetcher
from whatsapp.ingest import INGEST, REPLAY, Ingest
from whatsapp.media import FETCH
from whatsapp.service import DISPATCH
from whatsapp.templates.sync import SYNC, TemplateSync

__all__ = ["DISPATCH", "FETCH", "INGEST", "REPLAY", "SWEEP", "SWEEP_SECONDS", "SYNC", "functions"]

SWEEP = "whatsapp.sweep"
SWEEP_SECONDS = 60


def functions(
    dispatcher: Dispatcher, ingest: Ingest, templates: TemplateSync, fetcher: MediaFetcher
) -> Mapping[str, JobFunction]:
    """Returns the room's jobs.

    `whatsapp.dispatch` takes `tenant_id` and `outbox_id`, `whatsapp.ingest` takes `raw_id`, `whatsapp.replay` takes
    `tenant_id` and `item_id`, `whatsapp.sync_templates` takes `tenant_id`, `whatsapp.fetch_media` takes `tenant_id`
    and `message_id`, and `whatsapp.sweep`, due
    every `SWEEP_SECONDS`, takes nothing.
    """

    async def sweep() -> None:
        await dispatcher.sweep()
        await ingest.sweep()
        await templates.sweep()
        await fetcher.sweep()

    return {
        DISPATCH: dispatcher.dispatch,
        INGEST: ingest.ingest,
        REPLAY: ingest.replay,
        SYNC: templates.run,
        FETCH: fetcher.fetch,
        SWEEP: sweep,
    }
