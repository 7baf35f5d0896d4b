"""Everything a tenant holds about a person, opened, as one archive: `data.json` and the recordings and files."""

import asyncio
import io
import zipfile
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from app.audit.log import AuditLog
from app.errors import AppError
from app.kit.clock import Clock
from app.privacy.opening import Opener, TenantFiles
from app.privacy.trail import Finder

LARGEST_FILES_BYTES: Final = 200 * 1024 * 1024
_INDEXES_ONLY: Final = frozenset({"message_tokens"})
"""Keyed hashes of the words of what is exported anyway."""
_SHOWN_OF_AUDIT: Final = ("at", "actor", "action", "target", "data")


@dataclass(frozen=True, slots=True)
class Archive:
    """An export: the bytes of a ZIP file, and what it holds, by collection."""

    content: bytes
    counts: dict[str, int]


class Exporter:
    """Gathers and opens."""

    def __init__(self, finder: Finder, opener: Opener, files: TenantFiles, clock: Clock) -> None:
        self._finder = finder
        self._opener = opener
        self._files = files
        self._clock = clock

    async def make(self, tenant_id: str, names: list[str]) -> Archive:
        """Returns the archive of a person.

        Args:
            tenant_id: Whose data.
            names: The person's number, WhatsApp id.

        Raises:
            NotFound: The tenant was forgotten.
        """
        trail = await self._finder.follow(tenant_id, names)
        rooms: dict[str, list[dict[str, Any]]] = {}
        for collection, ids in sorted(trail.ids.items()):
            if collection in _INDEXES_ONLY:
                continue
            rooms[collection] = [
                await self._opener.opened(tenant_id, document)
                async for document in self._finder.documents(tenant_id, collection, ids)
            ]
        audit = [AuditLog.entry_of(entry) async for entry in self._finder.audited(tenant_id, trail)]
        rooms["audit"] = [{name: getattr(entry, name) for name in _SHOWN_OF_AUDIT} for entry in audit]
        files, left_out = await self._read_files(tenant_id, trail.all_ids())
        rooms = {collection: documents for collection, documents in rooms.items() if documents}
        described = {
            "made_at": self._clock.now(),
            "tenant_id": tenant_id,
            "person": sorted(trail.names),
            "data": rooms,
            "files": sorted(files),
            "files_left_out": left_out,
        }
        counts = {collection: len(documents) for collection, documents in rooms.items()} | {"files": len(files)}
        return Archive(await asyncio.to_thread(_zipped, described, files), counts)

    async def _read_files(self, tenant_id: str, ids: set[str]) -> tuple[dict[str, bytes], list[str]]:
        files: dict[str, bytes] = {}
        left_out, size = [], 0
        for owner_id, path in await self._files.of(tenant_id, ids):
            name = f"{path.parent.parent.name}/{path.name.removesuffix('.sealed')}"
            if path.parent.parent.name == "exports":
                continue
            try:
                content = await self._files.read(tenant_id, owner_id, path)
            except AppError as error:
                if error.code != "seal_broken":
                    raise
                left_out.append(name)
                continue
            size += len(content)
            if size > LARGEST_FILES_BYTES:
                left_out.append(name)
                continue
            files[name] = content
        return files, left_out


def _zipped(described: dict[str, Any], files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        text = orjson.dumps(described, default=_as_text, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        archive.writestr("data.json", text)
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
