"""All settings, read once and frozen. The environment is ``SLUICE_*``, nested with ``__``."""

import ipaddress
import json
import os
import re
from pathlib import Path
from typing import Any, Literal, get_origin
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from sluice.dask_settings import DaskSettings
from sluice.errors import SettingsInvalidError
from sluice.observe_settings import ObserveSettings
from sluice.trace_settings import TraceSettings

PREFIX = "SLUICE_"
# With fewer than 256 random bits the keys' fast hash would not do; see `sluice.api_keys`.
_BOOTSTRAP_KEY = re.compile(r"sluice_bootstrapkey_[0-9a-f]{64}")
# MLflow accepts none that is shorter.
SHORTEST_PASSWORD = 12


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PrefectSettings(_Group):
    url: str = Field("http://127.0.0.1:4200/api", description="Prefect's API, with its /api path")
    ui: str = Field("", description="Prefect's pages as a person's browser reaches them; empty: where its API is")
    pool: str = Field("sluice", description="the work pool that deployments use")
    catch_up_seconds: float = Field(10, gt=0, description="between two looks at schedules that were missed")
    auth: SecretStr = Field(
        SecretStr(""),
        description="what Prefect's API asks for, and every client of ours sends: user:password; empty: nothing",
    )

    @field_validator("auth")
    @classmethod
    def _is_a_pair(cls, auth: SecretStr) -> SecretStr:
        text = auth.get_secret_value()
        # Prefect compares the whole of it, and fails at what is not ASCII.
        user, _, password = text.partition(":")
        if text and not (user and len(password) >= SHORTEST_PASSWORD and text.isascii() and text.isprintable()):
            problem = "is not user:password in ASCII with {length} characters or more in the password"
            raise PydanticCustomError("auth", problem, {"length": SHORTEST_PASSWORD})
        return auth

    @property
    def account(self) -> tuple[str, str] | None:
        """User and password, if it asks for them."""
        user, colon, password = self.auth.get_secret_value().partition(":")
        return (user, password) if colon else None

    @property
    def pages(self) -> str:
        """Where links to Prefect's pages lead, without a slash at the end."""
        return without_credentials((self.ui or self.url.rstrip("/").removesuffix("/api")).rstrip("/"))


class MlflowSettings(_Group):
    # Not shown with the settings: it may have a password in it.
    uri: str = Field("http://127.0.0.1:5000", repr=False, description="MLflow's tracking and registry address")
    ui: str = Field("", description="MLflow's pages as a person's browser reaches them; empty: its address")
    username: str = Field(
        "", description="account that MLflow is asked with; on a local server it is the administrator"
    )
    password: SecretStr = Field(
        SecretStr(""),
        validate_default=True,
        description="its password. With one, a local server asks everybody for an account (MLflow's basic-auth)",
    )
    environments: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="MLflow of other environments, by the name that `sluice promote --to-env` takes: "
        '{"prod": "https://user:password@mlflow.example.com"}',
    )

    @field_validator("password")
    @classmethod
    def _goes_with_a_name(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        text, username = password.get_secret_value(), info.data.get("username", "")
        if bool(text) != bool(username):
            raise PydanticCustomError("mlflow_account", "goes with SLUICE_MLFLOW__USERNAME: give both or neither")
        if text and (len(text) < SHORTEST_PASSWORD or not (username + text).isprintable() or ":" in username):
            problem = "has fewer than {length} characters, which MLflow refuses, or the username has a colon in it"
            raise PydanticCustomError("mlflow_account", problem, {"length": SHORTEST_PASSWORD})
        return password

    @property
    def account(self) -> tuple[str, str] | None:
        """Username and password, also from an address that has them in it."""
        if self.username:
            return self.username, self.password.get_secret_value()
        try:
            parts = urlsplit(self.uri)
        except ValueError:
            return None
        if parts.scheme not in {"http", "https"} or parts.username is None:
            return None
        return unquote(parts.username), unquote(parts.password or "")


class LimitSettings(_Group):
    body_bytes: int = Field(16 << 20, ge=1, description="most bytes of a request's body; above: 413")
    rows: int = Field(100_000, ge=1, description="most rows of a request; above: 422")
    seconds: float = Field(30, gt=0, description="longest time for an answer; above: 504")
    concurrency: int = Field(512, ge=1, description="most requests under way in a process; above: 503")
    streams: int = Field(16, ge=1, description="most logs that a process lets follow at once; above: 503")
    rate: float = Field(0, ge=0, description="requests a second of one caller; above: 429. 0 is no limit")
    burst: int = Field(100, ge=1, description="requests that a caller may send at once before the rate counts")


class ServingSettings(_Group):
    host: str = Field("127.0.0.1", description="address that serving listens on")
    port: int = Field(8000, description="port that serving listens on")
    ui: str = Field("", description="the console as a person's browser reaches it; empty: where serving listens")
    auth: Literal["auto", "required", "off"] = Field(
        "auto",
        description="whether callers need an API key; auto: unless host is a loopback address, off: refused elsewhere",
    )
    public: tuple[Literal["metrics", "docs"], ...] = Field(
        (), description="pages that need no key: metrics, docs (with the OpenAPI document)"
    )
    bootstrap_key: SecretStr = Field(
        SecretStr(""),
        description="a first key, with the scope admin: sluice_bootstrapkey_ and 64 hexadecimal digits",
    )
    keys_refresh_seconds: float = Field(3.0, gt=0, description="how often API keys are read; a revoked one ends then")
    limits: LimitSettings = LimitSettings()
    models: tuple[str, ...] = Field((), description="models loaded at start; any other is loaded on first use")
    required: tuple[str, ...] = Field((), description="models that must be loaded before /readyz answers 200")
    refresh_seconds: float = Field(2.0, gt=0, description="how often the champion alias is looked up")
    workers: int = Field(1, ge=1, description="processes on one machine; on Kubernetes have more pods instead")
    request_metrics: bool = Field(True, description="count and time every request, and follow its trace")
    memory_mib: int = Field(0, ge=0, description="MiB that models may take; those not asked for go first. 0: no bound")

    @field_validator("auth")
    @classmethod
    def _not_open_to_others(cls, auth: str, info: ValidationInfo) -> str:
        host = info.data.get("host", "")
        if auth == "off" and not is_loopback(host):
            problem = "cannot be off while serving listens on {host}, where others reach it: take auto or required"
            raise PydanticCustomError("auth_off", problem, {"host": host})
        return auth

    @field_validator("bootstrap_key")
    @classmethod
    def _has_256_bits(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if text and not _BOOTSTRAP_KEY.fullmatch(text):
            problem = "is not sluice_bootstrapkey_ and 64 hexadecimal digits; openssl rand -hex 32 prints such digits"
            raise PydanticCustomError("bootstrap_key", problem)
        return key

    @property
    def auth_required(self) -> bool:
        """Whether a caller needs an API key. An address that is a name counts as open to others, but localhost."""
        return self.auth == "required" or not is_loopback(self.host)


class PredictionLogSettings(_Group):
    sample: float = Field(
        1.0, ge=0, le=1, description="share of predictions that are logged, of each model's own share"
    )
    flush_seconds: float = Field(
        0.5,
        gt=0,
        le=60,
        description="a prediction is on the local disk after this long, later on a busy machine; a kill loses no more",
    )
    max_mib: int = Field(
        256, ge=1, description="MiB that may wait on the local disk of a process; the newest are dropped beyond"
    )
    feedback_days: float = Field(7, gt=0, description="how long feedback waits for a prediction that is not there yet")


class LogSettings(_Group):
    loki_url: str = Field("", description="Loki's address, for the logs of components; empty: the files in the home")
    loki_auth: SecretStr = Field(SecretStr(""), description="what Loki is asked with: user:password, or a bearer token")
    loki_tenant: str = Field("", description="X-Scope-OrgID of a Loki with several tenants")
    loki_labels: dict[str, str] = Field(
        default_factory=dict, description='labels of every line that is ours, such as {"env": "production"}'
    )
    push: bool = Field(
        False, description="have every process send its lines to Loki itself; on Kubernetes Alloy sends them"
    )
    cluster: str = Field("local", description="label cluster of the lines that are sent")
    namespace: str = Field("sluice", description="label namespace of the lines that are sent")

    @field_validator("loki_tenant", "loki_auth")
    @classmethod
    def _fits_a_header(cls, value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        # A user and a password are encoded; a token and a tenant go as they are.
        if ":" not in text and not (text.isascii() and text.isprintable()):
            raise PydanticCustomError("header", "is sent in an HTTP header, which takes ASCII characters only")
        return value

    @field_validator("push")
    @classmethod
    def _has_an_address(cls, push: bool, info: ValidationInfo) -> bool:
        if push and not info.data.get("loki_url"):
            raise PydanticCustomError("loki_push", "needs Loki's address: set SLUICE_LOGS__LOKI_URL")
        return push


class LakeSettings(_Group):
    uri: str = Field("", description="folder or s3:// address of the lake; empty is lake/ in the home")
    storage_options: dict[str, SecretStr] = Field(default_factory=dict, description="object store credentials")


class DocumentSettings(_Group):
    uri: SecretStr = Field(SecretStr(""), description="mongodb://…; empty is the embedded store in the home")
    database: str = Field("sluice", description="name of the database there")


class RetentionSettings(_Group):
    runs_days: float = Field(90, gt=0, description="how long finished runs and tasks stay in the archive")


class ExporterSettings(_Group):
    host: str = Field("127.0.0.1", description="address that the exporter's metrics page listens on")
    port: int = Field(9200, description="port of that page")
    # SluiceExporterBlind takes a source for unread after 180 seconds.
    seconds: float = Field(5, gt=0, le=90, description="between two looks for runs and tasks: to copy, and to count")
    slow_seconds: float = Field(
        30, gt=0, le=90, description="between two looks at models, features and what the flow monitor found; 90 at most"
    )
    serving_url: str = Field("", description="where the exporter asks whether serving is up; empty: where it listens")


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
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least level that is logged"
    )
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto is text on a terminal, else JSON")
    prefect: PrefectSettings = PrefectSettings()
    mlflow: MlflowSettings = MlflowSettings()
    dask: DaskSettings = DaskSettings()
    host: str = Field(
        "127.0.0.1", description="address of the local Dask scheduler, and of all that moves with --free-ports"
    )
    serving: ServingSettings = ServingSettings()
    prediction_log: PredictionLogSettings = PredictionLogSettings()
    lake: LakeSettings = LakeSettings()
    documents: DocumentSettings = DocumentSettings()
    logs: LogSettings = LogSettings()
    sources: SourceSettings = SourceSettings()
    retention: RetentionSettings = RetentionSettings()
    exporter: ExporterSettings = ExporterSettings()
    observe: ObserveSettings = ObserveSettings()
    traces: TraceSettings = TraceSettings()

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        # Children of the process (flow runs, workers) run in other folders.
        return home.expanduser().resolve()

    @field_validator("host")
    @classmethod
    def _not_open_to_others(cls, host: str, info: ValidationInfo) -> str:
        dask = info.data.get("dask", DaskSettings())
        if not is_loopback(host) and not dask.address and not dask.exposed:
            problem = (
                "is {host}, where others would reach the Dask scheduler, which runs whatever it is sent and asks "
                "nobody who they are. Take 127.0.0.1, or, behind a firewall, set SLUICE_DASK__EXPOSED=true"
            )
            raise PydanticCustomError("host_exposed", problem, {"host": host})
        return host

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
    def dask_dashboard(self) -> str:
        """Where the scheduler tells of its workers over HTTP: as a stack tells it, or on the scheduler's own host.

        Empty where each run has a scheduler of its own.
        """
        if self.dask.per_run.spec is not None:
            return ""
        if self.dask.dashboard:
            return self.dask.dashboard.rstrip("/")
        host = urlsplit(self.dask.address).hostname or self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.dask.dashboard_port}"

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


def is_loopback(host: str) -> bool:
    """Whether only this machine can mean it: an address, or the name localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
