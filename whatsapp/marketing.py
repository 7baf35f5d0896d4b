"""Whether a template may leave by its category: marketing needs consent of its own, that nobody withdrew since."""

from typing import Final

from app.compliance.models import ConsentChannel, Decision
from app.compliance.suppression import Suppressions
from app.conversations.service import ConversationService
from app.errors import Conflict, NotFound
from whatsapp.templates.models import Category, Template

WITHDRAWN: Final = "opted_out_at_meta"
NEVER_AGREED: Final = "no_consent"
_BY_META: Final = frozenset({"meta", "user_preferences"})


class MarketingConsent:
    """Asks the ledger when a template is written and again when it leaves.

    Args:
        suppressions: Who wants no marketing.
        conversations: Knows a person's addresses.
    """

    def __init__(self, suppressions: Suppressions, conversations: ConversationService) -> None:
        self._suppressions = suppressions
        self._conversations = conversations

    async def check(self, tenant_id: str, conversation_id: str, address: str, template: Template) -> None:
        """Lets a template through that is no marketing, or that the person agreed to.

        Source: facts of the platform: 131050 and `user_preferences` suppress marketing; behaviour 22: consent to calls
        or service is none to marketing.

        Raises:
            Conflict: They withdrew it (`opted_out_at_meta` where they did so in WhatsApp itself, else `no_consent`), or
                never agreed (`no_consent`).
        """
        if template.facts.category is not Category.MARKETING:
            return
        held = await self._suppressions.marketing(
            tenant_id, await self.addresses(tenant_id, conversation_id, address), ConsentChannel.WHATSAPP
        )
        if held is not None and held.decision is Decision.GRANTED:
            return
        what = f"{template.facts.name} is a MARKETING template, and the customer"
        instead = "a UTILITY template about their own matter may go"
        if held is None:
            raise Conflict(f"{what} never agreed to marketing on WhatsApp; {instead}", code=NEVER_AGREED)
        code = WITHDRAWN if held.evidence.get("source") in _BY_META else NEVER_AGREED
        raise Conflict(f"{what} withdrew consent to marketing on {held.at:%Y-%m-%d}; {instead}", code=code)

    async def addresses(self, tenant_id: str, conversation_id: str, address: str) -> tuple[str, ...]:
        """Returns every address of the person of a conversation, the given one first."""
        try:
            conversation = await self._conversations.get(tenant_id, conversation_id)
        except NotFound:
            return (address,)
        contact = await self._conversations.contact(tenant_id, conversation.contact_id)
        return tuple(dict.fromkeys((address, *await self._conversations.addresses(contact))))
