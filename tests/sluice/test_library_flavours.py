"""Models of other libraries: saved in the library's own format, loaded by MLflow, answering as before."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from sluice.library_flavours import library_of, served_form
from sluice.model_flavour import ask, save_model, smoke_test

ROWS = pd.DataFrame(np.random.default_rng(0).random((100, 2)), columns=["a", "b"])
LABELS = (ROWS["a"] + ROWS["b"] > 1).astype(int)


def survives(model: Any, folder: Path) -> set[str]:
    """Save, load and compare; gives the flavours."""
    saved = save_model(model, "name", ROWS.head(5), folder)
    smoke_test(str(saved), "name", "1", ROWS.head(5))
    loaded = mlflow.pyfunc.load_model(str(saved))
    assert loaded.metadata.signature.inputs.input_names() == ["a", "b"]
    np.testing.assert_allclose(np.asarray(loaded.predict(ROWS)).ravel(), np.asarray(ask(model, ROWS)).ravel(), 1e-6)
    return set(loaded.metadata.flavors)


@pytest.mark.parametrize("own_api", [False, True])
def test_xgboost(own_api: bool, tmp_path: Path) -> None:
    """Through its scikit-learn class and its own API, which takes matrices of its own."""
    xgboost = pytest.importorskip("xgboost")
    model = (
        xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(ROWS, LABELS), 5)
        if own_api
        else xgboost.XGBClassifier(n_estimators=5).fit(ROWS, LABELS)
    )
    assert survives(model, tmp_path) == {"xgboost", "python_function"}


@pytest.mark.parametrize("own_api", [False, True])
def test_lightgbm(own_api: bool, tmp_path: Path) -> None:
    """Through its scikit-learn class and its own API."""
    lightgbm = pytest.importorskip("lightgbm")
    model = (
        lightgbm.train({"verbose": -1}, lightgbm.Dataset(ROWS, LABELS), 5)
        if own_api
        else lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(ROWS, LABELS)
    )
    assert survives(model, tmp_path) == {"lightgbm", "python_function"}


_KERAS = """
import sys
from pathlib import Path
from tests.sluice.test_library_flavours import LABELS, ROWS, survives
import keras
network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1, "sigmoid")])
network.compile("adam", "binary_crossentropy")
network.fit(ROWS.to_numpy(), LABELS.to_numpy(), verbose=0)
assert survives(network, Path(sys.argv[1])) == {"python_function"}
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("keras") is None, reason="the extra keras is not installed")
def test_keras(tmp_path: Path) -> None:
    """Asked by columns, in Keras' own file. In a process of its own: Keras chooses its engine when it is imported."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _KERAS, str(tmp_path)],
        env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_others_are_scikit_learns_business() -> None:
    """An estimator is of no such library, and is served as it is."""
    model = LinearRegression()
    assert library_of(model) is None
    assert served_form(model) is model
