"""Templates in the hand of a person: which fit a conversation, filled in and previewed, and the sending of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.audit.log import AuditLog
from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Decision, Purpose
from app.conversations.models import Author, Conversation
from app.conversations.ports import MessageOutbox, Topics
from app.conversations.service import ConversationService
from app.errors import Conflict, FieldError, Unprocessable
from app.language.packs import Pack

LONGEST_VALUE: Final = 200
_ENTITY, _TOPIC = "entity", "topic"


@dataclass(frozen=True, slots=True)
class Choice:
    """A template in one language, as it would be sent.

    Attributes:
        name: The template's name in the packs.
        language: BCP-47.
        params: What {{1}}, {{2}} ... stand for.
        values: What is known of them; "" where the person has to say.
        body: As Meta approved it, with the placeholders.
    """

    name: str
    language: str
    params: tuple[str, ...]
    values: tuple[str, ...]
    body: str

    def preview(self, values: Sequence[str] | None = None) -> str:
        """Returns what the customer would read; values that are missing show their names."""
        text = self.body
        for place, name in enumerate(self.params):
            given = (values if values is not None else self.values)[place : place + 1]
            text = text.replace(f"{{{{{place + 1}}}}}", next(iter(given), "") or f"[{name}]")
        return text


class Picker:
    """Offers templates for a conversation and sends the one that was picked."""

    def __init__(
        self,
        conversations: ConversationService,
        outbox: MessageOutbox,
        ledger: ConsentLedger,
        packs: Mapping[str, Pack],
        topics: Topics,
        audit: AuditLog,
    ) -> None:
        self._conversations = conversations
        self._outbox = outbox
        self._ledger = ledger
        self._packs = packs
        self._topics = topics
        self._audit = audit

    async def choices(self, conversation: Conversation, entity_name: str, languages: Sequence[str]) -> list[Choice]:
        """Returns the templates that Meta has approved, those in the customer's language first.

        Args:
            conversation: For whom.
            entity_name: Who writes, as templates name it.
            languages: The tenant's, in its order.
        """
        snapshots = await self._conversations.snapshots(conversation.tenant_id, conversation.conversation_id)
        call = snapshots[-1].context if snapshots else None
        own = self._packs.get(conversation.language or "")
        chain = (conversation.language, *(own.manifest.fallback if own else ()), *languages)
        choices = []
        for tag in dict.fromkeys(tag for tag in chain if tag is not None and tag in self._packs):
            topic = self._topics.phrase(tag, call.intent if call else None, call.slots if call else {})
            known = {_ENTITY: entity_name, _TOPIC: topic}
            for template in self._packs[tag].templates.values():
                body = await self._outbox.approved_body(conversation, name=template.name, language=tag)
                if body is not None:
                    values = tuple(known.get(name, "") for name in template.params)
                    choices.append(Choice(template.name, tag, template.params, values, body))
        return choices

    async def send(
        self, conversation: Conversation, choice: Choice, values: Sequence[str], actor: str, key: str
    ) -> str:
        """Queues a template that a person picked; repeated with the same key it is the same message.

        Nobody may write first to somebody who never agreed: without an open window the ledger must hold consent.

        Returns:
            The outbox id.

        Raises:
            Conflict: The customer opted out (`opted_out`) or never agreed to such messages (`no_consent`), or the
                template is not approved any more (`template_not_approved`).
            Unprocessable: A value is missing or too long, or the tenant has no WhatsApp number.
        """
        _check(choice, values)
        tenant_id, conversation_id = conversation.tenant_id, conversation.conversation_id
        refusal = await self._outbox.text_refusal(tenant_id, conversation.address, conversation.business_number)
        if refusal is not None and refusal.code != "window_closed":
            raise refusal
        if refusal is not None and not await self._agreed(conversation):
            detail = "the customer has not agreed to WhatsApp messages: ask on a call first, or wait until they write"
            raise Conflict(detail, code="no_consent")
        outbox_id = await self._outbox.add_template(
            conversation,
            name=choice.name,
            parameters={choice.language: tuple(values)},
            idempotency_key=key,
            author=Author.PERSON,
        )
        message = await self._conversations.message_of_outbox(tenant_id, outbox_id)
        await self._conversations.note_author(tenant_id, message.message_id, actor)
        data = {"outbox_id": outbox_id, "template": choice.name, "language": choice.language}
        await self._audit.record(tenant_id, actor, "conversation.template_sent", conversation_id, data)
        return outbox_id

    async def _agreed(self, conversation: Conversation) -> bool:
        latest = await self._ledger.latest(
            conversation.tenant_id, conversation.address, ConsentChannel.WHATSAPP, Purpose.SERVICE
        )
        return latest is not None and latest.decision is Decision.GRANTED


def picked(choices: Sequence[Choice], name: str, language: str) -> Choice:
    """Returns the choice of this name and language.

    Raises:
        Unprocessable: It is not among them; the detail says which are.
    """
    for choice in choices:
        if (choice.name, choice.language) == (name, language):
            return choice
    offered = ", ".join(sorted({f"{choice.name} ({choice.language})" for choice in choices})) or "none"
    detail = f"must be one of: {offered}"
    raise Unprocessable(
        "this template is not offered here", code="template_unknown", errors=[FieldError("/body/name", detail)]
    )


def _check(choice: Choice, values: Sequence[str]) -> None:
    wrong = [
        FieldError(f"/body/values/{place}", f"{name} must have 1 to {LONGEST_VALUE} letters")
        for place, name in enumerate(choice.params)
        if not 1 <= len((values[place] if place < len(values) else "").strip()) <= LONGEST_VALUE
    ]
    if len(values) > len(choice.params):
        wrong.append(FieldError("/body/values", f"must be {len(choice.params)} values"))
    if wrong:
        raise Unprocessable("a value does not fit the template", code="template_values", errors=wrong)
