"""Finds the tenant of a ringing number, with the carrier account it came through."""

from app.agents.phone_numbers import PhoneNumberService
from app.calls.ports import NumberRoute
from app.tenants.credentials import CredentialService


class NumberDirectory:
    """Implements `app.calls.ports.Numbers` over the tenants' numbers and Plivo accounts."""

    def __init__(self, numbers: PhoneNumberService, credentials: CredentialService) -> None:
        self._numbers = numbers
        self._credentials = credentials

    async def resolve(self, e164: str) -> NumberRoute | None:
        """Returns where calls of this number go; None if it is not ours or its tenant has no Plivo account."""
        entry = await self._numbers.find(e164)
        if entry is None:
            return None
        account = await self._credentials.plivo(entry.tenant_id)
        if account is None:
            return None
        return NumberRoute(entry.tenant_id, entry.agent_id, entry.number, account.auth_id, account.auth_token)
