"""Builds what takes in Meta's updates: the ingestion, what it hands messages to, and the fetching of their files."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.compliance.consent import ConsentLedger
from app.compliance.suppression import Suppressions
from app.conversations.inbox import Inbox
from app.conversations.service import ConversationService
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.language.packs import Pack
from app.tenants.credentials import CredentialService
from whatsapp.account import AccountUpdates
from whatsapp.dispatch import Dispatcher
from whatsapp.fetching import MediaFetcher
from whatsapp.following import Following
from whatsapp.graph_media import GraphMedia
from whatsapp.inbox import RawInbox
from whatsapp.ingest import Ingest
from whatsapp.media import MediaFetches
from whatsapp.opt_ins import OptIns
from whatsapp.outbox import OutboxStore
from whatsapp.ports import ChatBrain, VoiceNotes
from whatsapp.receiving import Receiving
from whatsapp.service import WhatsAppOutbox
from whatsapp.windows import Windows


@dataclass(frozen=True, slots=True)
class Intake:
    """Everything that updates of Meta's touch, but the mind that answers."""

    raw: RawInbox
    account: AccountUpdates
    conversations: ConversationService
    windows: Windows
    store: OutboxStore
    outbox: WhatsAppOutbox
    dispatcher: Dispatcher
    ledger: ConsentLedger
    suppressions: Suppressions
    credentials: CredentialService
    packs: Mapping[str, Pack]
    inbox: Inbox
    fetches: MediaFetches
    media: GraphMedia
    notes: VoiceNotes
    opt_ins: OptIns
    jobs: Jobs
    clock: Clock

    def receiving(self, brain: ChatBrain) -> Receiving:
        """Returns what takes messages, answered by `brain`."""
        following = Following(
            self.conversations,
            self.outbox,
            self.suppressions,
            self.packs,
            brain,
            self.inbox.router,
            self.inbox.ratings,
            self.inbox.callbacks,
            self.opt_ins,
        )
        return Receiving(self.conversations, self.windows, self.store, following, self.fetches)

    def ingest(self, brain: ChatBrain) -> Ingest:
        """Returns the ingestion of webhooks."""
        return Ingest(
            self.raw,
            self.conversations,
            self.store,
            self.dispatcher,
            self.ledger,
            self.receiving(brain),
            self.account,
            self.jobs,
            self.clock,
        )

    def fetcher(self, brain: ChatBrain) -> MediaFetcher:
        """Returns the fetching of files."""
        return MediaFetcher(
            self.fetches,
            self.media,
            self.credentials,
            self.conversations,
            self.inbox.attachments,
            self.receiving(brain),
            self.notes,
        )
