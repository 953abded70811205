"""The recommender as MLflow saves and serves it: arrays and generic code, nothing of a use case."""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray

from sluice.errors import InputInvalidError
from sluice.recommenders import factors, item_weights, popularity
from sluice.recommenders.catalogue import Catalogue
from sluice.recommenders.factors import Factors
from sluice.recommenders.histories import Histories
from sluice.recommenders.item_weights import ItemWeights
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.ranking import rank
from sluice.recommenders.scorer import Scorer

_KINDS: dict[str, Any] = {
    item_weights.KIND: ItemWeights,
    factors.KIND: Factors,
    popularity.KIND: Popularity,
}


class OneUser(NamedTuple):
    """What is recommended to one user. The lists are equally long, best first.

    Attributes:
        genres: of each item in one string, as the catalogue has them.
        known: false where the user has no history and got popular items.
    """

    item_ids: list[Any]
    titles: list[str]
    genres: list[str]
    scores: list[float]
    known: bool


class RecommenderModel(PythonModel):
    """Top k items a user that the user has not interacted with; popular ones for a user without a history.

    Input: a column ``user_id``. Parameters: ``k``; ``exclude``, ids (as text) of items that must not come; ``genre``,
    which all items must have, any case, empty for all; and ``include_holdout``, which an evaluation sets so that rated
    items that were held out of training can be recommended.

    Output, one row an input row: ``user_id``; ``item_ids``, ``titles``, ``genres`` and ``scores``, lists of up to k,
    best first; ``known``, false where the user has no history and got popular items.
    """

    # An empty list would have no type in the signature; no item's id is an empty text.
    default_params: ClassVar[dict[str, Any]] = {"k": 10, "include_holdout": False, "exclude": [""], "genre": ""}

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

    def recommend_one(
        self,
        user_id: Any,
        k: int = 10,
        exclude: Collection[Any] = (),
        genre: str | None = None,
        include_holdout: bool = False,
    ) -> OneUser:
        """What `predict` gives for one user, in microseconds. Any number of threads may ask at once.

        Args:
            exclude: ids of items that must not come, or their text. Unknown ones are no error.
            genre: one that all items must have, upper or lower case.

        Raises:
            InputInvalidError: k is below 1, or no item has the genre.
        """
        _require_some(k)
        excluded, penalty = self._filters(exclude, genre)
        return self._recommend(user_id, k, excluded, penalty, include_holdout)

    def recommend_from(
        self, items: Collection[Any], k: int = 10, exclude: Collection[Any] = (), genre: str | None = None
    ) -> OneUser:
        """What somebody gets whom the model does not know, by items that they like. Those do not come back.

        Args:
            items: their ids, or the text of those; unknown ones are no error. ``known`` is false without any other,
                and popular items come then.
            exclude, genre: as in `recommend_one`.

        Raises:
            InputInvalidError: k is below 1, no item has the genre, or the model goes by users alone.
        """
        _require_some(k)
        excluded, penalty = self._filters(exclude, genre)
        history = np.unique(self.catalogue.find(items)).astype(np.int32)
        return self._best(-1, history, k, excluded, penalty)

    def predict(
        self, context: PythonModelContext | None, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """See the class.

        Raises:
            InputInvalidError: there is no column user_id, k is below 1, or no item has the genre.
        """
        chosen = {**self.default_params, **(params or {})}
        k = int(chosen["k"])
        _require_some(k)
        if "user_id" not in model_input:
            raise InputInvalidError(field="user_id", problem="the input has no such column")
        user_ids = model_input["user_id"].to_numpy()
        excluded, penalty = self._filters(chosen["exclude"], chosen["genre"])
        holdout = bool(chosen["include_holdout"])
        answers = [self._recommend(user, k, excluded, penalty, holdout) for user in user_ids.tolist()]
        columns: dict[str, Any] = {field: [getattr(one, field) for one in answers] for field in OneUser._fields}
        return pd.DataFrame({"user_id": user_ids, **columns}, index=model_input.index)

    @cached_property
    def _fallback(self) -> Popularity:
        return Popularity.of(self.catalogue.support, len(self.histories.users))

    def _filters(
        self, exclude: Collection[Any], genre: str | None
    ) -> tuple[NDArray[np.int64] | None, NDArray[np.float32] | None]:
        excluded = self.catalogue.find(exclude) if len(exclude) else None
        return excluded, self.catalogue.by_genre.penalty(genre) if genre else None

    def _recommend(
        self,
        user_id: Any,
        k: int,
        excluded: NDArray[np.int64] | None,
        penalty: NDArray[np.float32] | None,
        include_holdout: bool,
    ) -> OneUser:
        user = self.histories.find(user_id)
        history = self.histories.of(user, include_holdout)
        return self._best(user, history, k, excluded, penalty)

    def _best(
        self,
        user: int,
        history: NDArray[np.int32],
        k: int,
        excluded: NDArray[np.int64] | None,
        penalty: NDArray[np.float32] | None,
    ) -> OneUser:
        best = rank(self.scorer, self._fallback.share, user, history, k, excluded, penalty)
        ids, titles, genres = self.catalogue.labels
        positions = best.positions.tolist()
        return OneUser(
            [ids[position] for position in positions],
            [titles[position] for position in positions],
            [genres[position] for position in positions],
            best.scores.tolist(),
            len(history) > 0,
        )


def _require_some(k: int) -> None:
    if k < 1:
        raise InputInvalidError(field="k", problem=f"it must be at least 1, not {k}")
