"""The diabetes model after it was registered: what a server loads and callers ask."""

import importlib.util
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel

from sluice.classification.model import ClassifierModel
from sluice.compute import InProcessCompute
from sluice.contracts import validate
from sluice.dataset import Dataset
from sluice.errors import InputInvalidError
from sluice.lake import Lake
from sluice.mlflow_registry import MlflowRegistry
from sluice.sources import open_source
from sluice.use_case import UseCase
from sluice.use_cases.diabetes import steps
from sluice.use_cases.diabetes.steps import Params
from tests.sluice.use_cases.conftest import Answer

PARAMS = Params(decision={"folds": 2}, gradient_boosting={"iterations": 20})
KERAS = Params(
    model="keras",
    decision={"folds": 2},
    search={"folds": 2, "repeats": 1, "keras": {"units": ((8,),), "l2": (0.1, 1000.0)}},
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """Training rows and held-out rows of the tables that ship."""
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    staging = lake.staging("raw/diabetes")
    use_case = UseCase("sluice.use_cases.diabetes")
    arrived = pl.concat(steps.ingest(open_source(use_case.config.source), PARAMS, None))
    rows = validate(arrived, steps.Schema, steps.KEY).accepted
    raw = lake.dataset(lake.commit(staging.dataset([staging.write(rows)]), key="raw"))
    built = steps.build_features(raw, PARAMS, InProcessCompute(lake.staging("features/diabetes")))
    return steps.split(lake.dataset(lake.commit(built, key="features", mode="overwrite")), PARAMS)


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> InProcessCompute:
    return InProcessCompute(Lake(str(tmp_path_factory.mktemp("models"))).staging("models/diabetes"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowRegistry]:
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # artifacts go into the working directory
        yield MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder / "cache")


def _registered(registry: MlflowRegistry, model: ClassifierModel, train: Dataset, key: str) -> tuple[PyFuncModel, Path]:
    """The model as `registry` loads it, and the folder of its files."""
    example = steps.example(train, PARAMS)
    version = registry.register(model, name="diabetes", example=example, key=key, params={"model": key})
    loaded = registry.load("diabetes", version.version)
    return loaded, Path(mlflow.artifacts.download_artifacts(f"models:/diabetes/{version.version}"))


def _asked(holdout: Dataset) -> pd.DataFrame:
    return holdout.read().to_pandas()[[column.name for column in steps.COLUMNS]]


@pytest.fixture(scope="module")
def trained(parts: tuple[Dataset, Dataset], compute: InProcessCompute) -> ClassifierModel:
    return steps.train(parts[0], PARAMS, compute)


@pytest.fixture(scope="module")
def saved(
    registry: MlflowRegistry, trained: ClassifierModel, parts: tuple[Dataset, Dataset]
) -> tuple[PyFuncModel, Path]:
    return _registered(registry, trained, parts[0], "boosting")


@pytest.fixture(scope="module")
def loaded(saved: tuple[PyFuncModel, Path]) -> PyFuncModel:
    return saved[0]


def test_saved_and_loaded_models_predict_equally(
    saved: tuple[PyFuncModel, Path], trained: ClassifierModel, parts: tuple[Dataset, Dataset], ask_elsewhere: Answer
) -> None:
    """In this process and in one that has no use case, as a server has none; evaluate measures the same."""
    loaded, folder = saved
    asked = _asked(parts[1])
    expected = trained.predict(None, asked)
    pd.testing.assert_frame_equal(loaded.predict(asked), expected)
    pd.testing.assert_frame_equal(ask_elsewhere(folder, asked), expected, check_index_type=False)
    assert steps.evaluate(loaded, parts[1], PARAMS) == steps.evaluate(trained, parts[1], PARAMS)


def test_the_signature_names_measurements_and_answers(loaded: PyFuncModel) -> None:
    """Seven numbers in, a label and a probability out: what the service makes its typed route from."""
    signature = loaded.metadata.signature
    assert [(c.name, str(c.type)) for c in signature.inputs] == [(c.name, "DataType.double") for c in steps.COLUMNS]
    assert [(c.name, str(c.type)) for c in signature.outputs] == [
        ("label", "DataType.long"),
        ("probability", "DataType.double"),
    ]
    assert loaded.input_example is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bmi": np.nan}, "bmi: row 1: it is missing"),
        ({"bmi": None}, "bmi: row 1: it is missing"),
        ({"glucose": 0.0}, "glucose: row 1: 0 is not from 20 to 600"),
        ({"age": np.inf}, "age: row 1: 'inf' is not a number"),
    ],
)
def test_a_value_that_was_not_measured_is_named(
    loaded: PyFuncModel, parts: tuple[Dataset, Dataset], change: dict[str, Any], message: str
) -> None:
    """Nobody gets a probability from what is missing or impossible; the error says which column and which row."""
    asked = _asked(parts[1]).head(3)
    asked.loc[asked.index[1], list(change)] = list(change.values())
    with pytest.raises(InputInvalidError, match=message) as caught:
        loaded.predict(asked)
    assert caught.value.status == 422


def test_a_missing_column_and_text_are_refused_by_the_signature(
    loaded: PyFuncModel, trained: ClassifierModel, parts: tuple[Dataset, Dataset]
) -> None:
    """MLflow names the column; the model does too when it is asked without MLflow."""
    asked = _asked(parts[1]).head(3)
    with pytest.raises(MlflowException, match="glucose"):
        loaded.predict(asked.drop(columns="glucose"))
    with pytest.raises(MlflowException, match="age"):
        loaded.predict(asked.astype({"age": "str"}).assign(age="old"))
    with pytest.raises(InputInvalidError, match="glucose: the input has no such column"):
        trained.predict(None, asked.drop(columns="glucose"))
    with pytest.raises(InputInvalidError, match="age: row 0: 'old' is not a number"):
        trained.predict(None, asked.astype({"age": "object"}).assign(age="old"))


def test_columns_may_come_in_any_order_and_no_row_is_an_answer_too(
    loaded: PyFuncModel, parts: tuple[Dataset, Dataset]
) -> None:
    """Preparation is by name, extra columns are passed over, and an empty question has an empty answer."""
    asked = _asked(parts[1])
    expected = loaded.predict(asked)
    mixed = asked[asked.columns[::-1]].assign(name="somebody")
    pd.testing.assert_frame_equal(loaded.predict(mixed), expected)
    assert loaded.predict(asked.head(0)).columns.to_list() == ["label", "probability"]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="the extra keras is not installed")
def test_keras_is_trained_calibrated_and_served_like_the_trees(
    registry: MlflowRegistry, parts: tuple[Dataset, Dataset], compute: InProcessCompute, ask_elsewhere: Answer
) -> None:
    """Search, training and the fresh process that loads it; its probabilities beat the base rate by a margin."""
    train, holdout = parts
    chosen = steps.search(train, KERAS, compute)
    assert chosen.keras.l2 == 0.1  # the other leaves nothing of the network
    model = steps.train(train, chosen, compute)
    scores = steps.evaluate(model, holdout, chosen)
    share = (scores["tp"] + scores["fn"]) / holdout.rows
    assert scores["brier_score"] < share * (1 - share) - 0.03
    assert scores["roc_auc"] > 0.5 + 0.25
    assert 0 < model.threshold < 1
    again = steps.train(train, chosen, compute)
    assert again.threshold == model.threshold

    loaded, folder = _registered(registry, model, train, "keras")
    asked = _asked(holdout)
    expected = model.predict(None, asked)
    pd.testing.assert_frame_equal(again.predict(None, asked), expected)
    pd.testing.assert_frame_equal(loaded.predict(asked), expected)
    elsewhere = ask_elsewhere(folder, asked)
    np.testing.assert_allclose(elsewhere["probability"], expected["probability"], rtol=1e-6)
    assert elsewhere["label"].to_list() == expected["label"].to_list()
    # Rows are asked in parts of another size than they were trained in, one at a time too.
    one = pd.concat([model.predict(None, asked.iloc[[row]]) for row in range(3)])
    np.testing.assert_allclose(one["probability"], expected["probability"].head(3), rtol=1e-5)
    assert pickle.dumps(model).count(b"keras.src") == 0
