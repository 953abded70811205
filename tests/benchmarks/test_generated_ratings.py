"""The use case that the benchmarks bring: real rows, real steps, the same rules as its peer's."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmarks.bench_stack import PACKAGES
from benchmarks.feature_peer import build
from sluice.compute import InProcessCompute
from sluice.contracts import validate
from sluice.lake import Lake
from sluice.use_case import UseCase, load_use_case

ROWS = 60_000


@pytest.fixture
def use_case(monkeypatch: pytest.MonkeyPatch) -> UseCase:
    monkeypatch.syspath_prepend(str(PACKAGES))
    return load_use_case("generated_ratings")


@pytest.fixture
def raw(use_case: UseCase, tmp_path: Path) -> Any:
    params = use_case.params({"rows": ROWS})
    frame = pl.concat(use_case.steps.ingest(None, params, None))
    staging = Lake(str(tmp_path)).staging("raw/generated_ratings")
    accepted = validate(frame, use_case.schema, use_case.key).accepted
    return staging.dataset([staging.write(part) for part in accepted.iter_slices(20_000)])


def test_every_row_has_its_own_key_and_one_in_a_thousand_is_refused(use_case: UseCase) -> None:
    """Nothing is refused as a duplicate: all that was asked for takes part, whatever the batches are."""
    params = use_case.params({"rows": ROWS})
    frame = use_case.steps.ratings(0, ROWS, params)
    verdict = validate(frame, use_case.schema, use_case.key)
    assert verdict.quarantined.height == ROWS // 1_000
    assert not verdict.quarantined["reason"].str.contains("duplicate").any()
    other = use_case.steps.ratings(30_000, ROWS, params)
    assert other.select(use_case.key).equals(frame.select(use_case.key)[30_000:])


def test_the_model_finds_the_structure(use_case: UseCase, raw: Any, tmp_path: Path) -> None:
    """The steps are no pretence: trained on the training rows it beats the gate's bound, which the mean does not."""
    params = use_case.params({"rows": ROWS, "items": 101})
    compute = InProcessCompute(Lake(str(tmp_path)).staging("features/generated_ratings"))
    staging = Lake(str(tmp_path)).staging("raw/few_items")
    frame = use_case.steps.ratings(0, 10_000, params).filter(pl.col("rating") <= 5)
    features = use_case.steps.build_features(staging.dataset([staging.write(frame)]), params, compute)
    train, holdout = use_case.steps.split(features, params)
    model = use_case.steps.train(train, params, compute)
    bound = use_case.config.promote_if["rmse"].max
    assert bound is not None
    assert use_case.steps.evaluate(model, holdout, params)["rmse"] < bound
    assert float(np.std(holdout.read()["rating"].to_numpy())) > bound


def test_duckdb_builds_the_same_features(use_case: UseCase, raw: Any, tmp_path: Path) -> None:
    """Same rows, columns and order, and means over the training rows; only the hash behind the flags is another."""
    target = tmp_path / "duckdb.parquet"
    build([f"{raw.uri}/{file.path}" for file in raw.files], str(target))
    theirs = pl.read_parquet(target)
    ours = use_case.steps.with_features(raw.scan()).collect()
    assert theirs.columns == ours.columns
    order = ["user_id", "timestamp", "item_id", "rating"]
    assert theirs.select(order).sort(order).equals(ours.select(order).sort(order))
    assert theirs["user_id"].is_sorted()
    for features in (theirs, ours):
        assert features["is_holdout"].mean() == pytest.approx(0.25, abs=0.01)
        assert features["is_validation"].mean() == pytest.approx(0.25, abs=0.01)
        means = features.filter(~pl.col("is_holdout")).group_by("user_id").agg(expected=pl.col("rating").mean())
        found = features.join(means, on="user_id")
        assert (found["user_mean"] - found["expected"]).abs().max() == pytest.approx(0)
