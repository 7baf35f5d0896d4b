"""Sends one outbox row: checks the rules again, calls the Graph API, and writes down what came of it."""

from collections.abc import Mapping
from datetime import timedelta

import structlog

from app.compliance.models import ConsentChannel
from app.compliance.suppression import Suppressions
from app.conversations.models import Owner, Reach
from app.conversations.ports import OutboxState
from app.conversations.service import ConversationService
from app.errors import Conflict, NotFound
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.language.packs import Pack
from app.tenants.credentials import CredentialService
from app.tenants.models import WhatsAppCredentials
from whatsapp.failures import Failure, Remedy
from whatsapp.models import Kind, OutboxRow
from whatsapp.outbox import OutboxStore
from whatsapp.sender import Accepted, GraphSender, NotSent, OutcomeUnknown
from whatsapp.service import DISPATCH, WhatsAppOutbox, filled, outbound_message
from whatsapp.windows import Windows

_log = structlog.get_logger(__name__)
_MAX_ATTEMPTS = 5
_RETRY_SECONDS = (2, 10, 60, 300)
_SLOW_RETRY_SECONDS = (6, 60, 600, 3600)
_STRANDED = timedelta(seconds=60)


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
        packs: Mapping[str, Pack],
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._windows = windows
        self._sender = sender
        self._conversations = conversations
        self._credentials = credentials
        self._suppressions = suppressions
        self._packs = packs
        self._jobs = jobs
        self._clock = clock

    async def dispatch(self, tenant_id: str, outbox_id: str) -> None:
        """Sends the row if it is still queued."""
        row = await self._store.claim(tenant_id, outbox_id)
        if row is None:
            return
        credentials = await self._credentials.whatsapp(tenant_id)
        if credentials is None:
            await self._fail(row, "no_whatsapp_number")
            return
        barred = await self._barred(row)
        if barred is not None:
            await self._fail(row, barred)
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

        A queued row is enqueued again; one that was being sent may have left, so it becomes `unknown`.
        """
        rows = await self._store.stranded(_STRANDED)
        for row in rows:
            if row.state is OutboxState.QUEUED:
                await self._jobs.enqueue(DISPATCH, {"tenant_id": row.tenant_id, "outbox_id": row.outbox_id})
            else:
                await self._store.advance(row.tenant_id, row.outbox_id, OutboxState.UNKNOWN)
        return len(rows)

    async def _barred(self, row: OutboxRow) -> str | None:
        """Returns why the row may not leave any more, by what holds at this moment."""
        if row.kind is Kind.TEMPLATE:
            suppressed = await self._suppressions.is_suppressed(row.tenant_id, row.phone, ConsentChannel.WHATSAPP)
            return "opted_out" if suppressed else None
        if row.kind is Kind.TEXT:
            try:
                await self._outbox.check_text(row.tenant_id, row.phone)
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
        if row.kind is not Kind.TEMPLATE:
            return await self._sender.send_text(credentials, to=to, text=row.text, tracker=row.outbox_id)
        refusal = NotSent("the row holds no template version", Failure(0, Remedy.GIVE_UP, "template_not_approved"))
        for version in row.versions:
            text = filled(self._packs[version.language].whatsapp_templates[row.template or ""], version.values)
            await self._store.trying(row, version.language, text)
            try:
                return await self._sender.send_template(
                    credentials,
                    to=to,
                    name=row.template or "",
                    language_code=version.code,
                    parameters=version.values,
                    tracker=row.outbox_id,
                )
            except NotSent as error:
                if error.failure.remedy is not Remedy.NEXT_LANGUAGE:
                    raise
                refusal = error
        raise refusal

    async def _refused(self, row: OutboxRow, credentials: WhatsAppCredentials, failure: Failure) -> None:
        slowly = failure.remedy is Remedy.RETRY_SLOWLY
        if (slowly or failure.remedy is Remedy.RETRY) and row.attempts < _MAX_ATTEMPTS:
            pauses = _SLOW_RETRY_SECONDS if slowly else _RETRY_SECONDS
            pause = pauses[min(row.attempts, len(pauses)) - 1]
            if await self._store.requeue(row, failure.name, failure.code):
                payload = {"tenant_id": row.tenant_id, "outbox_id": row.outbox_id}
                await self._jobs.enqueue(DISPATCH, payload, delay_seconds=pause)
            return
        await self.learn(row, credentials.phone_number_id, failure)
        await self._fail(row, failure.name, failure.code)

    async def learn(self, row: OutboxRow, phone_number_id: str, failure: Failure) -> None:
        """Keeps what a refusal tells beyond the message itself, whether it came as answer or as status."""
        if failure.remedy is Remedy.CLOSE_WINDOW:
            await self._windows.meta_refused(row.tenant_id, phone_number_id, row.phone)
        elif failure.remedy is Remedy.UNREACHABLE:
            contact = await self._conversations.contact_for(row.tenant_id, row.phone)
            await self._conversations.note_contact(row.tenant_id, contact.contact_id, whatsapp=Reach.NO)
        elif failure.remedy is Remedy.SUPPRESS:
            evidence = {"source": "meta", "code": failure.code, "outbox_id": row.outbox_id}
            await self._suppressions.opt_out(row.tenant_id, row.phone, [ConsentChannel.WHATSAPP], evidence)
        elif failure.remedy is Remedy.ALERT:
            _log.error(
                "whatsapp.account_needs_attention", tenant_id=row.tenant_id, code=failure.code, name=failure.name
            )

    async def _fail(self, row: OutboxRow, failure: str, error_code: int | None = None) -> None:
        await self._store.advance(
            row.tenant_id, row.outbox_id, OutboxState.FAILED, failure=failure, error_code=error_code
        )
        _log.warning(
            "whatsapp.not_sent", tenant_id=row.tenant_id, outbox_id=row.outbox_id, reason=failure, code=error_code
        )

    async def show(self, tenant_id: str, outbox_id: str, wa_id: str | None = None) -> None:
        """Puts what Meta took into the conversation, as the customer reads it; repeating it changes nothing."""
        row = await self._store.get(tenant_id, outbox_id)
        if row is None:
            return
        conversation = await self._conversations.get(tenant_id, row.conversation_id)
        await self._conversations.append(conversation, outbound_message(row, conversation, self._clock.now()))
        contact = await self._conversations.contact_for(tenant_id, row.phone)
        if wa_id is not None and wa_id != contact.wa_id:
            await self._conversations.note_contact(tenant_id, contact.contact_id, wa_id=wa_id)
