"""The model registry on MLflow."""

import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

# MLflow's own retries take minutes when its server is down; the caller (a Prefect task, the service's refresher)
# retries and says so. Read by MLflow at each request.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# A process whose working directory is a checkout would copy that project's lock file into every model.
os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
# A line about each run on standard output, with emoji and the server's address.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

import mlflow
import requests
from loguru import logger
from mlflow.entities import Dataset as MlflowDataset
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunStatus
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo
from mlflow.pyfunc import PyFuncModel
from mlflow.tracking import MlflowClient

from sluice import mlflow_health, mlflow_runs
from sluice.compiled import FLAVOURS, FOLDER, compile_model
from sluice.errors import ModelNotFoundError, NotCompiledError, ServiceRefusedError
from sluice.model_files import download_once
from sluice.model_flavour import log_model, quiet, smoke_test
from sluice.models import CHALLENGER, ModelRun, ModelVersion
from sluice.settings import MlflowSettings, without_credentials

if TYPE_CHECKING:
    from sluice.dataset import Dataset

KEY_TAG = "sluice.key"
COMPILED_TAG = "sluice.compiled"


class MlflowRegistry:
    """`sluice.models.ModelRegistry` over an MLflow tracking server (or database address).

    Args:
        uri: MLflow's tracking and registry address.
        cache: folder in which loaded versions are kept.
        account: user and password that MLflow asks for, unless they are in the address.
    """

    def __init__(self, uri: str, cache: Path, account: tuple[str, str] | None = None) -> None:
        self._uri = _without_account(uri)
        account = account or MlflowSettings(uri=uri).account
        if account:
            # MLflow quotes its address in logs and exceptions; user and password it also takes from these.
            os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = account
        self._account = account
        self._cache = cache
        self._client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except requests.RequestException as error:
            raise mlflow_health.unavailable(self._uri, error) from None
        except MlflowException as error:
            # No class or code of its own tells what MLflow's client says about the connection.
            if not str(error).startswith("API request to") or "failed" not in str(error):
                raise
            if re.search("error code 40[13]", str(error)):
                hint = (
                    "Put the right user and password into SLUICE_MLFLOW__USERNAME and SLUICE_MLFLOW__PASSWORD, or this "
                    "host into --allowed-hosts."
                )
                raise ServiceRefusedError(service="MLflow", address=self.address, hint=hint) from None
            raise mlflow_health.unavailable(self._uri, error) from None

    @property
    def address(self) -> str:
        return without_credentials(self._uri)

    def ping(self) -> None:
        mlflow_health.ping(self._uri, self._account)

    def register(
        self,
        model: Any,
        *,
        name: str,
        example: pd.DataFrame,
        key: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        inputs: "Sequence[Dataset]" = (),
        alias: str = CHALLENGER,
    ) -> ModelVersion:
        with self._translated():
            made = self._with_key(name, key)
            if made is None:
                used = [_input(dataset) for dataset in inputs]
                with self._run(name, key, params, metrics or {}, tags or {}, used) as run_id:
                    made = self._log_and_register(model, name, example, key, run_id, tags or {})
            return self._finished(made, alias)

    def register_files(
        self,
        folder: Path,
        *,
        name: str,
        key: str,
        run: ModelRun,
        tags: Mapping[str, str],
        alias: str = CHALLENGER,
    ) -> ModelVersion:
        """Register a version as another registry has it, byte for byte, once for a ``key``.

        Args:
            folder: its files there.
            run: its run there, whose parameters, metrics and inputs the run that is made here gets.
        """
        with self._translated():
            made = self._with_key(name, key)
            if made is None:
                used = [mlflow_runs.linked(one) for one in run.inputs]
                with self._run(name, key, run.params, run.metrics, tags, used) as run_id:
                    made = self._upload(folder, name, key, run_id, tags)
            return self._finished(made, alias)

    def _upload(self, folder: Path, name: str, key: str, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        mlflow.set_tracking_uri(self._uri)
        mlflow.set_registry_uri(self._uri)
        logged = self._client.create_logged_model(self._experiment(name), name=name, source_run_id=run_id)
        self._client.log_model_artifacts(logged.model_id, str(folder))
        self._client.finalize_logged_model(logged.model_id, "READY")
        self._create_registered_model(name)
        version = self._client.create_model_version(
            name, logged.model_uri, run_id=run_id, tags={KEY_TAG: key, **tags}, model_id=logged.model_id
        )
        return _version(version)

    @contextmanager
    def _run(
        self,
        name: str,
        key: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        inputs: list[DatasetInput],
    ) -> Iterator[str]:
        """A run's id; the run is discarded where what it is for fails."""
        run_id = self._start_run(name, key, params, metrics, tags)
        try:
            self._client.log_inputs(run_id, inputs)
            yield run_id
        except BaseException:
            self._discard(run_id)
            raise

    def _finished(self, made: ModelVersion, alias: str) -> ModelVersion:
        # Whoever registered it may have died before this.
        self._client.set_terminated(made.run_id, RunStatus.to_string(RunStatus.FINISHED))
        self._client.set_registered_model_alias(made.name, alias, made.version)
        return self.get(made.name, version=made.version)

    def _start_run(
        self, name: str, key: str, params: Mapping[str, Any], metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> str:
        experiment = self._experiment(name)
        for leftover in self._client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{key}'"):
            self._discard(leftover.info.run_id)
        run = self._client.create_run(experiment, tags={KEY_TAG: key, **tags}, run_name=f"{name}-{key[-8:]}")
        run_id = str(run.info.run_id)
        self._client.log_batch(
            run_id, _metrics(metrics), [Param(parameter, str(value)) for parameter, value in params.items()]
        )
        return run_id

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another run made it meanwhile
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _log_and_register(
        self, model: Any, name: str, example: pd.DataFrame, key: str, run_id: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        mlflow.set_tracking_uri(self._uri)
        mlflow.set_registry_uri(self._uri)
        with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=run_id, log_system_metrics=False):
            logged = log_model(model, name, example, Path(folder))
            smoke_test(logged.model_uri, name, f"(run {run_id})", example)
            compiled = self._compile(logged, name, Path(folder))
        self._create_registered_model(name)
        version = self._client.create_model_version(
            name,
            logged.model_uri,
            run_id=run_id,
            tags={KEY_TAG: key, COMPILED_TAG: compiled, **tags},
            model_id=logged.model_id,
        )
        return _version(version)

    def _compile(self, logged: ModelInfo, name: str, folder: Path) -> str:
        """Lay the compiled form beside the model's files; says in one line what came of it."""
        if not set(logged.flavors) & set(FLAVOURS):
            return "no: it is a model of its own code"
        try:
            model = Path(mlflow.artifacts.download_artifacts(logged.model_uri, dst_path=str(folder / "to-compile")))
            agreement = compile_model(model).agreement
            self._client.log_model_artifacts(logged.model_id, str(model / FOLDER), FOLDER)
        except NotCompiledError as error:
            logger.info("{} is served as it is: {}", name, error)
            return f"no: {error.reason}"[:250]
        except Exception as error:  # a model that could be faster is a model all the same
            logger.opt(exception=error).warning("{} is served as it is: compiling it failed.", name)
            return f"no: {type(error).__name__}: {error}"[:250]
        logger.info("{} is compiled, and agrees with the original on {} rows.", name, agreement.rows)
        return f"agrees to {agreement.max_absolute:.0e} on {agreement.rows} rows"

    def _create_registered_model(self, name: str) -> None:
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _discard(self, run_id: str) -> None:
        try:
            experiment = self._client.get_run(run_id).info.experiment_id
            for logged in self._client.search_logged_models([experiment], f"source_run_id = '{run_id}'"):
                self._client.delete_logged_model(logged.model_id)
            self._client.set_terminated(run_id, RunStatus.to_string(RunStatus.FAILED))
            self._client.delete_run(run_id)
        except (MlflowException, requests.RequestException):
            return  # the next call with this key finds and removes it

    def _with_key(self, name: str, key: str) -> ModelVersion | None:
        return next((found for found in self.versions(name) if found.tags.get(KEY_TAG) == key), None)

    def find(self, name: str, *, alias: str | None = None, version: str | None = None) -> ModelVersion | None:
        with self._translated():
            try:
                if version is not None:
                    return _version(self._client.get_model_version(name, version))
                return _version(self._client.get_model_version_by_alias(name, alias or CHALLENGER))
            except MlflowException as error:
                if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                    return None
                raise

    def get(self, name: str, *, alias: str | None = None, version: str | None = None) -> ModelVersion:
        found = self.find(name, alias=alias, version=version)
        if found is None:
            wanted = f"version {version}" if version else f"with the alias {alias or CHALLENGER!r}"
            hint = f"'sluice run {name}' trains and registers one."
            raise ModelNotFoundError(name=name, wanted=wanted, hint=hint)
        return found

    def names(self) -> list[str]:
        names: list[str] = []
        token = None
        with self._translated():
            while True:
                page = self._client.search_registered_models(page_token=token)
                names += [found.name for found in page]
                if not (token := page.token):
                    return sorted(names)

    def versions(self, name: str) -> list[ModelVersion]:
        quote = '"' if "'" in name else "'"
        with self._translated():
            try:
                # A search leaves the aliases out of the versions.
                aliases = self._client.get_registered_model(name).aliases
                found = list(self._client.search_model_versions(f"name = {quote}{name}{quote}"))
            except MlflowException as error:
                if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                    return []
                raise
        made = [_version(one, [alias for alias, version in aliases.items() if version == one.version]) for one in found]
        return sorted(made, key=lambda one: int(one.version), reverse=True)

    def files(self, version: ModelVersion) -> Path:
        with self._translated():
            mlflow.set_tracking_uri(self._uri)
            mlflow.set_registry_uri(self._uri)
            folder = self._cache / version.name / f"{version.version}-{version.run_id[:8]}"
            return download_once(f"models:/{version.name}/{version.version}", folder)

    def load(self, name: str, version: str) -> PyFuncModel:
        folder = self.files(self.get(name, version=version))
        with self._translated(), quiet():
            model: PyFuncModel = mlflow.pyfunc.load_model(str(folder))
        return model

    def set_alias(self, name: str, alias: str, version: str) -> None:
        with self._translated():
            self._client.set_registered_model_alias(name, alias, version)

    def log_metrics(self, version: ModelVersion, metrics: Mapping[str, float]) -> None:
        with self._translated():
            self._client.log_batch(version.run_id, _metrics(metrics))

    def log_json(self, version: ModelVersion, name: str, content: str) -> None:
        with self._translated():
            self._client.log_text(version.run_id, content, f"evaluation/{name}.json")

    def read_json(self, version: ModelVersion, name: str) -> Any:
        with self._translated():
            return mlflow_runs.read_json(self._client, version.run_id, f"evaluation/{name}.json")

    def runs(self, versions: Sequence[ModelVersion]) -> dict[str, ModelRun]:
        with self._translated():
            return mlflow_runs.read_runs(self._client, (version.run_id for version in versions))

    def metrics(self, version: ModelVersion) -> dict[str, float]:
        with self._translated():
            return dict(self._client.get_run(version.run_id).data.metrics)


def _without_account(uri: str) -> str:
    """The address of a database keeps its user and password: SQLAlchemy does not quote it."""
    return without_credentials(uri) if uri.startswith(("http://", "https://")) and "@" in uri else uri


def _metrics(metrics: Mapping[str, float]) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(name, measured, now, 0) for name, measured in metrics.items()]


def _version(found: MlflowVersion, aliases: Iterable[str] | None = None) -> ModelVersion:
    return ModelVersion(
        name=found.name,
        version=str(found.version),
        run_id=found.run_id or "",
        aliases=tuple(sorted(found.aliases if aliases is None else aliases)),
        tags=dict(found.tags or {}),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
    )


def _input(dataset: "Dataset") -> DatasetInput:
    """A version of a table of the lake, as MLflow's page of a run shows it."""
    source = json.dumps({"path": dataset.uri, "delta_table_version": dataset.ref.version})
    profile = json.dumps({"num_rows": dataset.file_rows})
    shown = MlflowDataset(
        name=dataset.table, digest=f"version {dataset.ref.version}", source_type="delta_table", source=source,
        profile=profile,
    )  # fmt: skip
    return DatasetInput(shown, tags=[InputTag("mlflow.data.context", "training")])
