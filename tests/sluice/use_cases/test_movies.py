"""The movies use case, from the rows of a source to metrics."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sluice.compute import InProcessCompute
from sluice.contracts import validate
from sluice.dataset import Dataset
from sluice.evaluation import Evaluation
from sluice.lake import Lake
from sluice.point_in_time import leaks
from sluice.recommenders.factors import Factors
from sluice.recommenders.item_weights import ItemWeights
from sluice.recommenders.model import RecommenderModel
from sluice.use_case import load_use_case
from sluice.use_cases.movies import steps
from sluice.use_cases.movies.steps import KEY, Params, Schema

PARAMS = Params(
    min_support=1,
    k=5,
    search={"l2": (1, 10), "history_power": (0,), "popularity_power": (0, 0.2), "min_support": 1},
)


class FakeSource:
    """Gives the frames it was made with."""

    def __init__(self, *frames: pl.DataFrame) -> None:
        self._frames = frames

    def fingerprint(self) -> str:
        return "fake"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        yield from self._frames


def _ratings(users: int = 60, seed: int = 0) -> pl.DataFrame:
    """Users of two tastes over 40 items, with the columns of the packaged table."""
    generator = np.random.default_rng(seed)
    rows = [
        {"userId": user, "movieId": 1000 + item, "rating": float(generator.integers(1, 11)) / 2}
        for user in range(users)
        for item in range(40)
        if generator.random() < (0.5 if (item < 20) == (user % 2 == 0) else 0.05)
    ]
    return pl.DataFrame(rows).with_columns(
        timestamp=pl.int_range(pl.len()), title=pl.format("Film {}", "movieId"), year=1999.0, genres=pl.lit("Drama")
    )


def _features(folder: Path, ratings: pl.DataFrame, params: Params = PARAMS, files: int = 3) -> Dataset:
    """Features as the stages make them, with raw rows in several files and users spread over them."""
    lake = Lake(str(folder))
    staging = lake.staging("raw/movies")
    frames = list(steps.ingest(FakeSource(ratings), params, None))
    accepted = validate(pl.concat(frames), Schema, KEY).accepted
    parts = [accepted.gather_every(files, offset) for offset in range(files)]
    raw = lake.dataset(lake.commit(staging.dataset([staging.write(part) for part in parts]), key="raw"))
    built = steps.build_features(raw, params, _compute(lake, "features/movies"))
    return lake.dataset(lake.commit(built, key="features", mode="overwrite"))


def _compute(lake: Lake, table: str) -> InProcessCompute:
    return InProcessCompute(lake.staging(table))


@pytest.fixture
def compute(tmp_path: Path) -> InProcessCompute:
    return _compute(Lake(str(tmp_path)), "models/movies")


@pytest.fixture
def features(tmp_path: Path) -> Dataset:
    return _features(tmp_path, _ratings())


def test_the_shipped_configuration_is_valid() -> None:
    """use_case.yaml is accepted, and its thresholds are metrics that evaluate gives."""
    use_case = load_use_case("movies")
    assert use_case.params() == Params.model_validate(use_case.config.params)
    assert set(use_case.config.promote_if) <= {"ndcg_at_10", "map_at_10", "precision_at_10", "recall_at_10"}


def test_ingest_renames_columns_and_puts_the_year_into_the_title() -> None:
    """Nothing else of the source changes, and batches are bounded."""
    many = pl.concat([_ratings(seed=seed) for seed in range(50)])
    batches = list(steps.ingest(FakeSource(many), PARAMS, None))
    assert max(batch.height for batch in batches) <= steps.BATCH_ROWS
    assert sum(batch.height for batch in batches) == many.height
    assert batches[0].columns == ["user_id", "item_id", "rating", "timestamp", "title", "genres"]
    assert batches[0]["title"][0] == f"Film {many['movieId'][0]} (1999)"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rating": None}, "rating"),
        ({"rating": 9.0}, "rating"),
        ({"rating": 0.0}, "rating"),
        ({"user_id": None}, "user_id"),
        ({"timestamp": -1}, "timestamp"),
    ],
)
def test_a_bad_rating_is_quarantined_with_its_reason(change: dict[str, Any], reason: str) -> None:
    """Missing and out-of-range values do not get in, and do not take good rows with them."""
    good = next(steps.ingest(FakeSource(_ratings(users=4)), PARAMS, None))
    bad = good.head(1).with_columns(pl.lit(9_999).alias("item_id"), **{key: pl.lit(v) for key, v in change.items()})
    verdict = validate(pl.concat([good, bad], how="vertical_relaxed"), Schema, KEY)
    assert verdict.accepted.height == good.height
    assert verdict.quarantined.height == 1
    assert reason in verdict.quarantined["reason"][0]


def test_a_second_rating_of_the_same_item_is_a_duplicate() -> None:
    """User and item identify a rating."""
    good = next(steps.ingest(FakeSource(_ratings(users=4)), PARAMS, None))
    verdict = validate(pl.concat([good, good.head(2)]), Schema, KEY)
    assert (verdict.accepted.height, verdict.quarantined.height) == (good.height, 2)


def test_a_film_without_a_title_is_accepted() -> None:
    """The packaged table has seven such ratings, and they are good ratings."""
    untitled = _ratings(users=4).with_columns(title=pl.lit(None, pl.String), year=pl.lit(None, pl.Float64))
    verdict = validate(next(steps.ingest(FakeSource(untitled), PARAMS, None)), Schema, KEY)
    assert verdict.quarantined.height == 0


def test_hold_out_does_not_move_when_rows_are_added(tmp_path: Path) -> None:
    """A rating is held out or not for ever: later users and another order change nothing."""
    early = _ratings(users=30)
    late = pl.concat(
        [_ratings(users=60, seed=1).filter(pl.col("userId") >= 30), early.sample(fraction=1, shuffle=True)]
    )
    first = _features(tmp_path / "a", early).read()
    second = _features(tmp_path / "b", late).read()
    both = first.join(second, on=KEY, suffix="_later")
    assert both.height == early.height
    assert both["is_holdout"].equals(both["is_holdout_later"].alias("is_holdout"))
    assert both["is_validation"].equals(both["is_validation_later"].alias("is_validation"))


def test_hold_out_is_about_its_share_and_independent_of_the_validation_part(tmp_path: Path) -> None:
    """A quarter is held out, and a quarter of the rest validates: one flag must not imply the other."""
    rows = _features(tmp_path, pl.concat([_ratings(users=400)])).read()
    train = rows.filter(~pl.col("is_holdout"))
    assert rows["is_holdout"].mean() == pytest.approx(0.25, abs=0.03)
    assert train["is_validation"].mean() == pytest.approx(0.25, abs=0.03)


def test_split_loses_no_row(features: Dataset) -> None:
    """Training and held-out rows are all rows, once."""
    train, holdout = steps.split(features, PARAMS)
    assert train.rows + holdout.rows == features.rows
    assert train.read().join(holdout.read(), on=KEY).is_empty()


def test_training_on_partitions_gives_the_model_of_the_whole(
    tmp_path: Path, compute: InProcessCompute, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many partitions the Gram matrix is summed over, the weights are the same."""
    ratings = _ratings()
    one = _features(tmp_path / "one", ratings, files=1)
    monkeypatch.setattr(Dataset, "partitions", _each_file)
    many = _features(tmp_path / "many", ratings, files=4)
    assert (len(one.files), len(many.files)) == (1, 4)
    weights = [_weights(steps.train(steps.split(table, PARAMS)[0], PARAMS, compute)) for table in (one, many)]
    np.testing.assert_allclose(weights[0], weights[1], atol=1e-5)


def _each_file(dataset: Dataset, min_rows: int = 0) -> Any:
    return [dataset._partition([file]) for file in dataset.files]


def _weights(model: RecommenderModel) -> np.ndarray:
    assert isinstance(model.scorer, ItemWeights)
    return np.asarray(model.scorer.weights)


def test_the_model_beats_popularity_on_the_hold_out(features: Dataset, compute: InProcessCompute) -> None:
    """Two tastes are there to be found; metrics carry k in their name."""
    train, holdout = steps.split(features, PARAMS)
    found = steps.evaluate(steps.train(train, PARAMS, compute), holdout, PARAMS)
    popular = steps.evaluate(steps.baseline(train, PARAMS, compute), holdout, PARAMS)
    assert set(found) == {f"{n}_at_5" for n in ("ndcg", "map", "precision", "recall", "coverage", "novelty")}
    assert found["ndcg_at_5"] > popular["ndcg_at_5"] + 0.1


class FakePyfunc:
    """Answers as a loaded MLflow model does."""

    def __init__(self, model: RecommenderModel) -> None:
        self._model = model

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        return self._model.predict(None, data, params)


def test_evaluate_takes_a_loaded_model_too(features: Dataset, compute: InProcessCompute) -> None:
    """MLflow's wrapper has another signature than the model in it; the metrics are the same."""
    train, holdout = steps.split(features, PARAMS)
    model = steps.train(train, PARAMS, compute)
    assert steps.evaluate(FakePyfunc(model), holdout, PARAMS) == steps.evaluate(model, holdout, PARAMS)


def test_training_sees_no_held_out_rating(features: Dataset, compute: InProcessCompute) -> None:
    """Support, weights and training histories come from training rows; held-out ones are only not shown again."""
    train, _ = steps.split(features, PARAMS)
    model = steps.train(train, PARAMS, compute)
    assert model.histories.trained.nnz == train.rows
    assert model.histories.rated.nnz == features.rows
    assert int(model.catalogue.support.sum()) == train.rows


def test_search_returns_options_from_the_grid(features: Dataset, compute: InProcessCompute) -> None:
    """Only the searched options change, and to values that were tried."""
    chosen = steps.search(steps.split(features, PARAMS)[0], PARAMS, compute)
    assert chosen.ease.l2 in (1, 10)
    assert chosen.ease.popularity_power in (0, 0.2)
    assert chosen.model_copy(update={"ease": PARAMS.ease}) == PARAMS
    assert Params.model_validate(chosen.model_dump(mode="json")) == chosen


def test_large_catalogues_get_als(features: Dataset, compute: InProcessCompute) -> None:
    """Above als_above items the model is matrix factorisation, and search leaves EASE's options alone."""
    params = PARAMS.model_copy(update={"als_above": 10})
    train, holdout = steps.split(features, params)
    assert steps.search(train, params, compute) == params
    model = steps.train(train, params, compute)
    assert isinstance(model.scorer, Factors)
    assert steps.evaluate(model, holdout, params)["ndcg_at_5"] > 0


def test_example_is_a_model_input(features: Dataset, compute: InProcessCompute) -> None:
    """Known users, in the column that the model reads."""
    train, _ = steps.split(features, PARAMS)
    example = steps.example(train, PARAMS)
    assert list(example) == ["user_id"]
    assert steps.train(train, PARAMS, compute).predict(None, example)["known"].all()


def test_no_feature_of_a_rating_knows_a_later_one(tmp_path: Path) -> None:
    """Built of all ratings or of those up to a moment, the ratings before it have the same features."""
    folders = iter(range(100))

    def build(ratings: pl.DataFrame) -> pl.DataFrame:
        return _features(tmp_path / str(next(folders)), ratings).read()

    def of_raw(raw: pl.DataFrame) -> pl.DataFrame:
        return build(raw.rename({"user_id": "userId", "item_id": "movieId"}))

    raw = _ratings().rename({"userId": "user_id", "movieId": "item_id"})
    assert leaks(of_raw, raw, time="timestamp", key=KEY) == []


def test_online_values_are_those_of_the_next_rating(tmp_path: Path) -> None:
    """One row a user; what a rating right after the last one would get as its features."""
    features = _features(tmp_path, _ratings())
    values = steps.online(features, PARAMS).sort("user_id")
    wanted = (
        features.read().group_by("user_id").agg(ratings=pl.len(), mean_rating=pl.col("rating").mean()).sort("user_id")
    )
    assert values["ratings"].to_list() == wanted["ratings"].to_list()
    assert values["mean_rating"].to_list() == pytest.approx(wanted["mean_rating"].to_list())


def test_artifacts_are_a_ranking_a_length_and_what_some_users_get(features: Dataset, compute: InProcessCompute) -> None:
    """At the gate's length the metrics are the gate's; as JSON; a loaded model gives the same."""
    train, holdout = steps.split(features, PARAMS)
    model = steps.train(train, PARAMS, compute)
    made = json.loads(json.dumps(steps.artifacts(model, holdout, PARAMS), allow_nan=False))
    assert made == json.loads(json.dumps(steps.artifacts(FakePyfunc(model), holdout, PARAMS)))
    by_k = {line.pop("k"): line for line in made["ranking"]}
    assert list(by_k) == [1, 3, 5, 10, 20]
    gate = steps.evaluate(model, holdout, PARAMS)
    assert {f"{name}_at_5": value for name, value in by_k[5].items()} == pytest.approx(gate)
    assert by_k[1]["recall"] < by_k[5]["recall"] < by_k[20]["recall"]
    kind = Evaluation.of("movies", "1", "features/movies@0", gate, made)
    assert (kind.kind, len(kind.ranking or ()), len(kind.examples or ())) == ("ranking", 5, 5)


def test_examples_say_what_the_user_liked_and_came_to_choose(features: Dataset, compute: InProcessCompute) -> None:
    """Titles from training rows only; an item is marked where the user has it in the hold-out."""
    train, holdout = steps.split(features, PARAMS)
    made = steps.artifacts(steps.train(train, PARAMS, compute), holdout, PARAMS)["examples"]
    assert len({example["user_id"] for example in made}) == 5
    for example in made:
        user = pl.col("user_id") == example["user_id"]
        known, later = train.read().filter(user), holdout.read().filter(user)
        best = known["rating"].max()
        assert set(example["liked"]) <= set(known["title"])
        assert known.filter(pl.col("title") == example["liked"][0])["rating"][0] == best
        assert {item["item_id"] for item in example["items"] if item["held_out"]} <= set(later["item_id"])
        assert not {item["item_id"] for item in example["items"]} & set(known["item_id"])
    assert any(item["held_out"] for example in made for item in example["items"])
