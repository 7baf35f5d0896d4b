"""Which template may leave for a purpose: approved, of its category, in the customer's language, and consented to."""

import contextlib
from collections.abc import Mapping, Sequence

from app.conversations.models import Author, Conversation, Owner
from app.conversations.service import ConversationService
from app.errors import Conflict, Unprocessable
from app.language.packs import Pack
from whatsapp.marketing import MarketingConsent
from whatsapp.models import TemplateVersion
from whatsapp.permission import Permission
from whatsapp.templates.components import rendered
from whatsapp.templates.door import Choice, TemplateDoor


class TemplateChoice:
    """Chooses templates for the outbox.

    Args:
        permission: From which number, and account, a conversation is answered.
        conversations: Where a person is called when nothing may leave.
        packs: BCP-47 tag -> pack.
        door: What Meta holds approved.
        marketing: Who agreed to marketing.
    """

    def __init__(
        self,
        permission: Permission,
        conversations: ConversationService,
        packs: Mapping[str, Pack],
        door: TemplateDoor,
        marketing: MarketingConsent,
    ) -> None:
        self._permission = permission
        self._conversations = conversations
        self._packs = packs
        self._door = door
        self._marketing = marketing

    def versions(self, name: str, parameters: Mapping[str, Sequence[str]]) -> list[TemplateVersion]:
        """Returns the values of a template by language, cleaned.

        Raises:
            Unprocessable: They do not fit the template of a language.
        """
        return [self._version(name, language, values) for language, values in parameters.items()]

    async def choose(
        self, conversation: Conversation, name: str, versions: Sequence[TemplateVersion], author: Author
    ) -> Choice:
        """Returns what may leave; where nothing may, a person has to reach the customer in another way.

        Raises:
            Conflict: Nothing may (`template_not_approved`), or it is marketing that the person does not want
                (`no_consent`, `opted_out_at_meta`).
        """
        account_id = await self._permission.account(conversation)
        try:
            choice = await self._door.choose(conversation.tenant_id, account_id, name, versions)
        except Conflict as error:
            if author is Author.BOT and conversation.owner is Owner.BOT:
                with contextlib.suppress(Conflict):
                    await self._conversations.hand_to(conversation, Owner.PERSON, reason=error.code)
            self._permission.count(error)
            raise
        try:
            await self._marketing.check(
                conversation.tenant_id, conversation.conversation_id, conversation.address, choice.template
            )
        except Conflict as error:
            self._permission.count(error)
            raise
        return choice

    async def approved_body(self, conversation: Conversation, *, name: str, language: str) -> str | None:
        """Returns what would leave for a purpose in a language, with its placeholders; None: nothing may now."""
        pack = self._packs[language]
        examples = pack.templates[name].examples
        version = TemplateVersion(language, pack.manifest.whatsapp_code, examples)
        account_id = await self._permission.account(conversation)
        try:
            choice = await self._door.choose(conversation.tenant_id, account_id, name, [version])
        except Conflict:
            return None
        return rendered(choice.template.facts, [f"{{{{{place}}}}}" for place in range(1, len(examples) + 1)])

    def _version(self, name: str, language: str, values: Sequence[str]) -> TemplateVersion:
        pack = self._packs[language]
        body = pack.whatsapp_templates[name]
        expected = sum(f"{{{{{place}}}}}" in body for place in range(1, 10))
        cleaned = tuple(" ".join(value.split()) for value in values)
        if len(cleaned) != expected or not all(cleaned):
            raise Unprocessable(f"template {name} in {language} takes {expected} values, none of them empty")
        return TemplateVersion(language, pack.manifest.whatsapp_code, cleaned)
