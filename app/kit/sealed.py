"""Text as the store holds it: sealed under the tenant's data key, readable by nobody without it."""

import base64
import binascii

from app.errors import AppError
from app.kit.vault import Vault


class SealedText:
    """Turns words into sealed text that the store can hold, and back."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def seal(self, tenant_id: str, owner_id: str, text: str) -> str:
        """Returns `text` sealed.

        Args:
            tenant_id: Under whose key.
            owner_id: The id of the document that holds it; it opens nowhere else.
            text: The words.
        """
        return base64.b64encode(await self._vault.seal(tenant_id, text.encode(), owner_id.encode())).decode()

    async def open(self, tenant_id: str, owner_id: str, sealed: str) -> str:
        """Returns the words.

        Raises:
            AppError: `seal_broken`: changed, or another document's.
            NotFound: The tenant was forgotten.
        """
        try:
            content = base64.b64decode(sealed, validate=True)
        except (binascii.Error, ValueError) as error:
            raise AppError("the sealed content is not one", code="seal_broken") from error
        return (await self._vault.open(tenant_id, content, owner_id.encode())).decode()
