"""Files sealed under the tenant's data key, one folder per tenant; what is too large for the store lies here."""

import asyncio
import re
from pathlib import Path
from typing import Final

from app.errors import NotFound
from app.kit.vault import Vault

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


class SealedFiles:
    """Writes, reads and deletes sealed files; nothing blocks the event loop.

    Args:
        vault: Seals and opens.
        directory: Where the tenants' folders are; made at the first write.
    """

    def __init__(self, vault: Vault, directory: Path) -> None:
        self._vault = vault
        self._directory = directory

    async def put(self, tenant_id: str, file_id: str, content: bytes) -> None:
        """Stores a file under its id, whole or not at all."""
        sealed = await self._vault.seal(tenant_id, content, file_id.encode())
        await asyncio.to_thread(_write, self._path(tenant_id, file_id), sealed)

    async def get(self, tenant_id: str, file_id: str) -> bytes:
        """Returns a file.

        Raises:
            AppError: `seal_broken`: it was changed, or is another's.
            NotFound: There is none, or the tenant was forgotten.
        """
        try:
            sealed = await asyncio.to_thread(self._path(tenant_id, file_id).read_bytes)
        except FileNotFoundError as error:
            raise NotFound(f"no file {file_id}") from error
        return await self._vault.open(tenant_id, sealed, file_id.encode())

    async def delete(self, tenant_id: str, file_id: str) -> None:
        """Deletes a file; fine if there is none."""
        await asyncio.to_thread(self._path(tenant_id, file_id).unlink, missing_ok=True)

    def _path(self, tenant_id: str, file_id: str) -> Path:
        if not _NAME.fullmatch(tenant_id) or not _NAME.fullmatch(file_id):
            raise ValueError("ids of files are letters, digits, _ and -")
        return self._directory / tenant_id / f"{file_id}.sealed"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_bytes(content)
    draft.replace(path)
