"""The one frozen Settings object: read from `VAANISETU_*` once at start-up and injected."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

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

    plivo_api_url: str = "https://api.plivo.com"
    graph_api_url: str = "https://graph.facebook.com"
    require_signatures: bool = True

    asr_model: Path | None = Field(default=None, description="None: the starter checkpoint in the package")
    speech_threads: int = 1
    max_calls: int = 50
    max_call_seconds: int = 3600
    log_level: str = "INFO"

    @model_validator(mode="after")
    def _no_default_secret_in_production(self) -> Self:
        if self.environment == "production":
            for name in ("operator_key", "master_key"):
                value: SecretStr = getattr(self, name)
                if value.get_secret_value() == DEVELOPMENT_SECRET:
                    raise ValueError(f"VAANISETU_{name.upper()} must be set in production")
        return self
