"""HashiCorp Vault's transit engine as far as we use it, checking token, forms and associated data."""

import base64
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class TransitStandIn:
    """One key, `vaanisetu`; `down` makes it answer 503 (sealed) as the real one does."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._keys = [AESGCM(os.urandom(32))]
        self.down = False
        self.requests: list[str] = []
        self.app = Starlette(routes=[Route("/v1/transit/{verb}/{key}", self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        verb, key = request.path_params["verb"], request.path_params["key"]
        self.requests.append(verb)
        if self.down:
            return JSONResponse({"errors": ["Vault is sealed"]}, 503)
        if request.headers.get("x-vault-token") != self._token:
            return JSONResponse({"errors": ["permission denied"]}, 403)
        if key != "vaanisetu" or verb not in ("encrypt", "decrypt"):
            return JSONResponse({"errors": ["encryption key not found"]}, 400 if verb == "decrypt" else 404)
        body: dict[str, Any] = await request.json()
        about = base64.b64decode(body["associated_data"], validate=True)
        if verb == "encrypt":
            nonce = os.urandom(12)
            sealed = nonce + self._keys[-1].encrypt(nonce, base64.b64decode(body["plaintext"], validate=True), about)
            text = f"vault:v{len(self._keys)}:{base64.b64encode(sealed).decode()}"
            return JSONResponse({"data": {"ciphertext": text, "key_version": len(self._keys)}})
        prefix, version, sealed_text = body["ciphertext"].split(":")
        sealed = base64.b64decode(sealed_text, validate=True)
        try:
            assert prefix == "vault"
            plain = self._keys[int(version[1:]) - 1].decrypt(sealed[:12], sealed[12:], about)
        except InvalidTag:
            return JSONResponse({"errors": ["cipher: message authentication failed"]}, 400)
        return JSONResponse({"data": {"plaintext": base64.b64encode(plain).decode()}})
