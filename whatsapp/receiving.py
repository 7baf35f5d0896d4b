"""Takes one message of a webhook: finds who wrote and where it belongs, keeps it, and lets follow what must."""

from typing import Any

from app.conversations.models import (
    Author,
    Channel,
    Contact,
    Direction,
    Media,
    MediaState,
    Message,
    MessageKind,
    NewMessage,
    Owner,
    Reach,
    Status,
    is_phone,
)
from app.conversations.service import ConversationService
from app.errors import Conflict, NotFound
from whatsapp.content import Change, Content, change_of, content_of, edited, emoji_of, opens_window
from whatsapp.entry_point import referred
from whatsapp.following import Following
from whatsapp.media import MediaFetches
from whatsapp.outbox import OutboxStore
from whatsapp.payload import Item
from whatsapp.window import meta_time
from whatsapp.windows import Windows

TARGET_UNKNOWN = "target_unknown"
_CHANGED_NUMBER = frozenset({"user_changed_number", "customer_changed_number"})


class Receiving:
    """Turns messages, corrections and echoes into the conversation; repeating any of them changes nothing."""

    def __init__(
        self,
        conversations: ConversationService,
        windows: Windows,
        store: OutboxStore,
        following: Following,
        fetches: MediaFetches,
    ) -> None:
        self._conversations = conversations
        self._windows = windows
        self._store = store
        self._following = following
        self._fetches = fetches

    async def message(self, tenant_id: str, item: Item) -> None:
        """Works off what a customer sent.

        Raises:
            NotFound: It changes a message that is not known, or not yet (`target_unknown`).
            ValueError: It names neither a number nor an id, or has no readable time.
        """
        change = change_of(item.body)
        if change is not None:
            await self._change(tenant_id, item, *change, Author.CUSTOMER)
        elif item.body.get("type") == "system":
            await self._system(tenant_id, item)
        else:
            await self._arrived(tenant_id, item)

    async def _arrived(self, tenant_id: str, item: Item) -> None:
        body, contact, address = item.body, *await self._writer(tenant_id, item, "from")
        sent_at, content = meta_time(str(body["timestamp"])), content_of(body)
        rated = await self._following.rated(contact, content.text) if content.own_words else None
        conversation = rated or await self._conversations.open_for(
            contact, address=address, business_number=item.phone_number_id
        )
        if opens_window(body):
            await self._windows.customer_wrote(tenant_id, item.phone_number_id, address, sent_at)
            if (source := referred(body)) is not None:
                await self._windows.entries.came(tenant_id, item.phone_number_id, address, sent_at, *source)
        new = _new(item, content, Direction.INBOUND, Author.CUSTOMER)
        message, _ = await self._conversations.append(conversation, new)
        if message.handled:
            return
        if message.media is not None and message.media.state is MediaState.PENDING:
            await self._fetches.add(tenant_id, message.message_id, item.phone_number_id, message.media)
            if message.kind is MessageKind.VOICE:
                return
        said = content.text if content.own_words else str(content.extra.get("caption", "")) or None
        await self.follow(tenant_id, message, said, opens_window(body), rated is not None)

    async def follow(
        self, tenant_id: str, message: Message, said: str | None, answerable: bool, rated: bool = False
    ) -> None:
        """Does what must follow a stored message, once.

        Args:
            tenant_id: Whose.
            message: As stored.
            said: The customer's own words in it: written, a caption, or heard in a voice note; None: it has none.
            answerable: Whether it opened the window.
            rated: Whether it was taken as a rating of a resolved conversation.
        """
        async with self._conversations.exclusive(tenant_id, message.conversation_id) as held:
            if await self._conversations.is_handled(tenant_id, message.message_id):
                return
            if rated:
                await self._following.thank(held, message)
            else:
                await self._following.follow(held, message, said, answerable)
            await self._conversations.mark_handled(tenant_id, message.message_id)

    async def echo(self, tenant_id: str, item: Item) -> None:
        """Works off what somebody of the business sent from the WhatsApp app itself: a person has taken over.

        Raises:
            NotFound: It changes a message that is not known, or not yet (`target_unknown`).
            ValueError: It names neither a number nor an id, or has no readable time.
        """
        change = change_of(item.body)
        if change is not None:
            await self._change(tenant_id, item, *change, Author.PERSON)
            return
        if await self._store.by_wamid(tenant_id, str(item.body["id"])) is not None:
            return
        contact, _ = await self._writer(tenant_id, item, "to")
        conversation = await self._conversations.open_for(contact, business_number=item.phone_number_id)
        if conversation.owner is Owner.BOT:
            try:
                await self._conversations.hand_to(conversation, Owner.PERSON, reason="answered_in_app")
            except Conflict:
                conversation = await self._conversations.get(tenant_id, conversation.conversation_id)
        content = content_of(item.body)
        message, _ = await self._conversations.append(
            conversation, _new(item, content, Direction.OUTBOUND, Author.PERSON)
        )
        if message.media is not None and message.media.state is MediaState.PENDING:
            await self._fetches.add(tenant_id, message.message_id, item.phone_number_id, message.media)

    async def renamed(self, tenant_id: str, item: Item) -> None:
        """Keeps that Meta gave a customer another business-scoped id; the contact stays the same."""
        told = item.body.get("user_id")
        ids = (told.get("previous"), told.get("current")) if isinstance(told, dict) else (None, item.bsuid)
        before, now = (value if isinstance(value, str) and value else None for value in ids)
        if now is None:
            raise ValueError("the update names no current user_id")
        phone = _phone(item.body.get("wa_id"))
        if phone is None and before is None:
            raise ValueError("the update names neither a number nor a previous user_id")
        contact = await self._conversations.contact_of_identities(tenant_id, phone, before)
        await self._conversations.also_known_as(contact, now)

    async def _change(self, tenant_id: str, item: Item, change: Change, target: str, author: Author) -> None:
        at = meta_time(str(item.body["timestamp"]))
        if change is Change.REACTION:
            known = await self._conversations.react(tenant_id, target, author, emoji_of(item.body), at)
        elif change is Change.EDIT:
            content = content_of(edited(item.body))
            known = await self._conversations.edit(tenant_id, target, content.text, at)
            if known and author is Author.CUSTOMER and content.own_words:
                await self._obey(tenant_id, target, content.text)
        else:
            known = await self._conversations.remove(tenant_id, target, at)
        if not known:
            raise NotFound(f"the {change} is of a message that is not known yet", code=TARGET_UNKNOWN)

    async def _obey(self, tenant_id: str, target: str, text: str) -> None:
        """Obeys a STOP or START that an edit brought."""
        message = await self._conversations.message_of_provider(tenant_id, target)
        async with self._conversations.exclusive(tenant_id, message.conversation_id) as held:
            await self._following.obey(held, message, text)

    async def _system(self, tenant_id: str, item: Item) -> None:
        """Keeps that a customer has another number or id. Nobody is written to at a number that has not written."""
        told = item.body.get("system")
        if not isinstance(told, dict):
            raise ValueError("the system message says nothing")
        contact, address = await self._writer(tenant_id, item, "from")
        current = told.get("user_id")
        if isinstance(current, str) and current:
            contact = await self._conversations.also_known_as(contact, current)
        number = _phone(told.get("wa_id") or told.get("new_wa_id"))
        if told.get("type") not in _CHANGED_NUMBER or number is None or number == address:
            return
        await self._conversations.linked(tenant_id, [address, number])
        found, _ = await self._conversations.page(
            tenant_id,
            limit=1,
            starting_after=None,
            query={"contact_id": contact.contact_id, "status": Status.OPEN.value},
        )
        for conversation in found:
            await self._conversations.append(conversation, self._number_changed(item, number))

    def _number_changed(self, item: Item, number: str) -> NewMessage:
        return NewMessage(
            channel=Channel.WHATSAPP,
            direction=Direction.INTERNAL,
            author=Author.SYSTEM,
            text="number_changed",
            sent_at=meta_time(str(item.body["timestamp"])),
            dedupe_key=f"wa:{item.phone_number_id}:{item.body['id']}",
            kind=MessageKind.EVENT,
            extra={"phone": number},
        )

    async def _writer(self, tenant_id: str, item: Item, field: str) -> tuple[Contact, str]:
        """Returns the customer of an item, and by which address they are reached: the one that was used just now."""
        shown: Any = item.body.get(field)
        phone = _phone(shown)
        bsuid = item.bsuid or (shown if isinstance(shown, str) and shown and phone is None else None)
        if phone is None and bsuid is None:
            raise ValueError("neither a telephone number nor a business-scoped id is shown")
        contact = await self._conversations.contact_of_identities(tenant_id, phone, bsuid)
        wa_id = phone.removeprefix("+") if phone else None
        if (item.name, wa_id or contact.wa_id, Reach.YES) != (contact.name, contact.wa_id, contact.whatsapp):
            await self._conversations.note_contact(
                tenant_id, contact.contact_id, wa_id=wa_id, name=item.name, whatsapp=Reach.YES
            )
        return contact, phone or bsuid or ""


def _phone(shown: Any) -> str | None:
    """Returns a number as Meta writes it, digits only, in E.164; None if it is none."""
    number = f"+{shown.removeprefix('+')}" if isinstance(shown, str) else ""
    return number if is_phone(number) else None


def _new(item: Item, content: Content, direction: Direction, author: Author) -> NewMessage:
    media: Media | None = content.media
    wamid = str(item.body["id"])
    return NewMessage(
        channel=Channel.WHATSAPP,
        direction=direction,
        author=author,
        text=content.text,
        sent_at=meta_time(str(item.body["timestamp"])),
        provider_id=wamid,
        handled=direction is not Direction.INBOUND,
        dedupe_key=f"wa:{item.phone_number_id}:{wamid}",
        kind=content.kind,
        media=media,
        extra=content.extra,
        reply_to=content.reply_to,
    )
