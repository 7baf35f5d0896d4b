"""What may go to a customer at this moment: free text by window and opt-out, and from which number of the tenant."""

from datetime import datetime

from prometheus_client import Counter

from app.compliance.models import ConsentChannel
from app.compliance.suppression import Suppressions
from app.conversations.models import Conversation
from app.conversations.ports import FreeEntry
from app.errors import AppError, Conflict, Unprocessable
from app.kit.clock import Clock
from app.tenants.credentials import CredentialService
from app.tenants.models import WhatsAppCredentials
from whatsapp.windows import Windows


class Permission:
    """Reads windows, opt-outs and credentials; writes nothing.

    Attributes:
        refusals: Counts what the rules refused, by code.
    """

    def __init__(
        self, windows: Windows, credentials: CredentialService, suppressions: Suppressions, clock: Clock
    ) -> None:
        self._windows = windows
        self._credentials = credentials
        self._suppressions = suppressions
        self._clock = clock
        self.refusals = Counter(
            "vaanisetu_whatsapp_refusals_total", "Messages refused by the rules", ("code",), registry=None
        )

    def count(self, refusal: Conflict) -> None:
        """Counts a refusal by its rule."""
        self.refusals.labels(refusal.code).inc()

    async def check_reachable(self, conversation: Conversation) -> None:
        """Checks that the person has not opted out of everything.

        Raises:
            Conflict: They have (`opted_out`).
        """
        if await self._suppressions.is_suppressed(
            conversation.tenant_id, conversation.address, ConsentChannel.WHATSAPP
        ):
            refusal = _opted_out()
            self.count(refusal)
            raise refusal

    async def check_text(self, tenant_id: str, phone: str, business_number: str | None = None) -> None:
        """Checks that free text may go to a person now; what is refused is counted.

        Raises:
            Conflict: `window_closed` or `opted_out`.
            Unprocessable: The tenant has no WhatsApp number.
        """
        refusal = await self.text_refusal(tenant_id, phone, business_number)
        if refusal is not None:
            if isinstance(refusal, Conflict):
                self.count(refusal)
            raise refusal

    async def text_refusal(self, tenant_id: str, phone: str, business_number: str | None = None) -> AppError | None:
        """Returns why free text may not go to a person now from a number of the tenant; None: it may.

        After an opt-out only a question that the customer wrote later may be answered.
        """
        credentials = await self.sending(tenant_id, business_number)
        if credentials is None:
            return Unprocessable(
                "the tenant has no WhatsApp number; PUT /v1/credentials/whatsapp first", code="no_whatsapp_number"
            )
        window = await self._windows.get(tenant_id, credentials.phone_number_id, phone)
        if not window.is_open(self._clock.now()):
            return Conflict(
                "the customer wrote more than 24 hours ago, or never: only an approved template may be sent",
                code="window_closed",
            )
        suppression = await self._suppressions.find(tenant_id, phone, ConsentChannel.WHATSAPP)
        if suppression is not None and (window.last_inbound_at is None or window.last_inbound_at <= suppression.since):
            return _opted_out()
        return None

    async def window_expires_at(
        self, tenant_id: str, phone: str, business_number: str | None = None
    ) -> datetime | None:
        """Returns when the contact's window shuts (or shut), None if it never opened."""
        credentials = await self.sending(tenant_id, business_number)
        if credentials is None:
            return None
        return (await self._windows.get(tenant_id, credentials.phone_number_id, phone)).expires_at

    async def free_entry(self, tenant_id: str, phone: str, business_number: str | None = None) -> FreeEntry | None:
        """Returns by which advertisement or button the contact came last; None: by none. It permits no free text."""
        credentials = await self.sending(tenant_id, business_number)
        if credentials is None:
            return None
        point = await self._windows.entries.get(tenant_id, credentials.phone_number_id, phone)
        if point.came_at is None:
            return None
        return FreeEntry(point.source or "", point.source_id or "", point.came_at, point.answer_by, point.free_until)

    async def number(self, conversation: Conversation) -> str | None:
        """Returns Meta's id of the number that a conversation is answered from."""
        credentials = await self.sending(conversation.tenant_id, conversation.business_number)
        return credentials.phone_number_id if credentials else None

    async def account(self, conversation: Conversation) -> str | None:
        """Returns Meta's id of the business account of that number, where it is known."""
        credentials = await self.sending(conversation.tenant_id, conversation.business_number)
        return credentials.business_account_id if credentials else None

    async def sending(self, tenant_id: str, business_number: str | None) -> WhatsAppCredentials | None:
        """Returns the number that was written to, or the tenant's first where that one is not theirs any more."""
        own = await self._credentials.whatsapp(tenant_id, business_number)
        return own if own is not None or business_number is None else await self._credentials.whatsapp(tenant_id)


def _opted_out() -> Conflict:
    return Conflict("the customer opted out of WhatsApp messages", code="opted_out")
