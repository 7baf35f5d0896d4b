"""What is known, when somebody rings, of whether they may be written to on WhatsApp."""

import re
from typing import Final

from app.compliance.consent import ConsentLedger
from app.compliance.models import ConsentChannel, Purpose
from app.compliance.suppression import Suppressions
from app.conversations.ports import MessageOutbox
from app.dialogue.turn import WhatsAppStanding
from app.kit.clock import Clock

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")


class WhatsAppStandings:
    """Reads the ledger, the opt-outs and the tenant's WhatsApp number.

    Args:
        ledger: Consents.
        suppressions: Opt-outs.
        outbox: Knows whether the tenant can write at all.
        clock: Time, for grants that end.
    """

    def __init__(self, ledger: ConsentLedger, suppressions: Suppressions, outbox: MessageOutbox, clock: Clock) -> None:
        self._ledger = ledger
        self._suppressions = suppressions
        self._outbox = outbox
        self._clock = clock

    async def of(self, tenant_id: str, number: str) -> WhatsAppStanding:
        """Returns where a caller stands.

        Args:
            tenant_id: Whose caller.
            number: E.164; anything else is a withheld number, to which nothing can be written.
        """
        if not _E164.fullmatch(number) or not await self._outbox.is_configured(tenant_id):
            return WhatsAppStanding.CLOSED
        if await self._suppressions.is_suppressed(tenant_id, number, ConsentChannel.WHATSAPP):
            return WhatsAppStanding.CLOSED
        entry = await self._ledger.latest(tenant_id, number, ConsentChannel.WHATSAPP, Purpose.SERVICE)
        if entry is None:
            return WhatsAppStanding.UNASKED
        return WhatsAppStanding.AGREED if entry.holds_at(self._clock.now()) else WhatsAppStanding.DECLINED
