"""The recommender as it is saved and served."""

import pickle
from concurrent.futures import ThreadPoolExecutor
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
from sluice.recommenders.factors import Factors
from sluice.recommenders.gram import Gram
from sluice.recommenders.histories import Histories
from sluice.recommenders.interactions import Interactions
from sluice.recommenders.model import RecommenderModel
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.scorer import Scorer

KINDS = ["dense", "cut", "als", "popularity"]
USERS = pd.DataFrame({"user_id": [3, 999, 0, 3]})


def _model(interactions: Interactions, scorer: Scorer) -> RecommenderModel:
    catalogue = Catalogue.of(
        pl.DataFrame(
            {
                "item_id": interactions.items,
                "title": [None, *(f"title {item}" for item in interactions.items[1:])],
                "genres": ["Drama|Crime" if item % 2 else "Drama" for item in interactions.items],
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
    options = EaseOptions(l2=5, dense_items=4 if kind == "cut" else None, weights_per_item=2)
    return ease.fit(Gram.of(interactions, 10, 0.25), interactions.support, options)


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
@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_model_predicts_the_same(interactions: Interactions, kind: str, tmp_path: Path) -> None:
    """Whatever scores, the arrays that MLflow stores give the answers that training saw."""
    model = _model(interactions, _scorer(interactions, kind))
    expected = model.predict(None, USERS, {"k": 4})
    loaded = _saved(model, tmp_path)
    pd.testing.assert_frame_equal(loaded.predict(USERS, params={"k": 4}), expected)
    filters = {"exclude": [str(expected["item_ids"][0][0])], "genre": "drama"}
    assert loaded.predict(USERS, params=filters)["item_ids"][0] == expected["item_ids"][0][1:] + [
        item for item in model.recommend_one(3, 12).item_ids if item not in expected["item_ids"][0]
    ]


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
    crimes = [item for item, genres in zip(answer["item_ids"], answer["genres"], strict=True) if "Crime" in genres]
    assert crimes == [item for item in answer["item_ids"] if item % 2]


@pytest.mark.parametrize("kind", KINDS)
def test_one_user_gets_what_predict_gives(interactions: Interactions, kind: str) -> None:
    """The quick way answers the same for every user, known or not, with and without filters."""
    model = _model(interactions, _scorer(interactions, kind))
    everybody = [*model.histories.users.tolist(), 999]
    some = [str(item) for item in interactions.items[:3]]
    for params in ({"k": 1}, {"k": 50}, {"k": 4, "exclude": some, "genre": "crime"}, {"k": 3, "include_holdout": True}):
        rows = model.predict(None, pd.DataFrame({"user_id": everybody}), params).to_dict("records")
        assert [{"user_id": user, **model.recommend_one(user, **params)._asdict()} for user in everybody] == rows


@pytest.mark.parametrize("kind", KINDS)
def test_excluded_items_do_not_come(interactions: Interactions, kind: str) -> None:
    """By id or by its text, for known users and others; what is not in the catalogue does not matter."""
    model = _model(interactions, _scorer(interactions, kind))
    ids = model.catalogue.labels[0]
    for user in (0, 999):
        whole = model.recommend_one(user, 12).item_ids
        assert model.recommend_one(user, 12, exclude=[whole[0], str(whole[1]), "none", -1]).item_ids == whole[2:]
        assert model.recommend_one(user, 12, exclude=ids).item_ids == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_genre_leaves_the_others_out(interactions: Interactions, kind: str) -> None:
    """In the same order as without it, whatever its case, and one among several of an item counts."""
    model = _model(interactions, _scorer(interactions, kind))
    for user in (0, 999):
        whole = model.recommend_one(user, 12).item_ids
        assert model.recommend_one(user, 12, genre="cRIME").item_ids == [item for item in whole if item % 2]
        assert model.recommend_one(user, 12, genre="Drama").item_ids == whole


def test_a_genre_that_no_item_has_is_refused(model: RecommenderModel) -> None:
    """The error names those there are."""
    with pytest.raises(InputInvalidError, match=r"genre: there is no genre 'Dra'. The genres are: Crime, Drama\."):
        model.recommend_one(0, 3, genre="Dra")
    with pytest.raises(InputInvalidError, match="genre"):
        model.predict(None, USERS, {"genre": "War"})


def test_threads_may_ask_at_once(model: RecommenderModel) -> None:
    """Nothing is shared between two questions but what is only read."""
    users = [*range(40), 999] * 50
    expected = [model.recommend_one(user, 4) for user in users]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda user: model.recommend_one(user, 4), users)) == expected


def test_wrong_input_is_the_callers_error(model: RecommenderModel) -> None:
    """A k below 1 and a missing column name the field."""
    with pytest.raises(InputInvalidError, match="k: it must be at least 1"):
        model.predict(None, USERS, {"k": 0})
    with pytest.raises(InputInvalidError, match="k: it must be at least 1"):
        model.recommend_one(3, 0)
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


@pytest.mark.parametrize("kind", ["dense", "cut", "popularity"])
def test_liked_items_give_what_a_user_with_them_gets(interactions: Interactions, kind: str) -> None:
    """Nobody has to be in the training data: the same history gives the same list, by ids or by their text."""
    model = _model(interactions, _scorer(interactions, kind))
    for user in model.histories.users[:5].tolist():
        rated = model.catalogue.item_ids[model.histories.of(model.histories.find(user), False)].tolist()
        expected = model.recommend_one(user, 5)
        assert model.recommend_from(rated, 5) == expected
        assert model.recommend_from([str(item) for item in [*rated, rated[0], 999]], 5) == expected


def test_liked_items_are_folded_into_factors(interactions: Interactions, tmp_path: Path) -> None:
    """ALS has no vector for somebody new; one more step of its fit gives what it gave its users, once saved too."""
    model = _model(interactions, als.fit(interactions, AlsOptions(factors=4, regularization=0.1, alpha=2.0)))
    model.artifacts(tmp_path)
    with np.load(tmp_path / "scorer.npz") as arrays:
        scorer = Factors.load(arrays)
    for user in range(len(model.histories.users)):
        history = model.histories.of(user, False)
        told, known = scorer.score_history(history), scorer.score(user, history)
        assert np.corrcoef(told, known)[0, 1] > 0.95
    assert not set(model.recommend_from([100, 101], 5).item_ids) & {100, 101}


def test_factors_of_before_cannot_fold_in(interactions: Interactions) -> None:
    """They do not know how they were fitted: the answer says to train again."""
    factors = als.fit(interactions, AlsOptions(factors=2))
    model = _model(interactions, Factors(factors.users, factors.items))
    with pytest.raises(InputInvalidError, match="Train it again"):
        model.recommend_from([100], 5)
    assert model.recommend_one(0, 5).known


def test_liked_items_that_nobody_knows_give_the_popular_ones(model: RecommenderModel) -> None:
    """As for an unknown user, with what is excluded and the genre kept to."""
    answer = model.recommend_from([999], 3, exclude=[model.catalogue.item_ids[0]], genre="drama")
    assert not answer.known
    assert answer.item_ids == model.catalogue.item_ids[1:4].tolist()
    assert model.recommend_from([], 3).item_ids == model.catalogue.item_ids[:3].tolist()
