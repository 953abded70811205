"""The models that are served: made, registered and saved by a process of its own (a `benchmarks.peer.Peer`).

MLflow puts the artifacts of a database address into its working directory, and who measures should not have
scikit-learn in memory.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import mlflow
import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks import serving_recommender
from benchmarks.peer import serve
from benchmarks.serving_side import BEST, FOREST, LOGISTIC, MOVIES, unlogged
from sluice.mlflow_registry import MlflowRegistry
from sluice.serving_policy import TAG, Serving

TRAINING_ROWS, ASKED_ROWS, COLUMNS = 10_000, 50, 20
CHAMPION = "champion"
MODELS: dict[str, Callable[[], Any]] = {
    FOREST: lambda: RandomForestClassifier(n_estimators=100, random_state=0, n_jobs=1),
    LOGISTIC: lambda: LogisticRegression(max_iter=1000),
}


def make(folder: str, uri: str, recommender: str) -> dict[str, Any]:
    """Register all as champions at ``uri`` and save them below ``folder``; the recommender is kept in its own.

    Returns:
        columns: the names of the features; rows: what is asked, shape (50, 20), none of it trained on;
        users: who is asked for, 50 of them; models: by name, expected: what the model itself predicts for the rows or
        users, joblib: the estimator's file, saved: the folder of the MLflow model.
    """
    features, labels = make_classification(TRAINING_ROWS + ASKED_ROWS, COLUMNS, n_informative=10, random_state=0)
    columns = [f"f{position}" for position in range(COLUMNS)]
    frame = pd.DataFrame(features, columns=columns)
    training, asked = frame.iloc[:TRAINING_ROWS], frame.iloc[TRAINING_ROWS:]
    registry = MlflowRegistry(uri, Path(folder) / "cache")
    made: dict[str, Any] = {}
    for name, new in MODELS.items():
        estimator = new().fit(training, labels[:TRAINING_ROWS])
        own = estimator.predict(asked)
        assert len(np.unique(own)) == 2, "the same answer to all rows would show nothing"
        for registered, tags in ((name, {}), (unlogged(name), {TAG: Serving(log_sample=0).model_dump_json()})):
            given: dict[str, Any] = {"name": registered, "key": registered, "tags": tags, "alias": CHAMPION}
            registry.register(estimator, example=training.head(), params={}, **given)
        made[name] = {
            "expected": own.tolist(),
            "saved": str(_downloaded(name, uri, Path(folder))),
            "joblib": str(_dumped(estimator, Path(folder) / f"{name}.joblib")),
        }
    users, expected = _recommender(registry, Path(recommender))
    made[MOVIES] = {"expected": expected}
    return {"columns": columns, "rows": asked.to_numpy().tolist(), "users": users, "models": made}


def _recommender(registry: MlflowRegistry, folder: Path) -> tuple[list[int], list[list[int]]]:
    model, example = serving_recommender.made(folder)
    registry.register(model, name=MOVIES, example=example, key=MOVIES, params={}, alias=CHAMPION)
    users = np.random.default_rng(0).choice(model.histories.users, ASKED_ROWS, replace=False)
    best = model.predict(None, pd.DataFrame({"user_id": users}), {"k": BEST})
    return users.tolist(), [list(map(int, items)) for items in best["item_ids"]]


def _downloaded(name: str, uri: str, folder: Path) -> Path:
    target = folder / "saved" / name
    shutil.rmtree(target, ignore_errors=True)
    mlflow.artifacts.download_artifacts(f"models:/{name}@{CHAMPION}", dst_path=str(target), tracking_uri=uri)
    return target


def _dumped(estimator: Any, path: Path) -> Path:
    # Peers give it arrays; with the names it would warn about them at every call.
    del estimator.feature_names_in_
    joblib.dump(estimator, path)
    return path


if __name__ == "__main__":
    serve(make)
