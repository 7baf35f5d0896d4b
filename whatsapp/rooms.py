"""Builds the room: first the way out, which every handoff takes, then the way in, which needs the inbox of people."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.audit.log import AuditLog
from app.compliance.consent import ConsentLedger
from app.compliance.suppression import Suppressions
from app.conversations.inbox import Inbox
from app.conversations.records import Signal
from app.conversations.service import ConversationService
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.kit.mongo import Database
from app.kit.sealed import SealedText
from app.language.packs import Pack
from app.tenants.credentials import CredentialService
from app.webhooks.models import Publish
from whatsapp import account, holds, inbox, media, opt_ins, outbox, windows
from whatsapp.account import AccountUpdates
from whatsapp.costs import ledger as costs
from whatsapp.costs.ledger import Costs
from whatsapp.dispatch import Dispatcher
from whatsapp.graph_media import GraphMedia
from whatsapp.holds import Holds
from whatsapp.inbox import RawInbox
from whatsapp.intake import Intake
from whatsapp.media import MediaFetches
from whatsapp.opt_ins import OptIns
from whatsapp.outbox import OutboxStore
from whatsapp.outgoing import OutgoingFiles
from whatsapp.pacing import Pacing
from whatsapp.ports import VoiceNotes
from whatsapp.sender import GraphSender
from whatsapp.service import WhatsAppOutbox
from whatsapp.templates import room as template_room
from whatsapp.templates.room import TemplateRoom
from whatsapp.webhook import WebhookDoor
from whatsapp.windows import Windows

INDEXES = (
    *outbox.INDEXES,
    *windows.INDEXES,
    *inbox.INDEXES,
    *account.INDEXES,
    *template_room.INDEXES,
    *costs.INDEXES,
    *holds.INDEXES,
    *media.INDEXES,
    *opt_ins.INDEXES,
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What both ways stand on.

    Attributes:
        signal: Tells the tenant's consoles.
        publish: Tells the tenant's own servers.
    """

    database: Database
    sealed: SealedText
    credentials: CredentialService
    suppressions: Suppressions
    conversations: ConversationService
    packs: Mapping[str, Pack]
    audit: AuditLog
    signal: Signal
    publish: Publish
    jobs: Jobs
    clock: Clock


@dataclass(frozen=True, slots=True)
class WayOut:
    """What decides whether a message may leave, and keeps it until it does."""

    store: OutboxStore
    windows: Windows
    graph: GraphSender
    templates: TemplateRoom
    account: AccountUpdates
    costs: Costs
    holds: Holds
    outbox: WhatsAppOutbox


@dataclass(frozen=True, slots=True)
class WayIn:
    """What takes in Meta's updates, and what sends."""

    raw: RawInbox
    door: WebhookDoor
    dispatcher: Dispatcher
    intake: Intake
    opt_ins: OptIns


def make_way_out(ground: Ground, graph_url: str, purposes: Mapping[str, str]) -> WayOut:
    """Builds the way out.

    Args:
        ground: What it stands on.
        graph_url: Where Meta's Graph API answers.
        purposes: Name of each template of the packs -> its category.
    """
    graph = GraphSender(graph_url)
    templates = template_room.build(
        database=ground.database,
        credentials=ground.credentials,
        graph=graph,
        purposes=purposes,
        packs=ground.packs,
        audit=ground.audit,
        publish=ground.signal,
        jobs=ground.jobs,
        clock=ground.clock,
    )
    account_updates = AccountUpdates(ground.database, ground.audit, ground.clock)
    templates.updates.listen(account_updates)
    store = OutboxStore(ground.database, ground.sealed, ground.clock, ground.signal)
    kept_windows, spent = Windows(ground.database, ground.clock), Costs(ground.database, ground.audit)
    way_out = WhatsAppOutbox(
        store,
        kept_windows,
        ground.credentials,
        ground.suppressions,
        ground.conversations,
        ground.packs,
        templates.door,
        spent,
        ground.jobs,
        ground.clock,
    )
    held = Holds(ground.database, ground.audit, ground.signal, ground.publish, ground.clock)
    return WayOut(store, kept_windows, graph, templates, account_updates, spent, held, way_out)


def make_way_in(
    ground: Ground,
    out: WayOut,
    *,
    graph_url: str,
    people: Inbox,
    ledger: ConsentLedger,
    notes: VoiceNotes,
    pacing: Pacing | None,
) -> WayIn:
    """Builds the way in.

    Args:
        ground: What it stands on.
        out: The way out.
        graph_url: Where Meta's Graph API answers.
        people: The inbox of people.
        ledger: Who agreed to what.
        notes: Writes voice notes down.
        pacing: How fast messages leave; None: as fast as they come.
    """
    graph_media = GraphMedia(graph_url)
    dispatcher = Dispatcher(
        out.store,
        out.outbox,
        out.windows,
        out.graph,
        ground.conversations,
        ground.credentials,
        ground.suppressions,
        out.templates.standing,
        out.costs,
        out.holds,
        OutgoingFiles(people.attachments, graph_media, out.graph),
        ground.jobs,
        ground.clock,
        pacing,
    )
    wishes = OptIns(ground.database, ledger, ground.suppressions, ground.conversations, ground.audit, ground.clock)
    raw = RawInbox(ground.database, ground.sealed, ground.clock)
    intake = Intake(
        raw=raw,
        account=out.account,
        conversations=ground.conversations,
        windows=out.windows,
        store=out.store,
        outbox=out.outbox,
        dispatcher=dispatcher,
        ledger=ledger,
        suppressions=ground.suppressions,
        credentials=ground.credentials,
        packs=ground.packs,
        inbox=people,
        fetches=MediaFetches(ground.database, ground.jobs, ground.clock),
        media=graph_media,
        notes=notes,
        opt_ins=wishes,
        jobs=ground.jobs,
        clock=ground.clock,
    )
    return WayIn(raw, WebhookDoor(ground.credentials, raw, ground.jobs), dispatcher, intake, wishes)
