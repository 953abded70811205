"""All settings, read once and frozen. The environment is ``SLUICE_*``, nested with ``__``."""

import json
import os
import re
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from sluice.errors import SettingsInvalidError

PREFIX = "SLUICE_"


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PrefectSettings(_Group):
    url: str = Field("http://127.0.0.1:4200/api", description="Prefect's API, with its /api path")
    pool: str = Field("sluice", description="the work pool that deployments use")
    catch_up_seconds: float = Field(10, gt=0, description="between two looks at schedules that were missed")


class MlflowSettings(_Group):
    # Not shown with the settings: it may have a password in it.
    uri: str = Field("http://127.0.0.1:5000", repr=False, description="MLflow's tracking and registry address")


class DaskSettings(_Group):
    address: str = Field(
        "",
        description="a scheduler's address; empty makes a local cluster, of the stack or of the run",
    )
    workers: int = Field(2, ge=1, description="worker processes of the local cluster")
    threads: int = Field(1, ge=1, description="threads a worker")
    memory_limit: str = Field("4GiB", description="memory a worker may use before it is restarted")
    scheduler_port: int = Field(8786, description="port of the scheduler that the local stack starts")
    dashboard_port: int = Field(8787, description="port of its dashboard")


class ServingSettings(_Group):
    host: str = Field("127.0.0.1", description="address that serving listens on")
    port: int = Field(8000, description="port that serving listens on")
    models: tuple[str, ...] = Field((), description="models loaded at start; any other is loaded on first use")
    required: tuple[str, ...] = Field((), description="models that must be loaded before /readyz answers 200")
    refresh_seconds: float = Field(2.0, gt=0, description="how often the champion alias is looked up")


class LakeSettings(_Group):
    uri: str = Field("", description="folder or s3:// address of the lake; empty is lake/ in the home")
    storage_options: dict[str, SecretStr] = Field(default_factory=dict, description="object store credentials")


class DocumentSettings(_Group):
    uri: SecretStr = Field(SecretStr(""), description="mongodb://…; empty is the embedded store in the home")
    database: str = Field("sluice", description="name of the database there")


class SourceSettings(_Group):
    secrets: dict[str, SecretStr] = Field(
        default_factory=dict, description="what sources sign in with, by the name that use_case.yaml gives"
    )
    secrets_folder: Path | None = Field(
        None, description="a folder with a file a secret, as Kubernetes mounts them; used for names not set above"
    )
    storage_options: dict[str, SecretStr] = Field(
        default_factory=dict, description="credentials of the object store that files come from; empty: the lake's"
    )


class Settings(BaseSettings):
    """The one settings object of a process. Build it with `Settings.load`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    home: Path = Field(Path(".sluice"), description="where all local state lives")
    env: str = Field("local", description="name of the environment, on every log line")
    host: str = Field(
        "127.0.0.1", description="address of the local Dask scheduler, and of all that moves with --free-ports"
    )
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least level that is logged"
    )
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto is text on a terminal, else JSON")
    prefect: PrefectSettings = PrefectSettings()
    mlflow: MlflowSettings = MlflowSettings()
    dask: DaskSettings = DaskSettings()
    serving: ServingSettings = ServingSettings()
    lake: LakeSettings = LakeSettings()
    documents: DocumentSettings = DocumentSettings()
    sources: SourceSettings = SourceSettings()

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
        except SettingsError as error:
            # It names the group and not the variable, and says it about lists and mappings only.
            problem = 'not JSON. A list is written as ["a", "b"], a mapping as {"a": "b"}'
            raise SettingsInvalidError(variable=_not_json(str(error)), problem=problem) from None

    @property
    def lake_uri(self) -> str:
        return self.lake.uri or str(self.home / "lake")

    @property
    def lake_storage_options(self) -> dict[str, str]:
        return {key: value.get_secret_value() for key, value in self.lake.storage_options.items()}

    @property
    def documents_uri(self) -> str:
        return self.documents.uri.get_secret_value() or str(self.home / "documents.db")


def _not_json(error: str) -> str:
    """The variable that pydantic-settings could not read, or what it has in common with others of its group."""
    found = re.search(r'field "(\w+)"', error)
    group = f"{PREFIX}{found[1] if found else ''}".upper()
    for variable, value in os.environ.items():
        field: Any = Settings
        for part in variable.removeprefix(PREFIX).lower().split("__"):
            known = getattr(field, "model_fields", {}).get(part)
            field = known.annotation if known else None
        if variable.startswith(group) and get_origin(field) in {tuple, dict} and not _is_json(value):
            return variable
    return group


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def without_credentials(uri: str) -> str:
    """The address for a message or a log line: without user and password, and without options, which may be secret.

    Not by `urllib.parse`: a password that nobody encoded may have a ``/`` in it, and must not show all the same.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    return scheme + separator + rest.rsplit("@", 1)[-1].split("?", 1)[0]
