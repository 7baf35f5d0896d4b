"""Every error the service raises on purpose, in one tree.

AppError                     code, HTTP status, retryable, field errors
├── ConfigError              the process cannot start as configured
├── BadRequest        400    ├── Unauthorized      401   ├── Forbidden     403
├── NotFound          404    ├── Conflict          409   ├── PayloadTooLarge 413
├── PreconditionFailed 412
├── Unprocessable     422    ├── RateLimited       429   ├── Unavailable   503
├── PackError                a language pack is incomplete or wrong (file, place, cure)
├── ModelError               a recogniser's checkpoint or its data is wrong (file, place, cure)
└── StageError               a stage of a live call failed; the caller hears a sentence
    ├── SpeechWorkerLost     ├── AsrError          ├── TtsError
    ├── NluError             ├── ToolError         ├── CarrierError
    └── MessagingError       a WhatsApp send failed
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong input: where it stands (`pointer`, RFC 6901) and what would be right."""

    pointer: str
    detail: str


class AppError(Exception):
    """Root of the tree.

    Attributes:
        code: Stable snake_case name that a program may branch on.
        status: HTTP status when the error reaches the API.
        retryable: Whether the same request may succeed later.
    """

    code: str = "internal_error"
    status: int = 500
    retryable: bool = False

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = tuple(errors)
        self.retry_after_seconds = retry_after_seconds


class ConfigError(AppError):
    """The process cannot start as configured."""

    code = "config_error"


class BadRequest(AppError):
    """The request cannot be read."""

    code = "bad_request"
    status = 400


class Unauthorized(AppError):
    """No key, a wrong key or a wrong signature."""

    code = "unauthorized"
    status = 401


class Forbidden(AppError):
    """The subject is known but may not do this."""

    code = "forbidden"
    status = 403


class NotFound(AppError):
    """Nothing with that id belongs to the caller's tenant."""

    code = "not_found"
    status = 404


class Conflict(AppError):
    """The resource is not in a state that allows this."""

    code = "conflict"
    status = 409


class PreconditionFailed(AppError):
    """The resource is no longer the one that the client saw (`If-Match`)."""

    code = "precondition_failed"
    status = 412


class PayloadTooLarge(AppError):
    """The body is larger than the route accepts."""

    code = "payload_too_large"
    status = 413


class Unprocessable(AppError):
    """The request was read, but its values are wrong; `errors` says which."""

    code = "unprocessable"
    status = 422


class RateLimited(AppError):
    """Too many requests; `retry_after_seconds` says when to come back."""

    code = "rate_limited"
    status = 429
    retryable = True


class Unavailable(AppError):
    """A dependency is down; nothing that was accepted is lost."""

    code = "unavailable"
    status = 503
    retryable = True


class PackError(AppError):
    """A language pack is incomplete or wrong; the detail names file, place and cure."""

    code = "pack_error"


class ModelError(AppError):
    """A recogniser's checkpoint, or data to train or measure it, is wrong; the detail names file, place and cure."""

    code = "model_error"


class StageError(AppError):
    """A stage of a live call failed; the caller hears a sentence, then a person."""

    code = "stage_failed"
    status = 503
    retryable = True


class SpeechWorkerLost(StageError):
    """The process that recognises or synthesises speech went away."""

    code = "speech_worker_lost"


class AsrError(StageError):
    """Recognition failed."""

    code = "asr_failed"


class TtsError(StageError):
    """Synthesis failed."""

    code = "tts_failed"


class NluError(StageError):
    """Understanding failed."""

    code = "nlu_failed"


class ToolError(StageError):
    """A tenant's system failed or answered outside its contract."""

    code = "tool_failed"


class CarrierError(StageError):
    """The telephone carrier refused or did not answer."""

    code = "carrier_failed"


class MessagingError(StageError):
    """A WhatsApp send failed."""

    code = "messaging_failed"
