"""A refusal of the Graph stand-in, in the shape that Meta documents."""

import secrets
from typing import Any


class GraphError(Exception):
    """A refusal in Meta's own shape; `subcode` tells apart what shares a code."""

    def __init__(self, code: int, details: str, status: int = 400, *, subcode: int | None = None) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.status = status
        self.subcode = subcode

    def body(self) -> dict[str, Any]:
        """Returns the documented error object."""
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {self.details}",
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": secrets.token_urlsafe(12),
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        return {"error": error}
