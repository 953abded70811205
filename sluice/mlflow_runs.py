"""What MLflow knows of runs: the numbers, the tables they were trained on, and JSON documents that were put there."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loguru import logger
from mlflow.entities import Dataset as MlflowDataset
from mlflow.entities import DatasetInput, InputTag, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sluice.models import ModelRun, TrainedOn

# As many ids as an address and MLflow's parser take well.
_TOGETHER = 100
_GONE = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


def read_runs(client: MlflowClient, run_ids: Iterable[str]) -> dict[str, ModelRun]:
    """By id. One question finds an experiment, and one its runs: mostly a model's versions are all of one."""
    wanted = list(dict.fromkeys(filter(None, run_ids)))
    found: dict[str, ModelRun] = {}
    while wanted:
        first = _get(client, wanted[0])
        if first is not None:
            found[wanted[0]] = _run(first)
            for start in range(1, len(wanted), _TOGETHER):
                ids = ", ".join(f"'{run_id}'" for run_id in wanted[start : start + _TOGETHER])
                together = client.search_runs(
                    [first.info.experiment_id], f"attributes.run_id IN ({ids})", max_results=_TOGETHER
                )
                found |= {str(run.info.run_id): _run(run) for run in together}
        wanted = [run_id for run_id in wanted[1:] if run_id not in found]
    return found


def read_json(client: MlflowClient, run_id: str, path: str) -> Any:
    """A JSON document among a run's artifacts, or None."""
    try:
        # Looked for first: each kind of artifact store has an error of its own for what is not there.
        if path not in {file.path for file in client.list_artifacts(run_id, path.rpartition("/")[0])}:
            return None
        with TemporaryDirectory() as folder:
            return json.loads(Path(client.download_artifacts(run_id, path, folder)).read_bytes())
    except MlflowException as error:
        if error.error_code in _GONE:
            return None
        raise
    except ValueError as error:
        logger.warning("{} of the run {} is not JSON: {}", path, run_id, error)
        return None


def linked(used: TrainedOn) -> DatasetInput:
    """A table as MLflow's page of a run shows it, where the table itself is somewhere else."""
    source = json.dumps({"delta_table_version": used.version})
    shown = MlflowDataset(
        name=used.table, digest=f"version {used.version}", source_type="delta_table", source=source,
        profile=json.dumps({"num_rows": used.rows}),
    )  # fmt: skip
    return DatasetInput(shown, tags=[InputTag("mlflow.data.context", "training")])


def _get(client: MlflowClient, run_id: str) -> Run | None:
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in _GONE:
            return None
        raise


def _run(run: Run) -> ModelRun:
    inputs = run.inputs.dataset_inputs if run.inputs else []
    return ModelRun(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        inputs=tuple(_trained_on(linked) for linked in inputs),
    )


def _trained_on(linked: DatasetInput) -> TrainedOn:
    source, profile = _mapping(linked.dataset.source), _mapping(linked.dataset.profile)
    return TrainedOn(
        table=linked.dataset.name,
        version=_whole(source.get("delta_table_version")),
        rows=_whole(profile.get("num_rows")),
    )


def _mapping(text: str | None) -> Mapping[str, Any]:
    """What other tools put there is theirs."""
    try:
        content = json.loads(text or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
