"""The one frozen Settings object: read from `VAANISETU_*` once at start-up and injected."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_LIMITED = Literal["agents", "phone_numbers", "members", "calls_at_once", "outbound_calls_a_day", "minutes_a_month"]
DEVELOPMENT_SECRET = "development-only-secret-change-me"


class Settings(BaseSettings):
    """Configuration of one process; every field is an environment variable `VAANISETU_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="VAANISETU_", frozen=True, extra="ignore")

    environment: Literal["development", "test", "production"] = "development"
    data_dir: Path = Path("data")
    packs_dir: Path = Path("lang_packs")
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = "http://127.0.0.1:8080"

    mongodb_url: str | None = Field(default=None, description="None: the embedded store")
    mongodb_database: str = "vaanisetu"
    redis_url: str | None = Field(default=None, description="None: the embedded Redis")

    operator_key: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    master_key: SecretStr = SecretStr(DEVELOPMENT_SECRET)
    accepted_master_keys: list[SecretStr] = Field(
        default_factory=list, description="As JSON: further master keys that may open data keys, during an exchange"
    )
    kms_url: str | None = Field(default=None, description="A Vault server whose transit key wraps the data keys")
    kms_key: str = "vaanisetu"
    kms_token: SecretStr = SecretStr("")

    plivo_api_url: str = "https://api.plivo.com"
    graph_api_url: str = "https://graph.facebook.com"
    require_signatures: bool = True

    asr_engine: Literal["onnx", "nemo"] = Field(default="onnx", description="nemo: NeMo's own streaming, CPU or GPU")
    asr_model: Path | None = Field(default=None, description="None: the starter checkpoint in the package")
    asr_models: dict[str, Path] = Field(
        default_factory=dict, description="A model per language, as JSON; a call finds its own, instead of asr_model"
    )
    asr_device: str = Field(default="cpu", description="Where the engine `nemo` computes: cpu, cuda or cuda:N")
    asr_max_batch: int = Field(default=16, ge=1, description="Calls in one model run at most")
    asr_max_wait_ms: float = Field(default=20.0, ge=0, description="How long a call waits for others to join its run")
    listen_workers: int = Field(default=1, ge=1, le=64, description="Listening processes; one per core to be used")
    speech_threads: int = 1
    max_calls: int = 50
    max_call_seconds: int = 3600
    drain_seconds: float = Field(
        default=0.0, ge=0, description="How long live calls may go on after a SIGTERM; a second one ends them."
    )
    outbound_calls_at_once: int = Field(default=10, ge=1, description="Calls out that a tenant may hold at a time")
    outbound_calls_per_second: int = Field(default=2, ge=1, description="Calls out that a tenant may place a second")
    outbound_calls_per_day: int = Field(default=10_000, ge=1, description="Calls out of a tenant within 24 hours")
    api_requests_per_second: float = Field(default=50.0, gt=0, description="Per tenant, over all processes.")
    api_burst: int = Field(default=200, ge=1, description="How many requests a tenant may send at once.")
    key_guesses: int = Field(default=20, ge=1, description="Keyless requests that an address may send at once.")
    api_concurrency: int = Field(
        default=64, ge=1, description="Requests of one tenant that one process serves at a time."
    )
    self_sign_up: bool = Field(default=False, description="Whether strangers may open a tenant by e-mail.")
    smtp_host: str | None = Field(default=None, description="Where mail is handed over; None: no mail leaves.")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr = SecretStr("")
    mail_from: str | None = Field(default=None, pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$", description="Who writes.")
    default_limits: dict[_LIMITED, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict, description="As JSON: what a tenant may have of whom nothing else was said."
    )
    tenant_calls: int | None = Field(default=None, ge=1, description="Live calls of a tenant; None: 4/5 of max_calls.")
    otlp_traces_url: str | None = Field(default=None, description="Where traces go by OTLP/HTTP; None: nowhere.")
    trace_share: float = Field(default=1.0, ge=0, le=1, description="Of the traces that begin here, how many are kept.")
    worker_metrics_port: int = Field(default=0, ge=0, le=65535, description="Where the worker shows /metrics; 0: not.")
    log_level: str = "INFO"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.kms_url is not None and not self.kms_token.get_secret_value():
            raise ValueError("VAANISETU_KMS_TOKEN must be set beside VAANISETU_KMS_URL")
        if self.self_sign_up and (self.smtp_host is None or self.mail_from is None):
            raise ValueError(
                "VAANISETU_SELF_SIGN_UP needs VAANISETU_SMTP_HOST and VAANISETU_MAIL_FROM: mail confirms it"
            )
        if self.smtp_security == "none" and self.smtp_user is not None:
            raise ValueError(
                "VAANISETU_SMTP_USER needs VAANISETU_SMTP_SECURITY=starttls or tls: no password in the clear"
            )
        if self.environment == "production":
            for name in ("operator_key", "master_key"):
                value: SecretStr = getattr(self, name)
                if value.get_secret_value() == DEVELOPMENT_SECRET:
                    raise ValueError(f"VAANISETU_{name.upper()} must be set in production")
        return self
