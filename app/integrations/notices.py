"""Tells a caller on WhatsApp what became of a request that a call left open, if a window or a template allows it."""

import re
from collections.abc import Mapping
from typing import Final

import structlog

from app.agents.service import AgentService
from app.conversations.models import Author, Contact
from app.conversations.ports import MessageOutbox, Topics
from app.conversations.service import ConversationService
from app.errors import AppError, Conflict, NotFound
from app.integrations.ledger import WriteOrder
from app.kit.clock import Clock
from app.language.packs import Pack
from app.language.render import render

TEMPLATE: Final = "request_update"
_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_log = structlog.get_logger(__name__)


class Notices:
    """Goes the way of all messages: the contact's conversation, its 24-hour window, the durable outbox."""

    def __init__(
        self,
        agents: AgentService,
        conversations: ConversationService,
        outbox: MessageOutbox,
        packs: Mapping[str, Pack],
        topics: Topics,
        clock: Clock,
    ) -> None:
        self._agents = agents
        self._conversations = conversations
        self._outbox = outbox
        self._packs = packs
        self._topics = topics
        self._clock = clock

    async def tell(self, order: WriteOrder, outcome: str, idempotency_key: str) -> bool:
        """Sends one message; returns whether one is on its way. Never raises for a message that cannot be sent.

        Args:
            order: The request.
            outcome: `request_done`, `request_refused` or `request_failed`, responses of the packs.
            idempotency_key: Names the message.

        Raises:
            Unavailable: The store or the queue does not answer.
        """
        if not _E164.fullmatch(order.caller) or not await self._outbox.is_configured(order.tenant_id):
            return False
        contact = await self._conversations.contact_for(order.tenant_id, order.caller)
        try:
            await self._send(contact, order, outcome, idempotency_key)
        except AppError as error:
            if error.retryable:
                raise
            _log.warning("notice.not_sent", tenant_id=order.tenant_id, code=error.code)
            return False
        return True

    async def _send(self, contact: Contact, order: WriteOrder, outcome: str, key: str) -> None:
        conversation = await self._conversations.open_for(contact, agent_id=order.agent_id)
        spoken = (contact.language, conversation.language, await self._default_language(order))
        first = next(tag for tag in (*spoken, *self._packs) if tag is not None and tag in self._packs)
        shut = await self._outbox.window_expires_at(order.tenant_id, conversation.address, conversation.business_number)
        if shut is not None and shut > self._clock.now():
            try:
                text = self._text(first, order, outcome)
                await self._outbox.add_text(conversation, text=text, author=Author.BOT, idempotency_key=key)
                return
            except Conflict as error:
                if error.code != "window_closed":
                    raise
        chain = dict.fromkeys((first, *self._packs[first].manifest.fallback))
        parameters = {
            tag: (self._topic(tag, order), render(self._packs[tag], outcome))
            for tag in chain
            if tag in self._packs and TEMPLATE in self._packs[tag].whatsapp_templates
        }
        if not parameters:
            raise Conflict(f"no pack has the template {TEMPLATE}", code="no_template")
        await self._outbox.add_template(conversation, name=TEMPLATE, parameters=parameters, idempotency_key=key)

    async def _default_language(self, order: WriteOrder) -> str | None:
        try:
            return (await self._agents.get(order.tenant_id, order.agent_id)).default_language
        except NotFound:
            return None

    def _text(self, language: str, order: WriteOrder, outcome: str) -> str:
        """Returns the template's words, as a free text."""
        pack = self._packs[language]
        values = (self._topic(language, order), render(pack, outcome))
        body = pack.whatsapp_templates[TEMPLATE]
        return body.replace("{{1}}", values[0]).replace("{{2}}", values[1])

    def _topic(self, language: str, order: WriteOrder) -> str:
        slots = {name: str(value) for name, value in order.arguments.items()}
        return self._topics.phrase(language, order.tool, slots)
