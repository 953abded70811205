"""The model registry port: versions, aliases, and loading by version. MLflow's adapter is `sluice.mlflow_registry`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict

from sluice.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.pyfunc import PyFuncModel

    from sluice.dataset import Dataset

CHALLENGER = "challenger"


class ModelVersion(BaseModel):
    """One registered version, as the registry knows it now."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    name: str
    version: str
    run_id: str
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    created_at: datetime


class TrainedOn(BaseModel):
    """A table that a model was trained on. ``version`` is None where another tool logged it without one of ours."""

    model_config = ConfigDict(frozen=True)

    table: str
    version: int | None = None
    rows: int | None = None


class ModelRun(BaseModel):
    """What the tracking server has of the run that made a version."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    experiment_id: str
    metrics: dict[str, float] = {}
    params: dict[str, str] = {}
    inputs: tuple[TrainedOn, ...] = ()


class ModelRegistry(Protocol):
    """Every call may raise ServiceUnavailableError, soon: whoever calls decides about trying again."""

    def register(
        self,
        model: Any,
        *,
        name: str,
        example: "pd.DataFrame",
        key: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        inputs: "Sequence[Dataset]" = (),
        alias: str = CHALLENGER,
    ) -> ModelVersion:
        """Log a model in a run of its own and register it, once for a ``key``.

        The saved model must give an answer to its own ``example`` before it is registered. What a call that died left
        behind under the same key is removed. The run links the versions of tables in ``inputs``.

        Raises:
            ModelSignatureMissingError: no signature could be inferred from the example.
            ModelExampleFailedError: the saved model does not answer its example.
        """
        ...

    def find(self, name: str, *, alias: str | None = None, version: str | None = None) -> ModelVersion | None: ...

    def get(self, name: str, *, alias: str | None = None, version: str | None = None) -> ModelVersion:
        """Like `find`.

        Raises:
            ModelNotFoundError: there is none.
        """
        ...

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions, newest first; empty when there is no such model."""
        ...

    def files(self, version: ModelVersion) -> Path:
        """The folder with the version as it was logged, on this machine; without the registry if it was here before."""
        ...

    def load(self, name: str, version: str) -> "PyFuncModel":
        """The model as it was logged, from this machine's cache when it has been loaded before."""
        ...

    def set_alias(self, name: str, alias: str, version: str) -> None: ...

    def log_metrics(self, version: ModelVersion, metrics: Mapping[str, float]) -> None: ...

    def log_json(self, version: ModelVersion, name: str, content: str) -> None:
        """Put a JSON document onto the version's run, in place of an earlier one of that name."""
        ...

    def names(self) -> list[str]:
        """All registered models, sorted."""
        ...

    def runs(self, versions: "Sequence[ModelVersion]") -> dict[str, ModelRun]:
        """The runs of these versions by their ids; one that was removed is not among them."""
        ...

    def read_json(self, version: ModelVersion, name: str) -> Any:
        """What `log_json` put there under that name; None where nothing is, or nothing that is JSON."""
        ...

    def metrics(self, version: ModelVersion) -> dict[str, float]: ...

    def ping(self) -> None: ...


def open_registry(settings: Settings) -> ModelRegistry:
    """The registry that the settings name."""
    from sluice.mlflow_registry import MlflowRegistry

    return MlflowRegistry(settings.mlflow.uri, settings.home / "cache" / "models", settings.mlflow.account)


def ping_registry(settings: Settings) -> None:
    """`ModelRegistry.ping`, for who needs nothing else of it and should not pay for its client.

    Raises:
        ServiceUnavailableError: it does not answer.
    """
    from sluice.mlflow_health import ping

    ping(settings.mlflow.uri, settings.mlflow.account)
