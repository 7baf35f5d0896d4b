"""What every page of the inbox needs at hand: the viewer, the tenant's rooms, names of people and languages, times."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Request

from app.auth.models import AuthSubject
from app.console.texts import Texts, texts_of
from app.console.when import Times
from app.conversations.doors import clock_of, conversations_of, inbox_of, outbox_of
from app.conversations.inbox import Inbox
from app.conversations.models import Conversation, Owner, is_phone
from app.conversations.ports import MessageOutbox
from app.conversations.service import ConversationService
from app.language.packs import Pack


@dataclass(frozen=True, slots=True)
class View:
    """One request's view of a tenant's inbox.

    Attributes:
        subject: The member, with what their role may do.
        inbox: The rooms behind it.
        conversations: The store of conversations.
        outbox: The way out.
        packs: BCP-47 tag -> pack, for names of languages.
        times: Writes times.
        texts: The viewer's language.
        now: Aware.
    """

    subject: AuthSubject
    inbox: Inbox
    conversations: ConversationService
    outbox: MessageOutbox
    packs: Mapping[str, Pack]
    times: Times
    texts: Texts
    now: datetime

    @property
    def tenant_id(self) -> str:
        """Whose inbox."""
        return self.subject.tenant_id

    @property
    def may_write(self) -> bool:
        """Whether the viewer may change conversations."""
        return self.subject.may("conversations:write")

    def language(self, tag: str | None) -> str:
        """Returns a language's own name; "" where none is known."""
        if tag is None:
            return ""
        pack = self.packs.get(tag)
        return pack.manifest.native_name if pack is not None else tag

    async def person(self, member_id: str | None) -> str:
        """Returns what to call somebody: "You" for the viewer."""
        if member_id == self.subject.key_id:
            return self.texts("owner.me")
        return await self.inbox.people.name_of(self.tenant_id, member_id)

    async def owner(self, conversation: Conversation) -> str:
        """Returns who answers."""
        if conversation.owner is Owner.BOT:
            return self.texts("owner.bot")
        if conversation.desk.assignee_id is None:
            return self.texts("owner.nobody")
        return await self.person(conversation.desk.assignee_id)

    async def customer(self, conversation: Conversation) -> tuple[str, str]:
        """Returns the customer's name, and the number where one is known."""
        contact = await self.conversations.contact(self.tenant_id, conversation.contact_id)
        number = conversation.address if is_phone(conversation.address) else contact.phone or ""
        return contact.name or number or self.texts("conversation.without_number"), number


async def view_of(request: Request, subject: AuthSubject) -> View:
    """Returns the view of a request."""
    inbox, now, texts = inbox_of(request), clock_of(request).now(), texts_of(request)
    rules = await inbox.settings.get(subject.tenant_id)
    services: Any = request.app.state.services
    return View(
        subject=subject,
        inbox=inbox,
        conversations=conversations_of(request),
        outbox=outbox_of(request),
        packs=services.packs,
        times=Times(rules.hours, now, texts),
        texts=texts,
        now=now,
    )
