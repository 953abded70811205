"""Models as any team logs them with plain MLflow. Nothing here knows of Sluice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from mlflow.pyfunc import PythonModel
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

RANDOM = np.random.default_rng(3)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(400, 4)), columns=["a", "b", "c", "d"])
SUM = NUMBERS["a"] + NUMBERS["b"] * NUMBERS["c"]
LABEL = (SUM > 0).astype(int)
MIXED = NUMBERS[["a", "b"]].assign(colour=RANDOM.choice(["red", "grün", "blue"], 400))
ALIAS = "champion"


class Scaled(PythonModel):
    """A model of a team's own: two columns, one of them text, and a parameter."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        factor = (params or {}).get("factor", 2.0)
        return pd.DataFrame({"score": model_input["a"] * factor, "colour": model_input["colour"].str.upper()})


def sklearn(estimator: Any, rows: pd.DataFrame, target: Any, **options: Any) -> None:
    fitted = estimator.fit(rows, target)
    answer = getattr(fitted, options.get("pyfunc_predict_fn", "predict"))(rows)
    mlflow.sklearn.log_model(
        fitted,
        name="model",
        signature=infer_signature(rows, answer),
        input_example=rows[:3],
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        **options,
    )


def classifier() -> None:
    sklearn(RandomForestClassifier(20, random_state=0), NUMBERS, np.where(LABEL, "yes", "no"))


def probabilities() -> None:
    sklearn(LogisticRegression(), NUMBERS, LABEL, pyfunc_predict_fn="predict_proba")


def regressor() -> None:
    sklearn(RandomForestRegressor(20, random_state=0), NUMBERS, SUM)


def pipeline() -> None:
    columns = ColumnTransformer([("number", StandardScaler(), ["a", "b"]), ("text", OneHotEncoder(), ["colour"])])
    sklearn(make_pipeline(columns, LogisticRegression()), MIXED, LABEL)


def xgboost() -> None:
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=20, max_depth=4).fit(NUMBERS, LABEL)
    signature = infer_signature(NUMBERS, model.predict(NUMBERS))
    mlflow.xgboost.log_model(model, name="model", signature=signature, pip_requirements=["xgboost"])


def lightgbm() -> None:
    import lightgbm

    model = lightgbm.train({"verbose": -1, "objective": "regression"}, lightgbm.Dataset(NUMBERS, SUM), 20)
    signature = infer_signature(NUMBERS, model.predict(NUMBERS))
    mlflow.lightgbm.log_model(model, name="model", signature=signature, pip_requirements=["lightgbm"])


def custom() -> None:
    example = MIXED[["a", "colour"]]
    signature = infer_signature(example, Scaled().predict(None, example), params={"factor": 2.0})
    mlflow.pyfunc.log_model(name="model", python_model=Scaled(), signature=signature, pip_requirements=["mlflow"])


def keras() -> None:
    """Only in a process of its own: Keras chooses its engine when it is imported."""
    from keras import Input, Sequential, layers

    network = Sequential([Input((4,)), layers.Dense(8, "relu"), layers.Dense(1, "sigmoid")])
    network.compile("adam", "binary_crossentropy")
    rows = NUMBERS.to_numpy(np.float32)
    network.fit(rows, LABEL.to_numpy(), verbose=0)
    signature = infer_signature(rows, network.predict(rows, verbose=0))
    mlflow.keras.log_model(network, name="model", signature=signature, pip_requirements=["keras"])


# What is logged, and 200 rows to ask it.
LOGGED: dict[str, tuple[Callable[[], None], Any]] = {
    "classifier": (classifier, NUMBERS),
    "probabilities": (probabilities, NUMBERS),
    "regressor": (regressor, NUMBERS),
    "pipeline": (pipeline, MIXED),
    "xgboost": (xgboost, NUMBERS),
    "lightgbm": (lightgbm, NUMBERS),
    "custom": (custom, MIXED[["a", "colour"]]),
    "keras": (keras, NUMBERS.to_numpy(np.float32)),
}


def rows_for(name: str) -> Any:
    return LOGGED[name][1][:200]


def register(name: str, uri: str, artifacts: Path) -> None:
    """Log it in a run of an MLflow store, register it, and make it the champion."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    experiment = mlflow.create_experiment(name, artifact_location=artifacts.as_uri())
    with mlflow.start_run(experiment_id=experiment):
        LOGGED[name][0]()
        model = mlflow.last_logged_model()
        version = mlflow.register_model(f"models:/{model.model_id}", name)
    mlflow.MlflowClient().set_registered_model_alias(name, ALIAS, version.version)
