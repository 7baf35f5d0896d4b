"""What only the process that carries calls has: speech workers, live calls, the carrier's doors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from prometheus_client import CollectorRegistry, Gauge

from app.calls.actions import CallActions
from app.calls.closing import CLOSING_SECONDS
from app.calls.observing import CallMetrics
from app.calls.ports import CarrierAccount
from app.calls.service import CallService
from app.calls.thinking import Thinker
from app.config import Settings
from app.errors import StageError
from app.kit.signals import Signals
from app.languages.mind import Mind
from app.onboarding.doorway import Doorway
from app.services import Process, ended
from app.speech.asr.checkpoint.coverage import check_hearing
from app.speech.ear import Ears
from app.speech.metrics import SpeechMetrics
from app.speech.mouth import Mouth
from app.speech.seat import HearingOptions
from app.telephony.media import MediaEndpoint
from app.telephony.metrics import TelephonyMetrics
from app.telephony.rest import PlivoCallControl, PlivoClients
from app.telephony.tokens import Announcements, StreamTokens, TransferTargets
from app.telephony.webhooks import CarrierUrls, PlivoWebhooks

_log = structlog.get_logger("call_stack")


@dataclass(frozen=True, slots=True)
class CallStack:
    """What only the process that carries calls has."""

    calls: CallService
    ears: Ears
    mouth: Mouth
    media: MediaEndpoint
    webhooks: PlivoWebhooks
    metrics: CollectorRegistry


@asynccontextmanager
async def open_call_stack(process: Process) -> AsyncIterator[CallStack]:
    """Builds what carries calls and starts the speech workers; at the end every call is ended.

    Raises:
        ConfigError: The recogniser cannot be used as configured.
        ModelError: The recogniser cannot write a loaded language.
        SpeechWorkerLost: A speech worker did not start.
    """
    settings, rooms, mind = process.settings, process.rooms, process.mind.current
    metrics = process.metrics
    speech = SpeechMetrics(metrics)
    await asyncio.to_thread(check_hearing, settings.asr_model, settings.asr_models, mind.registry.packs)
    ears = Ears(_hearing(settings), speech)
    mouth = Mouth(speech)
    thinker = Thinker(mind.registry, mind.understander, mind.dialogue, mouth)
    clients = PlivoClients(settings.plivo_api_url)
    async with AsyncExitStack() as exits:
        exits.callback(clients.close)
        exits.push_async_callback(mouth.close)
        exits.push_async_callback(ears.close)
        exits.callback(thinker.close)
        await asyncio.gather(ears.start(), mouth.start())
        await thinker.start()
        figures = CallMetrics()
        figures.register(metrics)
        calls = _call_service(process, ears, thinker, figures)
        process.reloads.follow(partial(_renew_calls, calls, thinker))
        counters = TelephonyMetrics(metrics)
        Gauge("vaanisetu_calls_live", "Live calls", registry=metrics).set_function(lambda: calls.live.count)
        slots = Gauge("vaanisetu_speech_slots_open", "Calls that the listening worker serves", registry=metrics)
        slots.set_function(lambda: ears.open_count)
        urls = CarrierUrls(settings.public_url)
        tokens = StreamTokens(process.redis, max_call_seconds=settings.max_call_seconds)
        transfers = TransferTargets(process.redis)
        limit = settings.max_call_seconds
        control = PlivoCallControl(
            registry=calls, clients=clients, transfers=transfers, urls=urls, max_call_seconds=limit
        )
        media = MediaEndpoint(tokens=tokens, live_calls=calls.live, control=control, metrics=counters)
        webhooks = PlivoWebhooks(
            urls=urls,
            numbers=rooms.numbers,
            registry=calls,
            tokens=tokens,
            transfers=transfers,
            announcements=Announcements(process.redis),
            speak=lambda said: mouth.speak(said.text, thinker.voice(said.language)),
            metrics=counters,
            max_call_seconds=limit,
            require_signatures=settings.require_signatures,
            admission=Doorway(rooms.agents, rooms.lifecycle, rooms.allowance, rooms.packs),
        )
        if calls.watch is not None:
            watching = asyncio.create_task(calls.watch.run(), name="kill-switch-watch")
            exits.callback(watching.cancel)
        replaying = asyncio.create_task(calls.closing.run(), name="call-spool")
        exits.push_async_callback(ended, replaying)
        exits.push_async_callback(calls.live.drain, 0.0, CLOSING_SECONDS + 2)
        exits.callback(media.shut_down)
        yield CallStack(calls, ears, mouth, media, webhooks, metrics)


def _hearing(settings: Settings) -> HearingOptions:
    return HearingOptions(
        capacity=settings.max_calls,
        engine=settings.asr_engine,
        model=settings.asr_model,
        models=settings.asr_models,
        device=settings.asr_device,
        threads=settings.speech_threads,
        workers=settings.listen_workers,
        max_batch=settings.asr_max_batch,
        max_wait_ms=settings.asr_max_wait_ms,
    )


async def _renew_calls(calls: CallService, first: Thinker, mind: Mind) -> None:
    """Gives new calls the new mind, with the sentences that must sound in any case already spoken."""
    thinker = first.successor(mind.registry, mind.understander, mind.dialogue)
    try:
        await thinker.start()
    except StageError as error:
        _log.warning("packs.sentences_not_prepared", code=error.code)
    calls.think_with(thinker)


def _call_service(process: Process, ears: Ears, thinker: Thinker, figures: CallMetrics) -> CallService:
    rooms, settings = process.rooms, process.settings

    async def account_of(tenant_id: str) -> CarrierAccount | None:
        account = await rooms.credentials.plivo(tenant_id)
        return None if account is None else CarrierAccount(account.auth_id, account.auth_token)

    return CallService(
        database=rooms.database,
        clock=rooms.clock,
        ears=ears,
        thinker=thinker,
        agents=process.agents,
        actions=CallActions(rooms.handoff, rooms.suppressions, rooms.conversations, rooms.consents),
        vault=rooms.vault,
        signals=Signals(process.redis),
        webhooks=rooms.webhooks,
        kill_switches=rooms.kill_switches,
        audit=rooms.audit,
        outbound=rooms.outbound_rooms.dialling,
        recordings_dir=settings.data_dir / "recordings",
        max_call_seconds=settings.max_call_seconds,
        account_of=account_of,
        metrics=figures,
        most_of_a_tenant=settings.tenant_calls or max(1, settings.max_calls * 4 // 5),
    )
