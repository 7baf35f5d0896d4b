"""The inbox's parts, built together: people, desk, list, search, routing, ratings, wishes to be called."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.audit.log import AuditLog
from app.auth.members import MemberService
from app.compliance.consent import ConsentLedger
from app.conversations import access, attachments, callbacks, canned, people, search
from app.conversations.access import AccessLog
from app.conversations.attachments import Attachments
from app.conversations.callbacks import Callbacks
from app.conversations.canned import CannedReplies
from app.conversations.deadlines import Deadlines
from app.conversations.desk import Desk
from app.conversations.listing import Listing
from app.conversations.people import People
from app.conversations.picking import Picker
from app.conversations.ports import MessageOutbox, Topics
from app.conversations.ratings import Ratings
from app.conversations.records import Signal
from app.conversations.routing import Router
from app.conversations.search import Search
from app.conversations.service import ConversationService
from app.conversations.settings import SettingsStore
from app.conversations.sweep import ConversationSweep
from app.kit.clock import Clock
from app.kit.mongo import Database
from app.kit.sealed import SealedText
from app.kit.sealed_files import SealedFiles
from app.kit.vault import Vault
from app.language.packs import Pack
from app.language.romanise import Romanisers
from app.webhooks.models import Publish

INDEXES = (
    *people.INDEXES,
    *canned.INDEXES,
    *search.INDEXES,
    *attachments.INDEXES,
    *callbacks.INDEXES,
    *access.INDEXES,
)


@dataclass(frozen=True, slots=True)
class Inbox:
    """What the doors of the inbox, the handoff and the ingestion of messages share."""

    settings: SettingsStore
    people: People
    desk: Desk
    listing: Listing
    search: Search
    canned: CannedReplies
    attachments: Attachments
    callbacks: Callbacks
    ratings: Ratings
    router: Router
    access: AccessLog
    sweep: ConversationSweep
    romanisers: Romanisers
    picker: Picker


def make_inbox(
    *,
    database: Database,
    vault: Vault,
    files_dir: Path,
    members: MemberService,
    conversations: ConversationService,
    deadlines: Deadlines,
    outbox: MessageOutbox,
    packs: Mapping[str, Pack],
    ledger: ConsentLedger,
    topics: Topics,
    audit: AuditLog,
    clock: Clock,
    signal: Signal,
    publish: Publish,
) -> Inbox:
    """Builds the inbox of one process; `signal` tells consoles, `publish` the tenants' own servers."""
    sealed = SealedText(vault)
    crew = People(database, members, audit, clock)
    romanisers = Romanisers(packs)
    router = Router(conversations, crew, deadlines, outbox, packs, romanisers, audit, database, clock)
    finder = Search(database, sealed, vault, clock)
    return Inbox(
        settings=deadlines.settings,
        people=crew,
        desk=Desk(conversations, crew, audit, clock),
        listing=Listing(database, sealed, clock),
        search=finder,
        canned=CannedReplies(database, audit),
        attachments=Attachments(database, sealed, SealedFiles(vault, files_dir), clock),
        callbacks=Callbacks(database, audit, clock, signal, publish),
        ratings=Ratings(conversations, outbox, packs, romanisers, audit, clock),
        router=router,
        access=AccessLog(database, audit, clock),
        sweep=ConversationSweep(database, conversations, router, finder, audit, clock),
        romanisers=romanisers,
        picker=Picker(conversations, outbox, ledger, packs, topics, audit),
    )
