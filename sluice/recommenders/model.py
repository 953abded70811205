"""The recommender as MLflow saves and serves it: arrays and generic code, nothing of a use case."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from sluice.errors import InputInvalidError
from sluice.recommenders import factors, item_weights, popularity
from sluice.recommenders.catalogue import Catalogue
from sluice.recommenders.factors import Factors
from sluice.recommenders.histories import Histories
from sluice.recommenders.item_weights import ItemWeights
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.scorer import Scorer
from sluice.recommenders.top_k import NONE, recommend

_KINDS: dict[str, Any] = {
    item_weights.KIND: ItemWeights,
    factors.KIND: Factors,
    popularity.KIND: Popularity,
}


class RecommenderModel(PythonModel):
    """Top k items a user that the user has not interacted with; popular ones for a user without a history.

    Input: a column ``user_id``. Parameters: ``k``, and ``include_holdout``, which an evaluation sets so that rated
    items that were held out of training can be recommended.

    Output, one row an input row: ``user_id``; ``item_ids``, ``titles``, ``genres`` and ``scores``, lists of up to k,
    best first; ``known``, false where the user has no history and got popular items.
    """

    default_params: ClassVar[dict[str, Any]] = {"k": 10, "include_holdout": False}

    def __init__(self, catalogue: Catalogue, histories: Histories, scorer: Scorer) -> None:
        self.catalogue = catalogue
        self.histories = histories
        self.scorer = scorer
        self._in_files = False

    def artifacts(self, directory: Path) -> dict[str, str]:
        """Write the data as files, by name. A pickle made from here on has no data: `load_context` reads the files."""
        paths = {
            "catalogue": directory / "catalogue.parquet",
            "histories": directory / "histories.npz",
            "scorer": directory / "scorer.npz",
        }
        for name, path in paths.items():
            getattr(self, name).save(path)
        self._in_files = True
        return {name: str(path) for name, path in paths.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {} if self._in_files else self.__dict__

    def load_context(self, context: PythonModelContext) -> None:
        if not context.artifacts:
            return
        self.catalogue = Catalogue.load(Path(context.artifacts["catalogue"]))
        self.histories = Histories.load(Path(context.artifacts["histories"]))
        with np.load(context.artifacts["scorer"], allow_pickle=False) as arrays:
            self.scorer = _KINDS[str(arrays["kind"])].load(arrays)
        self._in_files = True

    def predict(
        self, context: PythonModelContext | None, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """See the class.

        Raises:
            InputInvalidError: there is no column user_id, or k is below 1.
        """
        chosen = {**self.default_params, **(params or {})}
        k = int(chosen["k"])
        if k < 1:
            raise InputInvalidError(field="k", problem=f"it must be at least 1, not {k}")
        if "user_id" not in model_input:
            raise InputInvalidError(field="user_id", problem="the input has no such column")
        user_ids = model_input["user_id"].to_numpy()
        positions = self.histories.find(user_ids)
        history = self.histories.of(positions, bool(chosen["include_holdout"]))
        fallback = Popularity.of(self.catalogue.support, len(self.histories.users))
        top = recommend(self.scorer, fallback, np.maximum(positions, 0), history, k)
        rows = [row[row != NONE] for row in top.positions]
        return pd.DataFrame(
            {
                "user_id": user_ids,
                "item_ids": [self.catalogue.item_ids[row].tolist() for row in rows],
                "titles": [self.catalogue.titles[row].tolist() for row in rows],
                "genres": [self.catalogue.genres[row].tolist() for row in rows],
                "scores": [s[: len(row)].astype(float).tolist() for row, s in zip(rows, top.scores, strict=True)],
                "known": np.diff(history.indptr) > 0,
            },
            index=model_input.index,
        )
