"""What follows a customer's message: opt-out before everything, a wish to be called, a rating, the bot's answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from app.compliance.suppression import EVERY_CHANNEL, Suppressions
from app.conversations.callbacks import Callbacks
from app.conversations.models import Author, Contact, Conversation, Message, Owner
from app.conversations.ratings import Ratings
from app.conversations.routing import Routed, Router
from app.conversations.service import ConversationService
from app.errors import AppError, Conflict
from app.language.packs import Pack
from app.language.render import render
from whatsapp.opt_ins import OptIns
from whatsapp.optout import Command, OptOutWords, normal_form, opt_out_words
from whatsapp.ports import ChatBrain, ChatReply
from whatsapp.service import WhatsAppOutbox

CALL_WORD = "call"
"""The whole message that the template `missed_call` asks for, in every language."""
_LONGEST = 4096
_CUSTOMER = "customer"
_log = structlog.get_logger(__name__)


class Following:
    """Does what must follow, once per message; called while the conversation is held."""

    def __init__(
        self,
        conversations: ConversationService,
        outbox: WhatsAppOutbox,
        suppressions: Suppressions,
        packs: Mapping[str, Pack],
        brain: ChatBrain,
        router: Router,
        ratings: Ratings,
        callbacks: Callbacks,
        opt_ins: OptIns,
    ) -> None:
        self._conversations = conversations
        self._outbox = outbox
        self._suppressions = suppressions
        self._packs = packs
        self._brain = brain
        self._router = router
        self._ratings = ratings
        self._callbacks = callbacks
        self._opt_ins = opt_ins

    async def rated(self, contact: Contact, text: str) -> Conversation | None:
        """Keeps a rating and returns the resolved conversation it is of; None: the message is an ordinary one."""
        return await self._ratings.take(contact, text)

    async def thank(self, conversation: Conversation, message: Message) -> None:
        """Thanks for a rating; the conversation stays as resolved as it was."""
        await self._ratings.thank(conversation, message.message_id)
        await self._conversations.note(conversation, {"unread": 0, "waiting_since": None, "due_at": None})

    async def follow(self, conversation: Conversation, message: Message, said: str | None, answerable: bool) -> None:
        """Does what must follow an inbound message: opt-out before the bot, and the bot only while it owns.

        Args:
            conversation: As held.
            message: As stored.
            said: The customer's own words in it; None: it has none.
            answerable: Whether it opened the window.
        """
        if said is not None and await self.obey(conversation, message, said):
            return
        agreed = await self._opt_ins.take(conversation, message, said) if said is not None else None
        if agreed is not None:
            await self._send(conversation, message, agreed.confirmation, last_words=True)
        elif said is not None and normal_form(said) == CALL_WORD:
            await self._call_back(conversation, message)
        elif conversation.owner is Owner.BOT and answerable:
            await self._answer(conversation, message, said)

    async def obey(self, conversation: Conversation, message: Message, said: str) -> bool:
        """Obeys a whole-message STOP or START, for every address of the person; returns whether it was one."""
        command = self._words().command(said)
        if command is None:
            return False
        evidence = {"message_id": message.message_id, "provider_id": message.provider_id, "words": said}
        contact = await self._conversations.contact(conversation.tenant_id, conversation.contact_id)
        addresses = dict.fromkeys((conversation.address, *await self._conversations.addresses(contact)))
        if command is Command.STOP:
            await self._stop(conversation, message, said, list(addresses), evidence)
        else:
            for address in addresses:
                for channel in EVERY_CHANNEL:
                    await self._suppressions.restore(conversation.tenant_id, address, channel, evidence)
        return True

    async def _stop(
        self,
        conversation: Conversation,
        message: Message,
        said: str,
        addresses: Sequence[str],
        evidence: Mapping[str, Any],
    ) -> None:
        """Opts out of every channel, as the approved confirmation says, and confirms once."""
        language = self._language(conversation, said)
        tenant_id = conversation.tenant_id
        added = [
            await self._suppressions.opt_out(tenant_id, address, EVERY_CHANNEL, evidence, language=language)
            for address in addresses
        ]
        if any(added) and language is not None:
            text = self._packs[language].disclosures["opt_out_confirmation"].text
            await self._outbox.add_opt_out_confirmation(
                conversation, text=text, idempotency_key=f"stop:{message.message_id}"
            )

    async def _call_back(self, conversation: Conversation, message: Message) -> None:
        contact = await self._conversations.contact(conversation.tenant_id, conversation.contact_id)
        try:
            await self._callbacks.ask(conversation, contact.phone, at=None, reason="asked_in_chat", asked_by=_CUSTOMER)
        except AppError as error:
            _log.info("whatsapp.callback_not_kept", tenant_id=conversation.tenant_id, code=error.code)
            if conversation.owner is Owner.BOT:
                await self._answer(conversation, message, message.text)
            return
        pack = self._pack(conversation)
        await self._send(conversation, message, render(pack, "handoff_callback_done"), last_words=True)

    def _words(self) -> OptOutWords:
        """Returns the stop and start words of the packs that serve."""
        return opt_out_words(tuple(self._packs.values()))

    def _language(self, conversation: Conversation, text: str) -> str | None:
        """Returns the conversation's language if a pack speaks it, else the one whose stop word this is."""
        if conversation.language in self._packs:
            return conversation.language
        own = (tag for tag, pack in self._packs.items() if opt_out_words((pack,)).command(text) is Command.STOP)
        return next(own, next(iter(self._packs), None))

    async def _answer(self, conversation: Conversation, message: Message, said: str | None) -> None:
        reply = (
            await self._reply(conversation, said)
            if said is not None
            else self._apology(conversation, "media_unsupported")
        )
        text = "\n".join(line.strip() for line in reply.says if line.strip())
        if text and reply.opted_out:
            await self._outbox.add_opt_out_confirmation(
                conversation, text=text[:_LONGEST], idempotency_key=f"stop:{message.message_id}"
            )
            text = ""
        routed = await self._routed(conversation, reply.hand_over) if reply.hand_over is not None else None
        current = routed.conversation if routed is not None else conversation
        waits = routed.waiting if routed is not None else conversation.desk.wants_person_since is not None
        if text and waits and conversation.desk.told_waiting_at is None:
            text = await self._with_expectation(current, text)
        if text:
            await self._send(current, message, text, last_words=reply.hand_over is not None)

    async def _routed(self, conversation: Conversation, reason: str) -> Routed | None:
        """Looks for a person; None where somebody took the conversation meanwhile."""
        fresh = await self._conversations.get(conversation.tenant_id, conversation.conversation_id)
        try:
            return await self._router.route(fresh, reason)
        except Conflict:
            return None

    async def _with_expectation(self, conversation: Conversation, text: str) -> str:
        expected = await self._router.expectation(conversation)
        if expected is None:
            return text
        await self._router.told(conversation)
        return f"{text}\n{expected}"

    async def _send(self, conversation: Conversation, message: Message, text: str, *, last_words: bool) -> None:
        try:
            await self._outbox.add_text(
                conversation,
                text=text[:_LONGEST],
                author=Author.BOT,
                idempotency_key=f"reply:{message.message_id}",
                last_words=last_words,
            )
        except Conflict as error:
            _log.info("whatsapp.reply_not_allowed", tenant_id=conversation.tenant_id, reason=error.code)

    async def _reply(self, conversation: Conversation, text: str) -> ChatReply:
        try:
            return await self._brain.reply(conversation, text)
        except AppError as error:
            _log.error("whatsapp.brain_failed", tenant_id=conversation.tenant_id, code=error.code)
            words = () if error.code == "no_agent" else self._apology(conversation, "internal_error").says
            return ChatReply(words, error.code)

    def _apology(self, conversation: Conversation, key: str) -> ChatReply:
        return ChatReply((self._pack(conversation).errors[key],))

    def _pack(self, conversation: Conversation) -> Pack:
        return self._packs.get(conversation.language or "") or next(iter(self._packs.values()))
