"""What a real MLflow knows of the runs behind versions: numbers, tables, documents."""

from pathlib import Path

import pytest
from mlflow.entities import Dataset as MlflowDataset
from mlflow.entities import DatasetInput
from mlflow.tracking import MlflowClient

from sluice.mlflow_registry import MlflowRegistry
from sluice.models import ModelVersion, TrainedOn
from sluice.version_details import describe


@pytest.fixture(scope="module")
def uri(mlflow_database: bytes, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    path.write_bytes(mlflow_database)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def client(uri: str) -> MlflowClient:
    return MlflowClient(uri, uri)


@pytest.fixture
def registry(uri: str, tmp_path: Path) -> MlflowRegistry:
    return MlflowRegistry(uri, tmp_path)


class Model:
    """A registered model whose versions are made by hand, each with a run in the experiment that is named."""

    def __init__(self, client: MlflowClient, name: str, folder: Path) -> None:
        self._client, self._folder, self.name = client, folder, name
        client.create_registered_model(name)

    def version(self, experiment: str | None, **metrics: float) -> ModelVersion:
        """Without a run for None."""
        run_id = self._run(experiment, metrics) if experiment else None
        made = self._client.create_model_version(self.name, "file:///nowhere", run_id=run_id)
        return ModelVersion(
            name=self.name, version=str(made.version), run_id=run_id or "", created_at="2026-01-01T00:00:00Z"
        )

    def _run(self, experiment: str, metrics: dict[str, float]) -> str:
        found = self._client.get_experiment_by_name(experiment)
        at = (self._folder / experiment).as_uri()
        experiment_id = found.experiment_id if found else self._client.create_experiment(experiment, at)
        run_id = str(self._client.create_run(experiment_id).info.run_id)
        for name, value in metrics.items():
            self._client.log_metric(run_id, name, value)
        return run_id


@pytest.fixture
def model(client: MlflowClient, tmp_path: Path) -> Model:
    return Model(client, tmp_path.name, tmp_path)


def test_runs_of_several_experiments_come_together(
    model: Model, registry: MlflowRegistry, client: MlflowClient
) -> None:
    """Whoever registered a version, and also from MLflow's bin; a run that never was is left out."""
    versions = [model.version(experiment, error=number) for number, experiment in enumerate(("a", "b", "a", "b"))]
    client.delete_run(versions[2].run_id)  # whose version is still there
    without = model.version(None)
    lost = without.model_copy(update={"run_id": "0" * 32})
    found = registry.runs([without, *versions, lost])
    assert {run_id: run.metrics["error"] for run_id, run in found.items()} == {
        version.run_id: number for number, version in enumerate(versions)
    }


def test_more_runs_than_one_question_takes(
    model: Model, registry: MlflowRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked for in parts, and all come."""
    monkeypatch.setattr("sluice.mlflow_runs._TOGETHER", 2)
    versions = [model.version("many", error=number) for number in range(6)]
    found = registry.runs(versions)
    assert [found[version.run_id].metrics["error"] for version in versions] == [0, 1, 2, 3, 4, 5]
    assert registry.runs([]) == {}


@pytest.mark.parametrize(
    ("source", "profile", "expected"),
    [
        ('{"path": "/lake/t", "delta_table_version": 3}', '{"num_rows": 7}', TrainedOn(table="t", version=3, rows=7)),
        ("s3://bucket/file.csv", None, TrainedOn(table="t")),
        ("[1]", '{"num_rows": "many"}', TrainedOn(table="t")),
    ],
)
def test_tables_are_those_that_the_run_was_trained_on(
    model: Model, registry: MlflowRegistry, client: MlflowClient, source: str, profile: str | None, expected: TrainedOn
) -> None:
    """Ours with version and rows; what another tool logged by its name."""
    version = model.version("tables")
    shown = MlflowDataset(
        name="t", digest=version.run_id[:8], source_type="delta_table", source=source, profile=profile
    )
    client.log_inputs(version.run_id, [DatasetInput(shown, tags=[])])
    (told,) = describe(registry, [version], "http://user:word@mlflow:5000/")
    assert told.inputs == (expected,)
    assert told.links["mlflow"].startswith("http://mlflow:5000/#/models/")
    assert told.links["run"].endswith(f"/runs/{version.run_id}")
    assert describe(registry, [version], "sqlite:///mlflow.db")[0].links == {}


def test_a_document_is_read_as_it_was_written(model: Model, registry: MlflowRegistry, client: MlflowClient) -> None:
    """The newest of its name; None for one that is not there, that is not JSON, and for a version without a run."""
    version = model.version("documents")
    assert registry.read_json(version, "evaluation") is None
    registry.log_json(version, "other", "{}")
    assert registry.read_json(version, "evaluation") is None
    for content in ('{"a": 1}', '{"a": [1, "é"]}'):
        registry.log_json(version, "evaluation", content)
    assert registry.read_json(version, "evaluation") == {"a": [1, "é"]}
    client.log_text(version.run_id, "no", "evaluation/text.json")
    assert registry.read_json(version, "text") is None
    assert registry.read_json(model.version(None), "evaluation") is None
    assert registry.read_json(version.model_copy(update={"run_id": "0" * 32}), "evaluation") is None


@pytest.mark.parametrize("name", ["it's", 'so "called"', "both ' and \"", "%", "a b", "ü"])
def test_any_name_has_its_versions(client: MlflowClient, registry: MlflowRegistry, name: str, tmp_path: Path) -> None:
    """Quotes in a name neither end the question to MLflow nor ask it another one."""
    made = Model(client, name, tmp_path).version(None)
    found = registry.versions(name)
    assert [one.version for one in found] in ([made.version], [])
    assert bool(found) == (not {"'", '"'} <= set(name))
    assert registry.versions(f"{name}' OR name LIKE '%") == []


def test_names_are_all_registered_models(client: MlflowClient, registry: MlflowRegistry, tmp_path: Path) -> None:
    """Also those beyond MLflow's first page of 100."""
    before = set(registry.names())
    added = {f"model {number}" for number in range(101)}
    for name in added:
        client.create_registered_model(name)
    names = registry.names()
    assert set(names) == before | added
    assert names == sorted(names)
