"""Works off one raw webhook: every item by itself, repeatable, in the order rules, opt-out, answer."""

import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
import structlog

from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.compliance.suppression import EVERY_CHANNEL, Suppressions
from app.conversations.models import (
    Author,
    Channel,
    Conversation,
    Direction,
    Message,
    NewMessage,
    Owner,
    Reach,
)
from app.conversations.ports import OutboxState
from app.conversations.service import ConversationService
from app.errors import AppError, Conflict
from app.kit.clock import Clock
from app.kit.jobs import Jobs
from app.language.packs import Pack
from whatsapp.dispatch import Dispatcher
from whatsapp.failures import failure_of
from whatsapp.inbox import RawInbox
from whatsapp.optout import Command, OptOutWords
from whatsapp.outbox import OutboxStore
from whatsapp.payload import Item, ItemKind, items, opens_window, text_of
from whatsapp.ports import ChatBrain, ChatReply
from whatsapp.service import WhatsAppOutbox
from whatsapp.window import meta_time
from whatsapp.windows import Windows

INGEST = "whatsapp.ingest"
_STRANDED = timedelta(seconds=60)
_STATES = {
    "sent": OutboxState.SENT,
    "delivered": OutboxState.DELIVERED,
    "read": OutboxState.READ,
    "played": OutboxState.READ,
    "failed": OutboxState.FAILED,
}
_log = structlog.get_logger(__name__)


class Ingest:
    """Turns webhooks into messages, states and opt-outs; run by the job `whatsapp.ingest`."""

    def __init__(
        self,
        inbox: RawInbox,
        conversations: ConversationService,
        windows: Windows,
        store: OutboxStore,
        outbox: WhatsAppOutbox,
        dispatcher: Dispatcher,
        suppressions: Suppressions,
        ledger: ConsentLedger,
        packs: Mapping[str, Pack],
        brain: ChatBrain,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._inbox = inbox
        self._conversations = conversations
        self._windows = windows
        self._store = store
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._suppressions = suppressions
        self._ledger = ledger
        self._packs = packs
        self._words = OptOutWords.of(packs.values())
        self._brain = brain
        self._jobs = jobs
        self._clock = clock

    async def ingest(self, raw_id: str) -> None:
        """Works off a webhook; repeating it changes nothing.

        Raises:
            AppError: Some item met a passing failure; the job comes again, and the other items are done.
        """
        raw = await self._inbox.get(raw_id)
        if raw is None or raw.done:
            return
        problems: list[str] = []
        passing: AppError | None = None
        for item in items(orjson.loads(raw.body)):
            tenant_id = raw.routes.get(item.phone_number_id)
            if tenant_id is None:
                problems.append(f"{item.place}: belongs to no tenant that signed")
                continue
            try:
                await self._item(tenant_id, item)
            except AppError as error:
                passing = error if error.retryable else passing
                problems.append(f"{item.place}: {error.code}")
            except (KeyError, TypeError, ValueError) as error:
                problems.append(f"{item.place}: {type(error).__name__} {error}")
        if passing is not None:
            raise passing
        if problems:
            _log.warning("whatsapp.items_skipped", raw_id=raw_id, problems=problems[:20], count=len(problems))
        await self._inbox.finish(raw_id, problems)

    async def sweep(self) -> int:
        """Enqueues webhooks again that a lost worker left behind, and forgets old ones; returns how many were left."""
        stranded = await self._inbox.stranded(_STRANDED)
        for raw_id in stranded:
            await self._jobs.enqueue(INGEST, {"raw_id": raw_id})
        await self._inbox.forget()
        return len(stranded)

    async def _item(self, tenant_id: str, item: Item) -> None:
        if item.kind is ItemKind.MESSAGE:
            await self._message(tenant_id, item)
        elif item.kind is ItemKind.STATUS:
            await self._status(tenant_id, item)
        elif item.kind is ItemKind.PREFERENCE:
            await self._preference(tenant_id, item.body)

    async def _message(self, tenant_id: str, item: Item) -> None:
        body, wa_id = item.body, str(item.body["from"])
        wamid, sent_at = str(body["id"]), meta_time(str(body["timestamp"]))
        if not wa_id.isdigit():
            raise ValueError("the sender shows no telephone number")
        contact = await self._conversations.contact_for(tenant_id, f"+{wa_id}")
        await self._conversations.note_contact(
            tenant_id, contact.contact_id, wa_id=wa_id, name=item.name, whatsapp=Reach.YES
        )
        conversation = await self._conversations.open_for(contact)
        if opens_window(body):
            await self._windows.customer_wrote(tenant_id, item.phone_number_id, contact.phone, sent_at)
        text, own_words = text_of(body)
        new = NewMessage(
            channel=Channel.WHATSAPP,
            direction=Direction.INBOUND,
            author=Author.CUSTOMER,
            text=text,
            sent_at=sent_at,
            provider_id=wamid,
            handled=False,
            dedupe_key=f"wa:{item.phone_number_id}:{wamid}",
        )
        message, _ = await self._conversations.append(conversation, new)
        if message.handled:
            return
        async with self._conversations.exclusive(tenant_id, message.conversation_id) as held:
            if await self._conversations.is_handled(tenant_id, message.message_id):
                return
            await self._follow(held, message, own_words, opens_window(body))
            await self._conversations.mark_handled(tenant_id, message.message_id)

    async def _follow(self, conversation: Conversation, message: Message, own_words: bool, answerable: bool) -> None:
        """Does what must follow an inbound message: opt-out before the bot, and the bot only while it owns."""
        command = self._words.command(message.text) if own_words else None
        evidence = {"message_id": message.message_id, "provider_id": message.provider_id, "words": message.text}
        if command is Command.STOP:
            await self._stop(conversation, message, evidence)
        elif command is Command.START:
            for channel in EVERY_CHANNEL:
                await self._suppressions.restore(conversation.tenant_id, conversation.phone, channel, evidence)
        elif conversation.owner is Owner.BOT and answerable:
            await self._answer(conversation, message, own_words)

    async def _stop(self, conversation: Conversation, message: Message, evidence: Mapping[str, Any]) -> None:
        """Opts out of every channel, as the approved confirmation says, and confirms once."""
        language = self._language(conversation, message.text)
        added = await self._suppressions.opt_out(
            conversation.tenant_id, conversation.phone, EVERY_CHANNEL, evidence, language=language
        )
        if added and language is not None:
            text = self._packs[language].disclosures["opt_out_confirmation"].text
            await self._outbox.add_opt_out_confirmation(
                conversation, text=text, idempotency_key=f"stop:{message.message_id}"
            )

    def _language(self, conversation: Conversation, text: str) -> str | None:
        """Returns the conversation's language if a pack speaks it, else the one whose stop word this is."""
        if conversation.language in self._packs:
            return conversation.language
        own = (tag for tag, pack in self._packs.items() if OptOutWords.of([pack]).command(text) is Command.STOP)
        return next(own, next(iter(self._packs), None))

    async def _answer(self, conversation: Conversation, message: Message, own_words: bool) -> None:
        reply = (
            await self._reply(conversation, message.text)
            if own_words
            else self._apology(conversation, "media_unsupported")
        )
        text = "\n".join(line.strip() for line in reply.says if line.strip())
        if text and reply.opted_out:
            await self._outbox.add_opt_out_confirmation(
                conversation, text=text[:4096], idempotency_key=f"stop:{message.message_id}"
            )
        elif text:
            try:
                await self._outbox.add_text(
                    conversation,
                    text=text[:4096],
                    author=Author.BOT,
                    idempotency_key=f"reply:{message.message_id}",
                    last_words=reply.hand_over is not None,
                )
            except Conflict as error:
                _log.info("whatsapp.reply_not_allowed", tenant_id=conversation.tenant_id, reason=error.code)
        if reply.hand_over is not None:
            with contextlib.suppress(Conflict):
                await self._conversations.hand_to(conversation, Owner.PERSON, reason=reply.hand_over)

    async def _reply(self, conversation: Conversation, text: str) -> ChatReply:
        try:
            return await self._brain.reply(conversation, text)
        except AppError as error:
            _log.error("whatsapp.brain_failed", tenant_id=conversation.tenant_id, code=error.code)
            words = () if error.code == "no_agent" else self._apology(conversation, "internal_error").says
            return ChatReply(words, error.code)

    def _apology(self, conversation: Conversation, key: str) -> ChatReply:
        pack = self._packs.get(conversation.language or "") or next(iter(self._packs.values()))
        return ChatReply((pack.errors[key],))

    async def _status(self, tenant_id: str, item: Item) -> None:
        body = item.body
        wamid, state = str(body["id"]), _STATES.get(str(body["status"]))
        if state is None:
            return
        errors = body.get("errors") or [{}]
        code = int(errors[0].get("code", 0)) if state is OutboxState.FAILED else None
        tracker = body.get("biz_opaque_callback_data")
        row = await self._store.get(tenant_id, tracker) if isinstance(tracker, str) else None
        row = row or await self._store.by_wamid(tenant_id, wamid)
        if row is None:
            await self._store.park(tenant_id, wamid, state, code)
            return
        if row.wamid is None:
            await self._store.name(row, wamid)
        failure = failure_of(code) if code is not None else None
        pricing = body.get("pricing")
        changed = await self._store.advance(
            tenant_id,
            row.outbox_id,
            state,
            failure=failure.name if failure else None,
            error_code=code,
            pricing=pricing if isinstance(pricing, Mapping) else None,
        )
        if failure is not None and changed is not None:
            await self._dispatcher.learn(row, item.phone_number_id, failure)
        elif failure is None:
            await self._dispatcher.show(tenant_id, row.outbox_id)

    async def _preference(self, tenant_id: str, body: Mapping[str, Any]) -> None:
        """Meta's own switch for marketing messages: kept in the ledger."""
        withdrawn = str(body["value"]) == "stop"
        await self._ledger.record(
            tenant_id,
            f"+{body['wa_id']}",
            ConsentChannel.WHATSAPP,
            Purpose.MARKETING,
            Decision.WITHDRAWN if withdrawn else Decision.GRANTED,
            evidence={"source": "user_preferences", "timestamp": str(body.get("timestamp", ""))},
        )
