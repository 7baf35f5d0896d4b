"""Opens whatever is sealed inside a stored document, and the sealed files that belong to it."""

import asyncio
import base64
import binascii
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import orjson

from app.errors import AppError
from app.kit.vault import Vault

SEALED: Final = "(sealed)"
_VERSION: Final = b"\x01"
_SHORTEST: Final = 29


class Opener:
    """Reads documents as their subject may see them. What opens under the document's own id is opened."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def opened(self, tenant_id: str, document: dict[str, Any]) -> dict[str, Any]:
        """Returns a document with its sealed texts opened; JSON inside them is read.

        Raises:
            NotFound: The tenant was forgotten (`data_key_gone`).
        """
        return {
            name: await self._value(tenant_id, document["_id"], value)
            for name, value in document.items()
            if name != "tenant_id"
        }

    async def _value(self, tenant_id: str, owner_id: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: await self._value(tenant_id, owner_id, inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [await self._value(tenant_id, owner_id, inner) for inner in value]
        if isinstance(value, bytes):
            return SEALED
        content = _sealed(value) if isinstance(value, str) else None
        if content is None:
            return value
        try:
            return _read((await self._vault.open(tenant_id, content, owner_id.encode())).decode())
        except AppError as error:
            if error.code != "seal_broken":
                raise
            return SEALED


def _sealed(text: str) -> bytes | None:
    if len(text) < _SHORTEST * 4 // 3:
        return None
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if content[:1] == _VERSION and len(content) >= _SHORTEST else None


def _read(text: str) -> Any:
    try:
        return orjson.loads(text) if text[:1] in "{[" else text
    except orjson.JSONDecodeError:
        return text


class TenantFiles:
    """The sealed files under the data directory: `<what>/<tenant>/<id>.<ending>`, sealed with the id."""

    def __init__(self, data_dir: Path, vault: Vault) -> None:
        self._data_dir = data_dir
        self._vault = vault

    async def of(self, tenant_id: str, ids: Iterable[str]) -> list[tuple[str, Path]]:
        """Returns the files of some documents: the document's id and where the file is."""
        return await asyncio.to_thread(self._find, tenant_id, frozenset(ids))

    async def read(self, tenant_id: str, owner_id: str, path: Path) -> bytes:
        """Returns what a file holds.

        Raises:
            AppError: `seal_broken`.
            NotFound: The tenant was forgotten.
        """
        return await self._vault.open(tenant_id, await asyncio.to_thread(path.read_bytes), owner_id.encode())

    async def delete(self, paths: Iterable[Path]) -> int:
        """Deletes files; returns how many there were."""
        return await asyncio.to_thread(_unlink, list(paths))

    async def delete_all(self, tenant_id: str) -> int:
        """Deletes every file of a tenant; returns how many there were."""
        return await asyncio.to_thread(self._delete_all, tenant_id)

    def _folders(self, tenant_id: str) -> list[Path]:
        if not tenant_id or "/" in tenant_id or tenant_id.startswith("."):
            raise ValueError("a tenant's id is no path")
        return [folder for folder in self._data_dir.glob(f"*/{tenant_id}") if folder.is_dir()]

    def _find(self, tenant_id: str, ids: frozenset[str]) -> list[tuple[str, Path]]:
        files = (path for folder in self._folders(tenant_id) for path in sorted(folder.iterdir()))
        return [(owner, path) for path in files if (owner := path.name.partition(".")[0]) in ids]

    def _delete_all(self, tenant_id: str) -> int:
        count = 0
        for folder in self._folders(tenant_id):
            count += sum(1 for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder)
        return count


def _unlink(paths: list[Path]) -> int:
    count = 0
    for path in paths:
        count += path.exists()
        path.unlink(missing_ok=True)
    return count
