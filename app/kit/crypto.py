"""Secrets: API keys and their digests, one-use tokens, and sealing with AES-GCM under keys derived from one master key.

The envelope: the master key wraps a data key per tenant, the data key seals the tenant's content; `vault` keeps the
wrapped data keys, and deleting one makes all that it sealed unreadable.
"""

import hmac
import os
import secrets
import zlib
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import AppError

KEY_BYTES = 32
TOKEN_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 32
_CHECKSUM_LENGTH = 6
_PREFIXES = ("vs_live_", "vs_test_")


def mint_api_key(*, live: bool) -> str:
    """Returns a new key: prefix, 190 random bits and a CRC-32, all in base 62; to be shown once and never stored."""
    prefix = _PREFIXES[0] if live else _PREFIXES[1]
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    return prefix + secret + _checksum(prefix + secret)


def is_api_key(text: str) -> bool:
    """Returns whether `text` has the form and checksum of a key: typing errors end here, without a look-up."""
    if not text.isascii() or not text.startswith(_PREFIXES):
        return False
    body = text[len(_PREFIXES[0]) :]
    well_formed = len(body) == _SECRET_LENGTH + _CHECKSUM_LENGTH and body.isalnum()
    return well_formed and hmac.compare_digest(text[-_CHECKSUM_LENGTH:], _checksum(text[:-_CHECKSUM_LENGTH]))


def _checksum(text: str) -> str:
    value = zlib.crc32(text.encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        value, digit = divmod(value, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def mint_token() -> str:
    """Returns a random URL-safe token of 256 bits, for one-use stream paths and the like."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def mint_data_key() -> bytes:
    """Returns a new AES-256 key."""
    return AESGCM.generate_key(KEY_BYTES * 8)


def derived(key: bytes, purpose: str) -> bytes:
    """Returns 32 bytes that belong to this key and this purpose alone (HKDF-SHA256)."""
    return HKDF(SHA256(), KEY_BYTES, salt=b"vaanisetu", info=purpose.encode()).derive(key)


def seal(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Encrypts and authenticates.

    Args:
        key: 32 bytes.
        plaintext: What to hide.
        aad: What it belongs to (an id, a field's name); the same must be given to open it.

    Returns:
        Version byte, 12-byte random nonce, ciphertext with tag.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, aad)


def open_sealed(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Decrypts what `seal` returned.

    Raises:
        AppError: `seal_broken`: another key, another `aad`, or changed content.
    """
    if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE_BYTES + 16:
        raise AppError("the sealed content is not one", code="seal_broken")
    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag as error:
        raise AppError("the sealed content was changed, or belongs elsewhere", code="seal_broken") from error


class MasterKey:
    """The deployment's one secret, from which every other key is derived by purpose (HKDF-SHA256).

    Args:
        secret: The secret.
        digest_key: 32 bytes in the place of the derived one: digests outlive the secret.
    """

    __slots__ = ("_digest_key", "_secret", "_wrapping_key")

    def __init__(self, secret: str, digest_key: bytes | None = None) -> None:
        self._secret = secret.encode()
        self._digest_key = digest_key or self.derive("api-key-digest")
        self._wrapping_key = self.derive("data-key-wrapping")

    @property
    def fingerprint(self) -> str:
        """Names the secret without giving anything of it away."""
        return self.derive("fingerprint").hex()[:16]

    def digesting_with(self, digest_key: bytes) -> "MasterKey":
        """Returns this master key with another key for digests."""
        return MasterKey(self._secret.decode(), digest_key)

    def derive(self, purpose: str) -> bytes:
        """Returns 32 bytes that are this deployment's and this purpose's alone."""
        return HKDF(SHA256(), KEY_BYTES, salt=b"vaanisetu", info=purpose.encode()).derive(self._secret)

    def digest(self, secret: str) -> str:
        """Returns the HMAC-SHA256 of a key or token, in hex: what the store keeps and looks up."""
        return hmac.new(self._digest_key, secret.encode(), sha256).hexdigest()

    def matches(self, secret: str, digest: str) -> bool:
        """Returns, in constant time, whether `digest` is the digest of `secret`."""
        return hmac.compare_digest(self.digest(secret), digest)

    def wrap(self, data_key: bytes, tenant_id: str) -> bytes:
        """Returns a tenant's data key, sealed for the store."""
        return seal(self._wrapping_key, data_key, tenant_id.encode())

    def unwrap(self, wrapped: bytes, tenant_id: str) -> bytes:
        """Returns the data key that `wrap` sealed for this tenant.

        Raises:
            AppError: `seal_broken`.
        """
        return open_sealed(self._wrapping_key, wrapped, tenant_id.encode())
