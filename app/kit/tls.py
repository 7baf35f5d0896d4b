"""The certificate authorities that every client of this process trusts."""

import ssl
from functools import cache

import httpx


@cache
def trusted(*, from_environment: bool = True) -> ssl.SSLContext:
    """Returns the context to share: reading the authorities takes 20 ms, in which the event loop would stand still.

    Args:
        from_environment: Whether `SSL_CERT_FILE` and `SSL_CERT_DIR` may name others.
    """
    return httpx.create_ssl_context(trust_env=from_environment)
