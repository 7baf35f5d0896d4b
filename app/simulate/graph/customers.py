"""What customers do at the Graph stand-in: write, send files, react, correct, take back, read, change their number."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.simulate.graph.config import GraphConfig
from app.simulate.graph.media import RECEIVED_FOR, MediaShelf, kind_of
from app.simulate.graph.state import Bubble, GraphState
from app.simulate.graph.updates import Person, inbound

_SILENT = frozenset({"reaction", "edit", "revoke", "system", "unsupported"})


class Customers(ABC):
    """The people's half of the stand-in; each act queues the signed webhook that Meta would send."""

    config: GraphConfig
    state: GraphState
    media: MediaShelf

    @abstractmethod
    def now(self) -> datetime:
        """Returns Meta's time."""

    @property
    @abstractmethod
    def first_number(self) -> str:
        """The business number that a person writes to who wrote to none yet."""

    @abstractmethod
    def tell(self, raw: bytes) -> None:
        """Queues a webhook."""

    @abstractmethod
    def webhook(self, phone_number_id: str, **value: Any) -> bytes:
        """Returns the bytes of one webhook."""

    @abstractmethod
    def tell_status(self, bubble: Bubble, person: Person, state: str, error: int | None = None) -> None:
        """Queues the webhook of a status."""

    def customer_writes(self, phone_number_id: str, wa_id: str, text: str) -> str:
        """Queues the webhook of an inbound text and returns its message id."""
        return self.customer_sends(phone_number_id, wa_id, "text", {"body": text}, shown=text)

    def customer_sends(
        self,
        phone_number_id: str,
        wa_id: str,
        kind: str,
        part: Any,
        *,
        shown: str = "",
        context: str | None = None,
    ) -> str:
        """Queues the webhook of an inbound message of any kind and returns its message id.

        Args:
            phone_number_id: To which number.
            wa_id: Who.
            kind: Meta's `type`.
            part: The member of that name.
            shown: What the phone shows; "": nothing.
            context: The message that it answers.
        """
        now, wamid = self.now(), f"wamid.{secrets.token_hex(16).upper()}"
        if kind not in _SILENT or (kind == "reaction" and self.config.unknowns.reaction_opens_window):
            self.state.last_inbound[phone_number_id, wa_id] = now
        media_id = part.get("id") if isinstance(part, Mapping) else None
        if kind not in _SILENT:
            bubble = Bubble(wamid, False, shown, now, phone_number_id, kind=kind, media_id=media_id)
            self.state.phones.setdefault(wa_id, []).append(bubble)
        content: dict[str, Any] = {"type": kind, kind: part}
        if context is not None:
            content["context"] = {"id": context}
        value = inbound(self.state.person(wa_id), wamid, now, self.config.unknowns.tells_user_ids, content)
        self.tell(self.webhook(phone_number_id, **value))
        return wamid

    def customer_sends_file(
        self,
        phone_number_id: str,
        wa_id: str,
        content: bytes,
        mime_type: str,
        *,
        name: str = "file",
        caption: str = "",
        voice: bool = False,
    ) -> str:
        """Queues the webhook of a file, whose id expires in 7 days, and returns its message id."""
        file = self.media.keep(phone_number_id, content, mime_type, name, self.now() + RECEIVED_FOR)
        kind = kind_of(mime_type) or "document"
        part: dict[str, Any] = {"id": file.media_id, "mime_type": mime_type, "sha256": file.sha256}
        if kind == "audio":
            part["voice"] = voice
        elif caption:
            part["caption"] = caption
        if kind == "document":
            part["filename"] = name
        return self.customer_sends(phone_number_id, wa_id, kind, part, shown=caption or name)

    def customer_reacts(self, wa_id: str, wamid: str, emoji: str) -> str:
        """Queues the webhook of a reaction to a message on the phone; returns the reaction's id.

        Raises:
            KeyError: There is no such message.
        """
        found = self.state.bubble(wamid)
        if found is None:
            raise KeyError(wamid)
        self.state.react(wamid, False, emoji)
        part = {"message_id": wamid, "emoji": emoji}
        return self.customer_sends(found[1].phone_number_id, wa_id, "reaction", part)

    def customer_edits(self, phone_number_id: str, wa_id: str, wamid: str, text: str) -> str:
        """Queues the webhook of a correction of an earlier text; returns its id."""
        message = {"type": "text", "text": {"body": text}}
        part = {"original_message_id": wamid, "message": message}
        return self.customer_sends(phone_number_id, wa_id, "edit", part)

    def customer_takes_back(self, phone_number_id: str, wa_id: str, wamid: str) -> str:
        """Queues the webhook of a message that is deleted for everybody; returns its id."""
        return self.customer_sends(phone_number_id, wa_id, "revoke", {"original_message_id": wamid})

    def customer_reads(self, wa_id: str) -> int:
        """Queues `read` for what was delivered since; returns how many messages that were."""
        person = self.state.person(wa_id)
        unread = [
            bubble
            for bubble in self.state.phones.get(wa_id, [])
            if bubble.from_business and self.state.progress.get(bubble.wamid) == "delivered"
        ]
        for bubble in unread:
            self.tell_status(bubble, person, "read")
        return len(unread)

    def customer_changes_number(self, phone_number_id: str, wa_id: str, new_wa_id: str) -> str:
        """Queues the system message of a changed number; the person gets another business-scoped id."""
        before = self.state.person(wa_id)
        after = replace(before, wa_id=new_wa_id, generation=before.generation + 1)
        part = {"body": f"User changed from {wa_id} to {new_wa_id}", "wa_id": new_wa_id, "type": "user_changed_number"}
        wamid = self.customer_sends(phone_number_id, wa_id, "system", {**part, "user_id": after.user_id})
        del self.state.people[wa_id]
        self.state.people[new_wa_id] = after
        return wamid
