"""The recommender as it is saved and served."""

import pickle
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest
from mlflow.models import infer_signature
from mlflow.pyfunc import PyFuncModel

from sluice.errors import InputInvalidError
from sluice.recommenders import als, ease
from sluice.recommenders.als import AlsOptions
from sluice.recommenders.catalogue import Catalogue
from sluice.recommenders.ease import EaseOptions
from sluice.recommenders.gram import Gram
from sluice.recommenders.histories import Histories
from sluice.recommenders.interactions import Interactions
from sluice.recommenders.model import RecommenderModel
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.scorer import Scorer

USERS = pd.DataFrame({"user_id": [3, 999, 0, 3]})


def _model(interactions: Interactions, scorer: Scorer) -> RecommenderModel:
    catalogue = Catalogue.of(
        pl.DataFrame(
            {
                "item_id": interactions.items,
                "title": [None, *(f"title {item}" for item in interactions.items[1:])],
                "genres": ["Drama"] * 12,
                "support": interactions.support,
            }
        )
    )
    matrix = Interactions.from_ids(
        *(interactions.users[interactions.matrix.nonzero()[0]], interactions.items[interactions.matrix.nonzero()[1]]),
        users=interactions.users,
        items=catalogue.item_ids,
    ).matrix
    trained = matrix.copy()
    trained.data[trained.indices == 0] = 0  # the most popular item was held out for everybody
    trained.eliminate_zeros()
    return RecommenderModel(catalogue, Histories(interactions.users, trained, matrix), scorer)


def _scorer(interactions: Interactions, kind: str) -> Scorer:
    if kind == "als":
        return als.fit(interactions, AlsOptions(factors=2))
    if kind == "popularity":
        return Popularity.of(interactions.support, 40)
    cut = 5 if kind == "sparse" else None
    return ease.fit(Gram.of(interactions, 10, 0.25), interactions.support, EaseOptions(l2=5, weights_per_item=cut))


@pytest.fixture
def model(interactions: Interactions) -> RecommenderModel:
    return _model(interactions, _scorer(interactions, "dense"))


def _saved(model: RecommenderModel, folder: Path) -> PyFuncModel:
    files = folder / "files"
    files.mkdir()
    answer = model.predict(None, USERS, model.default_params)
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=model,
        artifacts=model.artifacts(files),
        signature=infer_signature(USERS, answer, params=model.default_params),
        input_example=USERS,
        pip_requirements=["numpy"],
    )
    return mlflow.pyfunc.load_model(str(folder / "model"))


@pytest.mark.filterwarnings("ignore")  # MLflow's own, about pickles, integers and pandas
@pytest.mark.parametrize("kind", ["dense", "sparse", "als", "popularity"])
def test_saved_and_loaded_model_predicts_the_same(interactions: Interactions, kind: str, tmp_path: Path) -> None:
    """Whatever scores, the arrays that MLflow stores give the answers that training saw."""
    model = _model(interactions, _scorer(interactions, kind))
    expected = model.predict(None, USERS, {"k": 4})
    pd.testing.assert_frame_equal(_saved(model, tmp_path).predict(USERS, params={"k": 4}), expected)


def test_data_is_in_the_files_and_not_in_the_pickle(model: RecommenderModel, tmp_path: Path) -> None:
    """Before `artifacts` a pickle carries everything, for workers; after it, nothing that the files have."""
    copied = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(copied.predict(None, USERS), model.predict(None, USERS))
    model.artifacts(tmp_path)
    assert len(pickle.dumps(model)) < 200
    assert model.predict(None, USERS)["known"].tolist() == [True, False, True, True]


def test_nothing_that_the_user_rated_is_recommended(model: RecommenderModel) -> None:
    """Neither what was trained on nor what was held out, for any user, however long the list."""
    answer = model.predict(None, pd.DataFrame({"user_id": model.histories.users}), {"k": 50})
    for row, ids in enumerate(answer["item_ids"]):
        rated = model.catalogue.item_ids[model.histories.rated[[row]].indices]
        assert not set(ids) & set(rated)
        assert len(ids) == 12 - len(rated)


def test_evaluation_may_get_held_out_items(model: RecommenderModel) -> None:
    """With include_holdout only the training history counts, or a hold-out could never be hit."""
    held_out = model.catalogue.item_ids[0]
    everybody = pd.DataFrame({"user_id": model.histories.users})
    offered = model.predict(None, everybody, {"k": 12, "include_holdout": True})["item_ids"]
    assert all(held_out in ids for ids in offered)


def test_unknown_user_gets_popular_items(model: RecommenderModel) -> None:
    """In the order of support, marked as not known."""
    answer = model.predict(None, pd.DataFrame({"user_id": [999]}), {"k": 3}).iloc[0]
    assert not answer["known"]
    assert answer["item_ids"] == model.catalogue.item_ids[:3].tolist()
    assert answer["scores"] == sorted(answer["scores"], reverse=True)


def test_an_answer_has_titles_and_genres_beside_ids(model: RecommenderModel) -> None:
    """An item without a title is called by its id."""
    answer = model.predict(None, pd.DataFrame({"user_id": [999]}), {"k": 12}).iloc[0]
    titles = dict(zip(answer["item_ids"], answer["titles"], strict=True))
    nameless = [title for title in titles.values() if title.startswith("item ")]
    assert len(nameless) == 1
    assert all(title == f"title {item}" for item, title in titles.items() if title not in nameless)
    assert answer["genres"] == ["Drama"] * 12


def test_wrong_input_is_the_callers_error(model: RecommenderModel) -> None:
    """A k below 1 and a missing column name the field."""
    with pytest.raises(InputInvalidError, match="k: it must be at least 1"):
        model.predict(None, USERS, {"k": 0})
    with pytest.raises(InputInvalidError, match="user_id"):
        model.predict(None, pd.DataFrame({"user": [1]}))


def test_string_ids_work(tmp_path: Path) -> None:
    """Ids are whatever the data has, also after they were saved."""
    few = Interactions.from_ids(np.array(["ann", "bob", "ann"], dtype=object), np.array(["x", "y", "z"], dtype=object))
    items = pl.DataFrame({"item_id": ["x", "y", "z"], "title": ["X", "Y", "Z"], "genres": [""] * 3, "support": [1] * 3})
    model = RecommenderModel(
        Catalogue.of(items), Histories(few.users, few.matrix, few.matrix), Popularity.of(few.support, 2)
    )
    model.histories.save(tmp_path / "histories.npz")
    model.histories = Histories.load(tmp_path / "histories.npz")
    answer = model.predict(None, pd.DataFrame({"user_id": ["bob", "eve"]}))
    assert answer["item_ids"].tolist() == [["x", "z"], ["x", "y", "z"]]
    assert answer["known"].tolist() == [True, False]
