"""Models of three libraries, saved by plain MLflow code: compiled, loaded and asked beside their originals."""

import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn import calibration, compose, ensemble, linear_model, neural_network, pipeline, preprocessing, svm, tree
from sklearn.base import clone

from sluice.compiled import compile_model, load_compiled
from sluice.errors import NotCompiledError
from sluice.model_flavour import quiet
from tests.sluice.compiled.conftest import AMOUNT, COLUMNS, ROWS, THREE, YES, Save

_SCALED = compose.ColumnTransformer(
    [("scaled", preprocessing.StandardScaler(), ["weight", "age"])], remainder="passthrough"
)
CLASSIFIERS: dict[str, Any] = {
    "forest": ensemble.RandomForestClassifier(20, random_state=0),
    "shallow forest": ensemble.RandomForestClassifier(10, max_depth=3, random_state=0),
    "extra trees": ensemble.ExtraTreesClassifier(10, random_state=0),
    "tree": tree.DecisionTreeClassifier(min_samples_leaf=5, random_state=0),
    "boosting": ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0),
    "histograms": ensemble.HistGradientBoostingClassifier(max_iter=10),
    "logistic": linear_model.LogisticRegression(max_iter=1000),
    "columns": pipeline.make_pipeline(_SCALED, linear_model.LogisticRegression()),
    "scaled forest": pipeline.make_pipeline(
        preprocessing.StandardScaler(), ensemble.RandomForestClassifier(5, random_state=0)
    ),
    "calibrated": calibration.CalibratedClassifierCV(
        ensemble.HistGradientBoostingClassifier(max_iter=10), ensemble=False, cv=3
    ),
}
REGRESSORS: dict[str, Any] = {
    "forest": ensemble.RandomForestRegressor(10, random_state=0),
    "boosting": ensemble.GradientBoostingRegressor(n_estimators=10, random_state=0),
    "histograms": ensemble.HistGradientBoostingRegressor(max_iter=10),
    "poisson": ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=10),
    "linear": linear_model.LinearRegression(),
    "network": neural_network.MLPRegressor(
        hidden_layer_sizes=(4,), max_iter=20, random_state=0, tol=10.0, n_iter_no_change=2
    ),
}


def original(folder: Path, rows: pd.DataFrame) -> Any:
    with quiet():
        return mlflow.pyfunc.load_model(str(folder)).predict(rows)


def agrees(folder: Path, rows: pd.DataFrame = ROWS) -> Any:
    """Compile, read what was written, and compare types, shapes and values on rows that the comparison has not seen."""
    compile_model(folder)
    compiled = load_compiled(folder)
    assert compiled is not None
    unseen = rows.sample(200, random_state=7, replace=True) * np.random.default_rng(8).uniform(0.9, 1.1, (200, 1))
    unseen = unseen.astype(rows.dtypes)
    wanted = original(folder, unseen)
    for part in (slice(None), slice(0, 1)):
        found = compiled.predict(np.ascontiguousarray(unseen.to_numpy(np.float64)[part]))
        assert found is not None
        assert (found.dtype, found.shape) == (wanted.dtype, wanted[part].shape)
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(found, wanted[part], rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(found, wanted[part])
    assert compiled.agreement.rows >= 1000
    return compiled


@pytest.mark.parametrize("labels", ["yes or no", "three"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name: str, labels: str, save: Save) -> None:
    """Labels and probabilities are those of scikit-learn, of two classes and of three."""
    model = clone(CLASSIFIERS[name]).fit(ROWS, YES if labels == "yes or no" else THREE)
    for method in ("predict", "predict_proba"):
        agrees(save(model, method=method))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # the network need not be a good one
@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name: str, save: Save) -> None:
    """Numbers are those of scikit-learn, one a row."""
    agrees(save(clone(REGRESSORS[name]).fit(ROWS, AMOUNT)))


@pytest.mark.parametrize("labels", [np.array(["no", "yes"]), np.array(["no", "yes"], object), np.array([False, True])])
@pytest.mark.parametrize("name", ["forest", "logistic", "histograms", "columns"])
def test_labels_keep_their_type(name: str, labels: Any, save: Save) -> None:
    """Strings, objects and booleans come back as what they were."""
    compiled = agrees(save(clone(CLASSIFIERS[name]).fit(ROWS, labels[YES])))
    assert compiled.predict(np.ascontiguousarray(ROWS[:1].to_numpy())).dtype == labels.dtype


def test_xgboost(save: Save) -> None:
    """Its classes for scikit-learn, in a pipeline too, and its own interface; answers in float32 stay so."""
    xgboost = pytest.importorskip("xgboost")
    classifier = xgboost.XGBClassifier(n_estimators=10)
    agrees(save(classifier.fit(ROWS, YES)))
    agrees(save(clone(classifier).fit(ROWS, THREE)))
    scaled = pipeline.make_pipeline(preprocessing.StandardScaler(), clone(classifier))
    agrees(save(scaled.fit(ROWS, YES), method="predict_proba"))
    assert agrees(save(xgboost.XGBRegressor(n_estimators=10).fit(ROWS, AMOUNT))).form.answer.dtype == np.float32
    for objective, target in (("binary:logistic", YES), ("count:poisson", AMOUNT)):
        agrees(save(xgboost.train({"objective": objective}, xgboost.DMatrix(ROWS, target), 10)))


def test_xgboost_stops_at_its_best_iteration(save: Save) -> None:
    """Trees after the best one are in the file, and count for nothing."""
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=3, learning_rate=1.0)
    model.fit(ROWS[:200], YES[:200], eval_set=[(ROWS[200:], YES[200:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    agrees(save(model))


def test_lightgbm(save: Save) -> None:
    """Its classes for scikit-learn, a forest of it, and its own interface."""
    lightgbm = pytest.importorskip("lightgbm")
    classifier = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1)
    agrees(save(classifier.fit(ROWS, YES)))
    agrees(save(clone(classifier).fit(ROWS, np.array(["low", "mid", "top"])[THREE])))
    forest = lightgbm.LGBMRegressor(
        boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, n_estimators=5, verbose=-1
    )
    agrees(save(forest.fit(ROWS, AMOUNT)))
    for objective, target in (("binary", YES), ("poisson", AMOUNT)):
        agrees(save(lightgbm.train({"objective": objective, "verbose": -1}, lightgbm.Dataset(ROWS, target), 10)))


def test_integers_and_float32_columns(save: Save) -> None:
    """The matrix is float64 whatever the columns are, and values beyond float64's integers are left alone."""
    rows = ROWS.astype({"age": "int64", "weight": "int32", "height": "float32"})
    compiled = agrees(save(ensemble.RandomForestClassifier(5, random_state=0).fit(rows, YES), rows), rows)
    assert compiled.predict(np.array([[2.0**60, 1.7, 70, 0]])) is None


def test_a_matrix_as_input(save: Save) -> None:
    """A model that was logged with an array has positions for columns."""
    model = linear_model.LogisticRegression().fit(ROWS.to_numpy(), YES)
    folder = save(model, ROWS.to_numpy())
    assert compile_model(folder).columns == ("0", "1", "2", "3")


def test_missing_values(save: Save) -> None:
    """A model that learned with them answers compiled; where the original refuses them, the compiled form passes."""
    holes = ROWS.mask(np.random.default_rng(3).random(ROWS.shape) < 0.2)
    nan = np.array([[np.nan, 1.7, 70, 0]])
    folder = save(ensemble.HistGradientBoostingClassifier(max_iter=10).fit(holes, YES), method="predict_proba")
    compiled = compile_model(folder)
    wanted = original(folder, pd.DataFrame(nan, columns=COLUMNS))
    np.testing.assert_allclose(compiled.predict(nan), wanted, atol=1e-9)
    refusing = compile_model(save(linear_model.LogisticRegression().fit(ROWS, YES)))
    assert not refusing.agreement.nan
    assert refusing.predict(nan) is None


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e30])
def test_values_beyond_what_was_compared_are_the_originals(value: float, save: Save) -> None:
    """scikit-learn refuses some of them, so the compiled form says nothing."""
    compiled = compile_model(save(ensemble.RandomForestClassifier(5, random_state=0).fit(ROWS, YES)))
    rows = np.ascontiguousarray(ROWS[:3].to_numpy())
    assert compiled.predict(rows) is not None
    rows[1, 2] = value
    assert compiled.predict(rows) is None
    rows[2, 2] = np.nan
    assert compiled.predict(rows) is None


class Doubled(linear_model.LinearRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A model whose class has no converter."""


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (Doubled(), "Doubled does not convert"),
        (svm.SVR(), "ONNX Runtime does not take"),
        (calibration.CalibratedClassifierCV(method="isotonic", cv=2), "rows differ, the worst"),
    ],
)
def test_what_does_not_convert_or_agree_is_refused(model: Any, told: str, save: Save) -> None:
    """With the reason, and nothing is left beside the model."""
    folder = save(model.fit(ROWS, YES))
    with pytest.raises(NotCompiledError, match=told):
        compile_model(folder)
    assert load_compiled(folder) is None
    assert not list(folder.glob("*compiled*"))


def test_without_the_extra_nothing_compiles(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the reason says how to have it."""
    folder = save(linear_model.LogisticRegression().fit(ROWS, YES))
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(NotCompiledError, match="skl2onnx is not installed"):
        compile_model(folder)


def test_columns_of_text_are_refused(save: Save) -> None:
    """There is no matrix of them."""
    rows = ROWS.assign(age=ROWS["age"].astype(str))
    encoder = compose.ColumnTransformer([("age", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["age"])])
    folder = save(pipeline.make_pipeline(encoder, linear_model.LogisticRegression()).fit(rows, YES), rows)
    with pytest.raises(NotCompiledError, match="'age' is no number"):
        compile_model(folder)
