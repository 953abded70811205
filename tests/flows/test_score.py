"""From a table and a registered model to a version of predictions: the tasks without Prefect's engine and Dask."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from mlflow.pyfunc import PythonModel
from sklearn.linear_model import LinearRegression

import flows.platform
import flows.score
from flows.plan import StagePlan
from sluice.compute import InProcessCompute
from sluice.errors import (
    InputInvalidError,
    ModelNotFoundError,
    ScoreFailuresExceededError,
    TableUnfitError,
)
from sluice.lake import Lake
from sluice.references import TableRef
from sluice.use_case import load_use_case
from tests import feed

ROWS = pl.DataFrame({"id": range(100), "x": [number / 10 for number in range(100)]})
EXAMPLE = pd.DataFrame({"x": [0.0, 1.0]})


class Strict(PythonModel):
    """Doubles x, as often as it is told; raises on negative ones, and remembers how many rows it was asked at once."""

    default_params = {"times": 1}  # noqa: RUF012  # MLflow's signature is made of it; nobody changes it

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        times = (params or {}).get("times", 1)
        if times < 0:
            raise InputInvalidError(field="times", problem="it must not be negative")
        if (model_input["x"] < 0).any():
            raise RuntimeError("a negative x")
        top = [[int(x), int(x) + 1] for x in model_input["x"]]
        return pd.DataFrame({"y": model_input["x"] * 2 * times, "rows": len(model_input), "top": top})


class Users(PythonModel):
    """Says the user again, and how many rows it was asked."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        return pd.DataFrame({"user": model_input["user"], "asked": len(model_input)})


class Reporter:
    """Keeps what would be an artifact of Prefect's."""

    def __init__(self) -> None:
        self.spread: list[dict[str, Any]] = []

    def __call__(self, plan: StagePlan, ref: TableRef, spread: list[dict[str, Any]], details: dict[str, Any]) -> None:
        self.spread = spread


@pytest.fixture(scope="module")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with MLflow's tables; making them takes most of a second."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path.read_bytes()


@pytest.fixture
def reporter() -> Reporter:
    return Reporter()


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_template: bytes, reporter: Reporter) -> Iterator[Lake]:
    """The use case ``feed``, features of a hundred rows in two files, and a registry of its own."""
    feed.install(tmp_path / "packages", "feed/*")
    yaml = tmp_path / "packages" / "feed" / "use_case.yaml"
    yaml.write_text(yaml.read_text().replace("max_share: 1.0", "max_share: 0.5"))
    for module in ("feed", "feed.steps"):
        monkeypatch.delitem(sys.modules, module, raising=False)  # each test has a package of its own
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setattr("sluice.use_case.discover", lambda: {"feed": "feed"})
    monkeypatch.setattr("flows.steps.forward", lambda: None)
    monkeypatch.setattr("flows.steps.compute", lambda table: InProcessCompute(made.staging(table)))
    monkeypatch.setattr("flows.artifacts.publish_scores", reporter)
    (tmp_path / "mlflow.db").write_bytes(mlflow_template)
    monkeypatch.setenv("SLUICE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SLUICE_MLFLOW__URI", f"sqlite:///{tmp_path}/mlflow.db")
    flows.platform.platform.cache_clear()
    made = flows.platform.platform().lake
    staging = made.staging("features/feed")
    made.commit(staging.dataset([staging.write(ROWS[:60]), staging.write(ROWS[60:])]), key="f")
    yield made
    flows.platform.platform.cache_clear()


@pytest.fixture
def small_share(lake: Lake, tmp_path: Path) -> None:
    """At most five of a hundred rows may have no prediction."""
    yaml = tmp_path / "packages" / "feed" / "use_case.yaml"
    yaml.write_text(yaml.read_text().replace("max_share: 0.5", "max_share: 0.05"))


def register(model: Any, example: pd.DataFrame = EXAMPLE) -> str:
    """The champion from now on; gives its version."""
    registry = flows.platform.platform().registry
    key = f"test-{len(registry.versions('feed'))}"
    return registry.register(model, name="feed", example=example, key=key, params={}, alias="champion").version


def run(**given: Any) -> tuple[TableRef, dict[str, Any]]:
    """What the flow's tasks do, in their order."""
    inputs = flows.score.resolve("feed", given)
    plan = StagePlan(stage="score", use_case="feed", params={}, inputs=inputs, code="c", timeout=60)
    question = flows.score.match.fn(plan)
    return flows.score.write.fn(plan, question, flows.score.predict.fn(plan, question))


def stored(lake: Lake, ref: TableRef) -> pl.DataFrame:
    return lake.dataset(ref).read()


def failing_rows(count: int) -> pl.DataFrame:
    """A hundred rows, of which the last are negative."""
    return ROWS.with_columns(x=pl.when(pl.col("id") >= 100 - count).then(-1.0).otherwise("x"))


def test_every_row_has_a_prediction_beside_its_key(lake: Lake) -> None:
    """What the model says alone is what the table says, with who said it and when; the version names both inputs."""
    model = LinearRegression().fit(EXAMPLE, [1.0, 3.0])
    version = register(model)
    ref, details = run()
    scores = stored(lake, ref)
    assert scores.columns == ["id", "prediction", "error", "model_version", "scored_at"]
    assert scores["id"].to_list() == list(range(100))
    assert np.allclose(scores["prediction"], model.predict(ROWS.select("x").to_pandas()))
    assert scores["error"].null_count() == 100
    assert set(scores["model_version"]) == {version}
    assert scores["scored_at"].n_unique() == 1
    metadata = lake.versions("scores/feed")[0].metadata
    assert (metadata["sluice.table"], metadata["sluice.model"]) == ("features/feed@0", f"feed@{version}")
    assert (details["rows"], details["failed"]) == (100, 0)


def test_several_outputs_are_columns_and_lists_stay_lists(lake: Lake) -> None:
    """Types are those that the model gave."""
    register(Strict())
    ref, _ = run()
    first = stored(lake, ref).select("y", "top").row(99)
    assert first == (pytest.approx(19.8), [9, 10])


def test_the_same_work_is_the_same_version(lake: Lake) -> None:
    """Again it makes none; with other parameters, or by another model, it makes one that is all of the table."""
    register(Strict())
    first, _ = run()
    assert run()[0] == first
    second, _ = run(predict_params={"times": 3})
    assert second.version == first.version + 1
    register(Strict())
    third, _ = run()
    assert third.version == second.version + 1
    assert stored(lake, third).height == 100
    assert stored(lake, second)["y"].sum() == pytest.approx(3 * stored(lake, first)["y"].sum())


def test_the_model_gets_chunks_and_is_loaded_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by rows a call, and a worker reads the model for its first partition only."""
    register(Strict())
    loads: list[str] = []
    registry = flows.platform.platform().registry
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda name, version: loads.append(version) or load(name, version))
    staging = lake.staging("raw/wide")
    rows = [pl.DataFrame({"id": range(at, at + 30_000), "x": 1.0}) for at in (0, 30_000)]
    lake.commit(staging.dataset([staging.write(part) for part in rows]), key="w")
    ref, _ = run(table="raw/wide", chunk_rows=700)
    scores = stored(lake, ref)
    assert len(lake.dataset(ref).files) == 2
    assert scores.height == 60_000
    assert scores["rows"].max() == 700
    assert len(loads) == 1


def test_rows_that_the_model_raises_on_keep_their_place(lake: Lake) -> None:
    """All others have their prediction; these have the reason, and none is lost."""
    register(Strict())
    lake.write("raw/bad", failing_rows(5), key="b")
    ref, details = run(table="raw/bad")
    scores = stored(lake, ref)
    assert scores["id"].to_list() == list(range(100))
    failed = scores.filter(pl.col("error").is_not_null())
    assert failed["id"].to_list() == [95, 96, 97, 98, 99]
    assert set(failed["error"]) == {"RuntimeError: a negative x"}
    assert failed["y"].null_count() == 5
    assert scores["y"].null_count() == 5
    assert details["reasons"] == {"RuntimeError: a negative x": 5}


@pytest.mark.usefixtures("small_share")
def test_too_many_of_them_fail_the_run(lake: Lake) -> None:
    """One more than is allowed: nothing is written, and the message has the share and the reason."""
    register(Strict())
    lake.write("raw/bad", failing_rows(6), key="b")
    with pytest.raises(ScoreFailuresExceededError, match=r"at least 6 of 100 rows of raw/bad@0.*5\.00%.*a negative x"):
        run(table="raw/bad")
    assert lake.latest("scores/feed") is None


def test_a_file_without_any_answer_has_the_columns_of_the_others(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are there with their reasons, and the table can be read as one."""
    monkeypatch.setattr("flows.scoring._FILE_BYTES", 0)  # a file a chunk
    register(Strict())
    lake.write("raw/bad", failing_rows(30), key="b")
    ref, _ = run(table="raw/bad", chunk_rows=10)
    assert len(lake.dataset(ref).files) == 10
    scores = stored(lake, ref)
    assert scores["id"].to_list() == list(range(100))
    assert scores["top"].null_count() == scores["y"].null_count() == 30


@pytest.mark.parametrize(
    ("rows", "reasons"),
    [
        ({"id": [1, 2, 3, 4], "x": [1.0, None, 2.0, 2.5]}, {2: "x: missing", 4: "x: not a Int64"}),
        ({"id": [1, 2], "x": [1, 2]}, {}),
    ],
)
def test_values_that_a_type_cannot_hold_are_single_rows(
    lake: Lake, rows: dict[str, list[Any]], reasons: dict[int, str]
) -> None:
    """A missing or broken whole number is that row's reason; MLflow alone would refuse the whole chunk."""
    register(LinearRegression().fit(EXAMPLE.astype("int64"), [1.0, 3.0]), EXAMPLE.astype("int64"))
    lake.write("raw/whole", pl.DataFrame(rows), key="w")
    scores = stored(lake, run(table="raw/whole")[0])
    assert dict(scores.filter(pl.col("error").is_not_null()).select("id", "error").iter_rows()) == reasons
    assert scores.filter(pl.col("error").is_null())["prediction"].null_count() == 0


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"id": [1], "z": [1.0]}, r"feed@1 cannot score raw/other@0: it has no column 'x', only id, z"),
        ({"key": [1], "x": [1.0]}, r"it has no column 'id', only key, x"),
        ({"id": [1], "x": ["a"]}, r"its column 'x' is String, and the model reads Float64"),
        ({"id": [1], "x": [True]}, r"its column 'x' is Boolean, and the model reads Float64"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_its_column(lake: Lake, rows: dict[str, list[Any]], said: str) -> None:
    """Before a row is read: the model and the version of the table are named too."""
    register(LinearRegression().fit(EXAMPLE, [1.0, 3.0]))
    lake.write("raw/other", pl.DataFrame(rows), key="o")
    with pytest.raises(TableUnfitError, match=said):
        run(table="raw/other")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"predict_params": {"time": 2}}, r"predict_params\.time: feed@1 has no such parameter; it takes times"),
        ({"predict_params": {"times": "often"}}, r"predict_params\.times: feed@1 takes long for it, not 'often'"),
        ({"predict_params": {"times": -1}}, r"times: it must not be negative"),
        ({"output": "raw/feed"}, r"output: String should match"),
        ({"chunk_rows": 0}, r"chunk_rows: "),
    ],
)
@pytest.mark.usefixtures("lake")
def test_a_wrong_option_is_one_line(given: dict[str, Any], said: str) -> None:
    """It says which, and what is allowed; no row was asked about."""
    register(Strict())
    with pytest.raises(InputInvalidError, match=said):
        run(**given)


@pytest.mark.usefixtures("lake")
def test_without_a_champion_there_is_nothing_to_score_with() -> None:
    """A model that is registered and not promoted is only scored with when it is named."""
    registry = flows.platform.platform().registry
    registry.register(Strict(), name="feed", example=EXAMPLE, key="k", params={})
    with pytest.raises(ModelNotFoundError, match="'champion'"):
        run()
    assert run(model_version=1)[1]["rows"] == run(model_version="challenger")[1]["rows"] == 100


def test_a_model_of_a_part_of_the_key_is_asked_once_for_each(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users of ratings: each once, whatever the partitions; with keep, each rating."""
    monkeypatch.setattr(load_use_case("feed").steps, "KEY", ("user", "item"))
    register(Users(), pd.DataFrame({"user": [1, 2]}))
    staging = lake.staging("raw/ratings")
    ratings = [
        pl.DataFrame({"user": [n % 700 for n in range(30_000)], "item": range(30_000), "at": at}) for at in (1, 2)
    ]
    lake.commit(staging.dataset([staging.write(part) for part in ratings]), key="r")
    scores = stored(lake, run(table="raw/ratings")[0])
    assert scores["user"].sort().to_list() == list(range(700))
    assert scores.columns == ["user", "asked", "error", "model_version", "scored_at"]
    assert run(table="raw/ratings", keep=["user", "item"])[1]["rows"] == 60_000


def test_what_is_kept_does_not_cover_an_answer_of_the_same_name(lake: Lake) -> None:
    """The true y stands beside the predicted one."""
    register(Strict())
    lake.write("raw/labelled", ROWS.with_columns(y=pl.lit(7.0)), key="l")
    scores = stored(lake, run(table="raw/labelled", keep=["id", "y"])[0])
    assert set(scores["y"]) == {7.0}
    assert scores["predicted_y"][10] == pytest.approx(2.0)


def test_a_matrix_without_names_is_told_its_columns(lake: Lake) -> None:
    """A model that was logged with NumPy arrays, by somebody who knows nothing of Sluice."""
    import mlflow
    from mlflow.models import infer_signature

    settings = flows.platform.platform().settings
    mlflow.set_tracking_uri(settings.mlflow.uri)
    mlflow.set_registry_uri(settings.mlflow.uri)
    matrix = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]])
    model = LinearRegression().fit(matrix, matrix @ [2.0, 10.0])
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model, name="model", registered_model_name="feed", signature=infer_signature(matrix, model.predict(matrix)),
            pip_requirements=["scikit-learn"], serialization_format="cloudpickle",
        )  # fmt: skip
    lake.write("raw/two", ROWS.with_columns(z=pl.lit(1.0)), key="t")
    with pytest.raises(TableUnfitError, match="a matrix of 2 columns without names; say which with columns"):
        run(table="raw/two", model_version=1)
    scores = stored(lake, run(table="raw/two", model_version=1, columns=["x", "z"])[0])
    assert scores["prediction"][10] == pytest.approx(12.0)


def test_use_case_yaml_says_what_is_usual(lake: Lake, tmp_path: Path) -> None:
    """A schedule has no options of its own; a run's go over these."""
    register(Strict())
    with (tmp_path / "packages" / "feed" / "use_case.yaml").open("a") as file:
        file.write("score: {predict_params: {times: 2}, output: scores/usual}\n")
    assert run()[0].table == "scores/usual"
    ref, _ = run(output="scores/other")
    assert stored(lake, ref)["y"][10] == pytest.approx(4.0)


def test_predictions_are_told_in_a_line_a_column(lake: Lake, reporter: Reporter) -> None:
    """Range and shares: of values where there are few, else of tenths of the range."""
    register(Strict())
    run(chunk_rows=30)
    told = {line["column"]: line for line in reporter.spread}
    assert list(told) == ["y", "rows", "top (length)"]
    assert told["y"]["shares"] == " ".join(["10%"] * 10)
    assert told["rows"]["shares"] == "30: 90.0%, 10: 10.0%"
    assert (told["y"]["min"], told["y"]["max"]) == (0.0, pytest.approx(19.8))


def test_an_outage_is_not_taken_for_a_bad_row(lake: Lake) -> None:
    """What another try can mend ends the task, which is tried again; no row gets it for a reason."""

    class Away(PythonModel):
        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
            if len(model_input) > 2:
                raise ConnectionResetError("the feature service is away")
            return model_input["x"]

    register(Away())
    with pytest.raises(ConnectionResetError):
        run()
    assert lake.latest("scores/feed") is None
