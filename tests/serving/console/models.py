"""Tiny models for the pages: a recommender with a catalogue, and classifiers with a signature of plain columns."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import PythonModel
from scipy import sparse

from sluice.recommenders.catalogue import Catalogue
from sluice.recommenders.histories import Histories
from sluice.recommenders.item_weights import ItemWeights
from sluice.recommenders.model import RecommenderModel
from tests.serving import fakes

FILMS = {
    1: ("Star Wars (1977)", "Adventure|Sci-Fi"),
    2: ("The Empire Strikes Back (1980)", "Adventure|Sci-Fi"),
    3: ("Alien (1979)", "Horror|Sci-Fi"),
    4: ("Blade Runner (1982)", "Sci-Fi|Thriller"),
    5: ("Toy Story (1995)", "Animation|Comedy"),
    6: ("Monsters, Inc. (2001)", "Animation|Comedy"),
    7: ("Amélie (2001)", "Comedy|Romance"),
    8: ("<b>Bold</b> & Sons (1999)", "Comedy"),
}
MEASURED = {"pregnancies": 2.0, "glucose": 138.0, "blood_pressure": 76.0, "bmi": 33.5, "age": 31.0}


class Screening(PythonModel):
    """Says yes from a glucose value on."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        glucose = model_input["glucose"].to_numpy()
        probability = 1 / (1 + np.exp((self.threshold - glucose) / 20))
        return pd.DataFrame({"label": (glucose >= self.threshold).astype(int), "probability": probability})


def save_recommender(folder: Path) -> Path:
    """EASE's form over `FILMS`: the first four belong together, and the last four; users 1 and 2 know two each."""
    catalogue = Catalogue.of(
        pl.DataFrame(
            {
                "item_id": list(FILMS),
                "title": [title for title, _ in FILMS.values()],
                "genres": [genres for _, genres in FILMS.values()],
                "support": [80 - item for item in FILMS],
            }
        )
    )
    near = np.kron(np.eye(2), np.ones((4, 4))).astype(np.float32)
    weights = near * np.linspace(1, 0.2, 8, dtype=np.float32)
    np.fill_diagonal(weights, 0)
    rated = sparse.csr_array(np.array([[1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 0, 0]], np.float32))
    model = RecommenderModel(catalogue, Histories(np.array([1, 2]), rated, rated), ItemWeights(weights))
    return fakes.save(folder, model, _signature(fakes.USERS, model, model.default_params), fakes.USERS)


def save_screening(folder: Path, threshold: float) -> Path:
    example = pd.DataFrame([MEASURED])
    model = Screening(threshold)
    return fakes.save(folder, model, _signature(example, model, None), example)


def _signature(example: pd.DataFrame, model: PythonModel, params: dict[str, Any] | None) -> ModelSignature:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's advice on integers: as an error it would cost the signature
        return infer_signature(example, model.predict(None, example), params=params)
