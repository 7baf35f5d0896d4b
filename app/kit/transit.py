"""A key management service: HashiCorp Vault's transit engine over HTTP (OpenBao's is the same) wraps the data keys.

The key never leaves that service; every use of it stands in that service's own audit log.
Source: HashiCorp Vault, "Transit secrets engine (API)", encrypt and decrypt data.
"""

import base64
import binascii
from typing import Any, Final

import httpx

from app.errors import AppError, ConfigError, Unavailable

_TIMEOUT_SECONDS: Final = 5.0


class TransitKey:
    """Implements `WrappingKey` with a key of the transit engine; the tenant is the ciphertext's associated data."""

    def __init__(self, url: str, key: str, token: str, *, mount: str = "transit") -> None:
        """Connects to nothing yet.

        Args:
            url: The server, `https://vault.internal:8200`.
            key: The key's name; of type aes256-gcm96 or chacha20-poly1305, which take associated data.
            token: May encrypt and decrypt with this key, nothing else.
            mount: Where the engine is mounted.
        """
        self.name = f"transit:{mount}/{key}"
        self._key = key
        self._client = httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/v1/{mount}/", headers={"X-Vault-Token": token}, timeout=_TIMEOUT_SECONDS
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def wrap(self, data_key: bytes, tenant_id: str) -> bytes:
        """See `WrappingKey.wrap`."""
        answer = await self._ask("encrypt", {"plaintext": _encoded(data_key)}, tenant_id)
        return str(answer["ciphertext"]).encode()

    async def unwrap(self, wrapped: bytes, tenant_id: str) -> bytes:
        """See `WrappingKey.unwrap`."""
        answer = await self._ask("decrypt", {"ciphertext": wrapped.decode("ascii", "replace")}, tenant_id)
        return base64.b64decode(str(answer["plaintext"]), validate=True)

    async def _ask(self, verb: str, fields: dict[str, str], tenant_id: str) -> dict[str, Any]:
        try:
            answer = await self._client.post(
                f"{verb}/{self._key}", json={**fields, "associated_data": _encoded(tenant_id.encode())}
            )
        except httpx.HTTPError as error:
            raise _away(f"{type(error).__name__}") from error
        if answer.status_code == 400 and verb == "decrypt":
            raise AppError("the key service could not open a data key", code="seal_broken")
        if answer.status_code in (400, 403, 404):
            raise ConfigError(
                f"the key service refuses {verb} with {self.name} ({answer.status_code}): check VAANISETU_KMS_KEY and "
                "that VAANISETU_KMS_TOKEN may encrypt and decrypt with it"
            )
        if answer.status_code != 200:
            raise _away(f"status {answer.status_code}")
        try:
            data: dict[str, Any] = answer.json()["data"]
            data["ciphertext" if verb == "encrypt" else "plaintext"]
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise _away("an answer that is none") from error
        return data


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _away(why: str) -> Unavailable:
    return Unavailable(f"the key service does not answer: {why}", code="kms_unavailable", retry_after_seconds=2)
