"""How content customers were: asked once after a conversation is resolved, in the open window; the answer is kept."""

import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from app.audit.log import AuditLog
from app.conversations.models import Author, Contact, Conversation, Status
from app.conversations.ports import MessageOutbox
from app.conversations.service import ConversationService
from app.errors import AppError
from app.kit.clock import Clock
from app.language.packs import Pack
from app.language.render import error_text
from app.language.romanise import Romanisers

ANSWERED_WITHIN: Final = timedelta(hours=24)
BEST: Final = 5
_STARS: Final = frozenset("⭐★*")
_log = structlog.get_logger(__name__)


def rating_in(text: str) -> int | None:
    """Returns the 1 to 5 that a whole message is: a digit of any script, such as "4", "४" or "4/5", or that many stars.

    Anything more is a message, not a rating.
    """
    bare = "".join(unicodedata.normalize("NFKC", text).split()).rstrip(".!।").replace("\ufe0f", "")
    bare = bare.removesuffix("/5") if len(bare) == 3 else bare
    if len(bare) == 1 and unicodedata.category(bare) == "Nd":
        value = unicodedata.digit(bare)
        return value if 1 <= value <= BEST else None
    if bare and set(bare) <= _STARS and len(bare) <= BEST:
        return len(bare)
    return None


class Ratings:
    """Asks and keeps."""

    def __init__(
        self,
        conversations: ConversationService,
        outbox: MessageOutbox,
        packs: Mapping[str, Pack],
        romanisers: Romanisers,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._outbox = outbox
        self._packs = packs
        self._romanisers = romanisers
        self._audit = audit
        self._clock = clock

    async def ask(self, conversation: Conversation) -> bool:
        """Asks the customer of a resolved conversation, if the window is open and they were not asked yet.

        Returns:
            Whether the question is on its way. Never raises for a message that cannot be sent.
        """
        pack = self._pack(conversation)
        if pack is None or conversation.desk.rating_asked_at is not None:
            return False
        try:
            shut = await self._outbox.window_expires_at(
                conversation.tenant_id, conversation.address, conversation.business_number
            )
            if shut is None or shut <= self._clock.now():
                return False
            text = self._text(pack, conversation, "rate_us")
            key = f"rating:{conversation.conversation_id}"
            await self._outbox.add_text(
                conversation, text=text, author=Author.BOT, idempotency_key=key, last_words=True
            )
        except AppError as error:
            _log.info("ratings.not_asked", tenant_id=conversation.tenant_id, code=error.code)
            return False
        await self._conversations.note(conversation, {"rating_asked_at": self._clock.now()})
        return True

    async def take(self, contact: Contact, text: str) -> Conversation | None:
        """Keeps a rating, if this message is one and its writer was asked.

        Args:
            contact: Who wrote.
            text: The whole message.

        Returns:
            The conversation that was rated, also when the same rating comes again; None: an ordinary message.
        """
        value = rating_in(text)
        if value is None:
            return None
        asked = await self._conversations.last_asked(contact, self._clock.now() - ANSWERED_WITHIN)
        if asked is None or asked.status is not Status.CLOSED or asked.desk.rating not in (None, value):
            return None
        if asked.desk.rating == value:
            return asked
        await self._conversations.note(asked, {"rating": value})
        await self._conversations.changed(asked.tenant_id, asked.conversation_id, "rating")
        data = {"rating": value}
        await self._audit.record(asked.tenant_id, "customer", "conversation.rated", asked.conversation_id, data)
        return asked

    async def thank(self, conversation: Conversation, message_id: str) -> None:
        """Thanks for a rating; one message, inside the window that the rating opened."""
        pack = self._pack(conversation)
        if pack is None:
            return
        try:
            await self._outbox.add_text(
                conversation,
                text=self._text(pack, conversation, "rating_thanks"),
                author=Author.BOT,
                idempotency_key=f"thanks:{message_id}",
                last_words=True,
            )
        except AppError as error:
            _log.info("ratings.not_thanked", tenant_id=conversation.tenant_id, code=error.code)

    def _pack(self, conversation: Conversation) -> Pack | None:
        return self._packs.get(conversation.language or "") or next(iter(self._packs.values()), None)

    def _text(self, pack: Pack, conversation: Conversation, key: str) -> str:
        text = error_text(pack, key)
        return self._romanisers.romanise(pack.tag, text) if conversation.desk.writes_latin else text
