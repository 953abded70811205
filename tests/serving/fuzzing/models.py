"""Real models of every kind that the service answers in a way of its own, saved as plain MLflow code saves them."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import polars as pl
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import PythonModel
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from serving.compiler import REFUSED
from sluice.recommenders import ease
from sluice.recommenders.catalogue import Catalogue
from sluice.recommenders.ease import EaseOptions
from sluice.recommenders.gram import Gram
from sluice.recommenders.histories import Histories
from sluice.recommenders.interactions import Interactions
from sluice.recommenders.model import RecommenderModel
from sluice.serving_policy import TAG
from tests.serving import fakes

NUMBERS = ("a", "b", "c")
ROWS = np.random.default_rng(0).normal(size=(60, len(NUMBERS)))
FRAME = pd.DataFrame(ROWS, columns=list(NUMBERS))
MIXED = FRAME.assign(a=(FRAME["a"] * 10).astype("int64"), b=FRAME["b"].astype("float32"))
CLASSES = ROWS[:, 0] > 0
KINDS = tuple(kind for kind in DataType)
PARAMS = ParamSchema(
    [ParamSpec("k", "long", 1), ParamSpec("share", "double", 0.5), ParamSpec("names", "string", ["a"], (-1,))]
)
EVERYTHING = ModelSignature(inputs=Schema([ColSpec(kind, kind.name) for kind in KINDS]), params=PARAMS)
LOOSE = ModelSignature(inputs=Schema([ColSpec(kind, kind.name, required=False) for kind in KINDS]), params=PARAMS)
# What a version's tag says; the others say nothing.
TAGS: Mapping[str, Mapping[str, str]] = {"forest": {TAG: '{"batching": "on"}'}}
NAMES = ("movies", "others", "linear", "forest", "tensor", "every", "loose", "broken")


class Echo(PythonModel):
    """Gives back what it got, so that whatever can come in must be able to go out."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        return model_input


def recommender() -> RecommenderModel:
    """One of our own: 20 users of two tastes over 12 items from 100, of the genres Drama and Crime."""
    pairs = [
        (user, 100 + item) for user in range(20) for item in range(12) if (item < 6) == (user % 2 == 0) or not item
    ]
    users, items = zip(*pairs, strict=True)
    seen = Interactions.from_ids(list(users), list(items)).by_popularity()
    catalogue = Catalogue.of(
        pl.DataFrame(
            {
                "item_id": seen.items,
                "title": [f"title {item}" for item in seen.items],
                "genres": ["Drama|Crime" if item % 2 else "Drama" for item in seen.items],
                "support": seen.support,
            }
        )
    )
    scorer = ease.fit(Gram.of(seen, 10, 0.25), seen.support, EaseOptions(l2=5))
    return RecommenderModel(catalogue, Histories(seen.users, seen.matrix, seen.matrix), scorer)


def save_all(root: Path) -> None:
    """A folder a model, named as in `NAMES`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in `fakes.save`
        _save_all(root)


def _save_all(root: Path) -> None:
    _save_recommender(root / "movies", root / "arrays")
    fakes.save(root / "others", fakes.Recommender("other"), fakes.RECOMMENDER, fakes.USERS)
    fakes.save(root / "every", Echo(), EVERYTHING, None)
    fakes.save(root / "loose", Echo(), LOOSE, None)
    fakes.save(root / "broken", fakes.Unloadable(), fakes.RECOMMENDER, None)
    save_estimator(root / "linear", LogisticRegression(), MIXED)
    save_estimator(root / "forest", RandomForestClassifier(20, random_state=0), FRAME)
    save_estimator(root / "tensor", LogisticRegression(), ROWS)


def _save_recommender(folder: Path, arrays: Path) -> None:
    arrays.mkdir()
    model = recommender()
    answer = model.predict(None, fakes.USERS, model.default_params)
    mlflow.pyfunc.save_model(
        folder,
        python_model=model,
        artifacts=model.artifacts(arrays),
        signature=infer_signature(fakes.USERS, answer, params=model.default_params),
        input_example=fakes.USERS,
        pip_requirements=["numpy"],
    )


def save_estimator(folder: Path, estimator: Any, rows: Any) -> None:
    """scikit-learn's, fitted to tell the first number's sign; ``rows`` are a frame or an array."""
    estimator.fit(rows, CLASSES)
    mlflow.sklearn.save_model(
        estimator,
        str(folder),
        signature=infer_signature(rows, estimator.predict(rows)),
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,
        pip_requirements=["scikit-learn"],
    )
    # What is compiled in the background would change how it is computed, and what memory it takes, at any time.
    (folder / REFUSED).write_text("a test does not wait for it")
