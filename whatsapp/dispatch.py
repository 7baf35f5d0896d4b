"""Sends one outbox row: checks the rules again, calls the Graph API, and writes down what came of it."""

import contextlib
import math
from datetime import datetime, timedelta

import structlog

from app.compliance.models import ConsentChannel
from app.compliance.suppression import Suppressions
from app.conversations.models import Author, Owner, Reach
from app.conversations.ports import OutboxState
from app.conversations.service import ConversationService
from app.errors import Conflict, NotFound
from app.kit.clock import Clock
from app.kit.jobs import MAX_DELAY_SECONDS, Jobs
from app.tenants.credentials import CredentialService
from app.tenants.models import WhatsAppCredentials
from whatsapp.costs.ledger import Costs
from whatsapp.entry_point import EntryPoint
from whatsapp.failures import Failure, Remedy
from whatsapp.holds import Holds
from whatsapp.marketing import MarketingConsent
from whatsapp.models import Kind, OutboxRow
from whatsapp.outbox import OutboxStore
from whatsapp.outgoing import OutgoingFiles
from whatsapp.pacing import Pacing
from whatsapp.sender import Accepted, GraphSender, NotSent, OutcomeUnknown
from whatsapp.service import DISPATCH, WhatsAppOutbox
from whatsapp.templates.components import message_components, rendered
from whatsapp.templates.models import Template
from whatsapp.templates.standing import Templates
from whatsapp.viewing import outbound_message
from whatsapp.windows import Windows

_log = structlog.get_logger(__name__)
_STRANDED = timedelta(seconds=60)
_LEFT = frozenset({OutboxState.SENT, OutboxState.DELIVERED, OutboxState.READ, OutboxState.PLAYED})


class Dispatcher:
    """Carries rows out; run by the job `whatsapp.dispatch`, once per row however often it is called."""

    def __init__(
        self,
        store: OutboxStore,
        outbox: WhatsAppOutbox,
        windows: Windows,
        sender: GraphSender,
        conversations: ConversationService,
        credentials: CredentialService,
        suppressions: Suppressions,
        templates: Templates,
        costs: Costs,
        holds: Holds,
        files: OutgoingFiles,
        jobs: Jobs,
        clock: Clock,
        pacing: Pacing | None = None,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._windows = windows
        self._sender = sender
        self._files = files
        self._conversations = conversations
        self._credentials = credentials
        self._suppressions = suppressions
        self._marketing = MarketingConsent(suppressions, conversations)
        self._templates = templates
        self._costs = costs
        self._holds = holds
        self._jobs = jobs
        self._clock = clock
        self._pacing = pacing

    async def dispatch(self, tenant_id: str, outbox_id: str) -> None:
        """Sends the row if it is still queued and no older one of its conversation is; then calls the next one up."""
        if await self._store.must_wait(tenant_id, outbox_id) or await self._too_fast(tenant_id, outbox_id):
            return
        row = await self._store.claim(tenant_id, outbox_id)
        if row is None:
            return
        await self._carry(row)
        current = await self._store.get(tenant_id, outbox_id)
        if current is not None and current.state is OutboxState.QUEUED:
            return
        waiting = await self._store.next_of(tenant_id, row.conversation_id)
        if waiting is not None:
            await self._jobs.enqueue(DISPATCH, {"tenant_id": tenant_id, "outbox_id": waiting})

    async def _too_fast(self, tenant_id: str, outbox_id: str) -> bool:
        """Returns whether the number or the person has to be spared for a while; the row's job then comes again."""
        row = await self._store.get(tenant_id, outbox_id)
        if row is None or row.state is not OutboxState.QUEUED:
            return False
        credentials = await self._credentials.whatsapp(tenant_id, row.business_number)
        if credentials is None:
            return False
        pause = await self._pause_seconds(row, credentials)
        if pause == 0:
            return False
        await self._store.postpone(row, timedelta(seconds=pause))
        payload = {"tenant_id": tenant_id, "outbox_id": outbox_id}
        await self._jobs.enqueue(DISPATCH, payload, delay_seconds=pause)
        return True

    async def _pause_seconds(self, row: OutboxRow, credentials: WhatsAppCredentials) -> int:
        """Returns how long the row has to wait; one that Meta refused itself keeps to its own pauses."""
        hold = await self._holds.standing(row.tenant_id, credentials) if row.error_code is None else None
        if hold is not None and hold.until is not None:
            left = math.ceil((hold.until - self._clock.now()).total_seconds())
            return max(1, min(left, MAX_DELAY_SECONDS))
        number, pacing = credentials.phone_number_id, self._pacing
        return await pacing.pause_seconds(row.tenant_id, number, row.phone) if pacing is not None else 0

    async def _carry(self, row: OutboxRow) -> None:
        tenant_id, outbox_id = row.tenant_id, row.outbox_id
        credentials = await self._credentials.whatsapp(tenant_id, row.business_number)
        if credentials is None:
            await self._fail(row, "no_whatsapp_number")
            return
        hold = await self._holds.standing(tenant_id, credentials)
        if hold is not None and hold.until is None:
            await self._fail(row, hold.failure, hold.error_code)
            return
        barred = await self._barred(row)
        if barred is not None:
            await self._fail(row, barred)
            return
        if not await self._store.leaves(row):
            return
        try:
            accepted = await self._send(row, credentials)
        except OutcomeUnknown as error:
            await self._store.advance(tenant_id, outbox_id, OutboxState.UNKNOWN)
            _log.warning("whatsapp.outcome_unknown", tenant_id=tenant_id, outbox_id=outbox_id, reason=error.detail)
            return
        except NotSent as error:
            await self._refused(row, credentials, error.failure)
            return
        await self._store.accepted(row, accepted.wamid)
        await self.show(tenant_id, outbox_id, accepted.wa_id)

    async def sweep(self) -> int:
        """Takes up rows that a lost worker left behind; returns how many.

        A queued row is enqueued again, as is one whose worker was lost before the request went out. One that may have
        left becomes `unknown`.
        """
        rows = await self._store.stranded(_STRANDED)
        for row in rows:
            if row.state is OutboxState.QUEUED or await self._store.take_back(row):
                await self._jobs.enqueue(DISPATCH, {"tenant_id": row.tenant_id, "outbox_id": row.outbox_id})
            else:
                await self._store.advance(row.tenant_id, row.outbox_id, OutboxState.UNKNOWN)
        return len(rows)

    async def _barred(self, row: OutboxRow) -> str | None:
        """Returns why the row may not leave any more, by what holds at this moment."""
        if row.kind is Kind.TEMPLATE:
            suppressed = await self._suppressions.is_suppressed(row.tenant_id, row.phone, ConsentChannel.WHATSAPP)
            return "opted_out" if suppressed else None
        if row.kind in (Kind.TEXT, Kind.FILE):
            try:
                await self._outbox.check_text(row.tenant_id, row.phone, row.business_number)
            except Conflict as error:
                return error.code
        if row.owner_version is not None:
            try:
                conversation = await self._conversations.get(row.tenant_id, row.conversation_id)
            except NotFound:
                return "conversation_gone"
            if conversation.owner is not Owner.BOT or conversation.owner_version != row.owner_version:
                return "person_took_over"
        return None

    async def _send(self, row: OutboxRow, credentials: WhatsAppCredentials) -> Accepted:
        to = row.phone.removeprefix("+")
        if row.kind is Kind.FILE:
            return await self._files.send(row, credentials, to)
        if row.kind is not Kind.TEMPLATE:
            return await self._sender.send_text(credentials, to=to, text=row.text, tracker=row.outbox_id)
        return await self._send_template(row, credentials, to)

    async def _send_template(self, row: OutboxRow, credentials: WhatsAppCredentials, to: str) -> Accepted:
        """Sends the first of the row's templates that may leave at this moment; what Meta refuses is passed over."""
        refused: dict[tuple[str, str], Failure] = {}
        while True:
            choice = await self._templates.choose(row, credentials.business_account_id, refused)
            facts, version = choice.template.facts, choice.version
            await self._check_marketing(row, choice.template)
            text = rendered(facts, version.values)
            await self._store.trying(row, version.language, text, facts.name)
            try:
                return await self._sender.send_template(
                    credentials,
                    to=to,
                    name=facts.name,
                    language_code=facts.language,
                    components=message_components(facts, version.values),
                    tracker=row.outbox_id,
                )
            except NotSent as error:
                if error.failure.remedy not in (Remedy.NEXT_LANGUAGE, Remedy.ALTERNATE):
                    raise
                await self._templates.refused_by_meta(choice.template, error.failure)
                refused[choice.key] = error.failure

    async def _check_marketing(self, row: OutboxRow, template: Template) -> None:
        try:
            await self._marketing.check(row.tenant_id, row.conversation_id, row.phone, template)
        except Conflict as error:
            raise NotSent(error.detail, Failure(0, Remedy.REFUSE, error.code)) from error

    async def _refused(self, row: OutboxRow, credentials: WhatsAppCredentials, failure: Failure) -> None:
        if row.attempts <= len(failure.pauses_seconds):
            pause = failure.pauses_seconds[row.attempts - 1]
            await self._holds.slow_down(row.tenant_id, credentials, failure, pause)
            if await self._store.requeue(row, failure.name, failure.code, timedelta(seconds=pause)):
                payload = {"tenant_id": row.tenant_id, "outbox_id": row.outbox_id}
                await self._jobs.enqueue(DISPATCH, payload, delay_seconds=pause)
            return
        await self.learn(row, credentials.phone_number_id, failure)
        await self._fail(row, failure.name, failure.code)
        if row.kind is Kind.TEMPLATE and row.author is Author.BOT and failure.name.startswith("template_"):
            await self._call_a_person(row, failure.name)

    async def _call_a_person(self, row: OutboxRow, reason: str) -> None:
        """Gives a bot's conversation to a person, as no template reaches the customer."""
        conversation = await self._conversations.get(row.tenant_id, row.conversation_id)
        if conversation.owner is Owner.BOT:
            with contextlib.suppress(Conflict):
                await self._conversations.hand_to(conversation, Owner.PERSON, reason=reason)

    async def learn(self, row: OutboxRow, phone_number_id: str, failure: Failure) -> None:
        """Keeps what a refusal tells beyond the message itself, whether it came as answer or as status."""
        if failure.remedy is Remedy.CLOSE_WINDOW:
            await self._windows.meta_refused(row.tenant_id, phone_number_id, row.phone)
        elif failure.remedy is Remedy.UNREACHABLE:
            conversation = await self._conversations.get(row.tenant_id, row.conversation_id)
            await self._conversations.note_contact(row.tenant_id, conversation.contact_id, whatsapp=Reach.NO)
        elif failure.remedy is Remedy.NO_MARKETING:
            evidence = {"source": "meta", "code": failure.code, "outbox_id": row.outbox_id}
            for address in await self._marketing.addresses(row.tenant_id, row.conversation_id, row.phone):
                await self._suppressions.no_marketing(row.tenant_id, address, ConsentChannel.WHATSAPP, evidence)
        elif failure.remedy in (Remedy.ALERT, Remedy.FREEZE):
            _log.error(
                "whatsapp.account_needs_attention", tenant_id=row.tenant_id, code=failure.code, name=failure.name
            )
            credentials = await self._credentials.whatsapp(row.tenant_id, phone_number_id)
            if credentials is not None:
                await self._holds.needs_a_person(row.tenant_id, credentials, failure, row.outbox_id)
        elif failure.remedy in (Remedy.ALTERNATE, Remedy.NEXT_LANGUAGE):
            credentials = await self._credentials.whatsapp(row.tenant_id, phone_number_id)
            if credentials is not None and credentials.business_account_id is not None:
                await self._templates.refused_later(row, credentials.business_account_id, failure)

    async def _fail(self, row: OutboxRow, failure: str, error_code: int | None = None) -> None:
        await self._store.advance(
            row.tenant_id, row.outbox_id, OutboxState.FAILED, failure=failure, error_code=error_code
        )
        _log.warning(
            "whatsapp.not_sent", tenant_id=row.tenant_id, outbox_id=row.outbox_id, reason=failure, code=error_code
        )

    async def show(self, tenant_id: str, outbox_id: str, wa_id: str | None = None, at: datetime | None = None) -> None:
        """Puts what Meta took, and its cost, into the conversation; repeating it changes nothing.

        Args:
            tenant_id: Whose.
            outbox_id: Which message.
            wa_id: The customer as Meta knows them.
            at: Meta's time of the status; None: now.
        """
        row = await self._store.get(tenant_id, outbox_id)
        if row is None:
            return
        await self._bill(row, at or self._clock.now())
        try:
            message = await self._conversations.message_of_outbox(tenant_id, outbox_id)
        except NotFound:
            conversation = await self._conversations.get(tenant_id, row.conversation_id)
            new = outbound_message(row, conversation, self._clock.now())
            message, _ = await self._conversations.append(conversation, new)
        if row.wamid is not None and row.wamid != message.provider_id:
            await self._conversations.note_provider_id(tenant_id, outbox_id, row.wamid)
        if wa_id is not None and wa_id.isdigit():
            await self._note_wa_id(row, wa_id)

    async def _bill(self, row: OutboxRow, at: datetime) -> None:
        """Keeps what a message cost; the first that left in time opens the free entry point of its customer."""
        point = EntryPoint()
        if row.business_number is not None and row.state in _LEFT:
            point = await self._windows.entries.answered(row.tenant_id, row.business_number, row.phone, at)
        await self._costs.note(row, at, free_entry=point.is_free(at))

    async def _note_wa_id(self, row: OutboxRow, wa_id: str) -> None:
        conversation = await self._conversations.get(row.tenant_id, row.conversation_id)
        contact = await self._conversations.contact(row.tenant_id, conversation.contact_id)
        if wa_id != contact.wa_id:
            await self._conversations.note_contact(row.tenant_id, contact.contact_id, wa_id=wa_id)
