"""All settings, read once and frozen. The environment is ``SLUICE_*``, nested with ``__``."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from sluice.errors import SettingsInvalidError

PREFIX = "SLUICE_"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PrefectSettings(_Group):
    url: str = Field("http://127.0.0.1:4200/api", description="Prefect's API, with its /api path")
    pool: str = Field("sluice", description="the work pool that deployments use")


class MlflowSettings(_Group):
    uri: str = Field("http://127.0.0.1:5000", description="MLflow's tracking and registry address")


class DaskSettings(_Group):
    address: str = Field("", description="a scheduler's address; empty makes a local cluster per run")
    workers: int = Field(2, ge=1, description="worker processes of the local cluster")
    threads: int = Field(1, ge=1, description="threads a worker")
    memory_limit: str = Field("4GiB", description="memory a worker may use before it is restarted")
    scheduler_port: int = 8786
    dashboard_port: int = 8787


class ServingSettings(_Group):
    host: str = "127.0.0.1"
    port: int = 8000
    models: tuple[str, ...] = Field((), description="models loaded at start; any other is loaded on first use")
    required: tuple[str, ...] = Field((), description="models that must be loaded before /readyz answers 200")
    refresh_seconds: float = Field(2.0, gt=0, description="how often the champion alias is looked up")


class LakeSettings(_Group):
    uri: str = Field("", description="folder or s3:// address of the lake; empty is lake/ in the home")
    storage_options: dict[str, SecretStr] = Field(default_factory=dict, description="object store credentials")


class DocumentSettings(_Group):
    uri: SecretStr = Field(SecretStr(""), description="mongodb://…; empty is the embedded store in the home")
    database: str = "sluice"


class Settings(BaseSettings):
    """The one settings object of a process. Build it with `Settings.load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    home: Path = Field(Path(".sluice"), description="where all local state lives")
    env: str = Field("local", description="name of the environment, on every log line")
    host: str = "127.0.0.1"
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto is text on a terminal, else JSON")
    prefect: PrefectSettings = PrefectSettings()
    mlflow: MlflowSettings = MlflowSettings()
    dask: DaskSettings = DaskSettings()
    serving: ServingSettings = ServingSettings()
    lake: LakeSettings = LakeSettings()
    documents: DocumentSettings = DocumentSettings()

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        # Children of the process (flow runs, workers) run in other folders.
        return home.expanduser().resolve()

    @classmethod
    def load(cls) -> "Settings":
        """Read the environment once.

        Raises:
            SettingsInvalidError: naming the variable that is wrong, and how to set it.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            variable = PREFIX + "__".join(str(part).upper() for part in first["loc"])
            raise SettingsInvalidError(variable=variable, problem=first["msg"]) from None

    @property
    def lake_uri(self) -> str:
        return self.lake.uri or str(self.home / "lake")

    @property
    def lake_storage_options(self) -> dict[str, str]:
        return {key: value.get_secret_value() for key, value in self.lake.storage_options.items()}

    @property
    def documents_uri(self) -> str:
        return self.documents.uri.get_secret_value() or str(self.home / "documents.db")


def without_credentials(uri: str) -> str:
    """The address for a message or a log line: user and password removed."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return parts._replace(netloc=parts.netloc.rsplit("@", 1)[1]).geturl()
