"""The diabetes use case on the real Pima tables, from the rows of a source to metrics."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sluice.classification.model import ClassifierModel
from sluice.compute import InProcessCompute
from sluice.contracts import Verdict, validate
from sluice.dataset import Dataset
from sluice.holdout import stable_hash
from sluice.lake import Lake
from sluice.sources import Source, open_source
from sluice.use_case import UseCase
from sluice.use_cases.diabetes import steps
from sluice.use_cases.diabetes.steps import KEY, Params, Schema

USE_CASE = UseCase("sluice.use_cases.diabetes")
# Fewer folds and trees than the default: a fit takes 0.1 s.
PARAMS = Params(
    decision={"folds": 3},
    gradient_boosting={"learning_rate": 0.06, "iterations": 60},
    search={
        "folds": 3,
        "repeats": 1,
        "gradient_boosting": {"learning_rate": (0.06,), "iterations": (1, 60), "max_depth": (2,)},
    },
)
MEASURED = [column.name for column in steps.COLUMNS]
GOOD = {"npreg": 1, "glu": 90, "bp": 70, "skin": 30, "bmi": 31.5, "ped": 0.4, "age": 30, "type": "No"}


class FakeSource:
    """Gives the frames it was made with."""

    watermark = None

    def __init__(self, *frames: pl.DataFrame) -> None:
        self._frames = frames
        self.malformed: list[Any] = []

    def fingerprint(self, since: str | None = None) -> str:
        return "fake"

    def read(self, since: str | None) -> Iterator[pl.DataFrame]:
        yield from self._frames


def _ingested(*frames: pl.DataFrame, source: Source | None = None) -> pl.DataFrame:
    return pl.concat(steps.ingest(source or FakeSource(*frames), PARAMS, None))


def _verdict(*frames: pl.DataFrame) -> Verdict:
    return validate(_ingested(*frames), Schema, KEY)


def _with_features(folder: Path, raw_rows: Sequence[pl.DataFrame]) -> Dataset:
    """Features as the stages make them, from raw rows in as many files."""
    lake = Lake(str(folder))
    staging = lake.staging("raw/diabetes")
    raw = lake.dataset(lake.commit(staging.dataset([staging.write(part) for part in raw_rows]), key="raw"))
    built = steps.build_features(raw, PARAMS, InProcessCompute(lake.staging("features/diabetes")))
    return lake.dataset(lake.commit(built, key="features", mode="overwrite"))


@pytest.fixture(scope="module")
def raw() -> pl.DataFrame:
    """The accepted rows of the tables that ship."""
    return validate(_ingested(source=open_source(USE_CASE.config.source)), Schema, KEY).accepted


@pytest.fixture(scope="module")
def features(raw: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return _with_features(tmp_path_factory.mktemp("lake"), [raw])


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> InProcessCompute:
    return InProcessCompute(Lake(str(tmp_path_factory.mktemp("models"))).staging("models/diabetes"))


@pytest.fixture(scope="module")
def model(features: Dataset, compute: InProcessCompute) -> ClassifierModel:
    return steps.train(steps.split(features, PARAMS)[0], PARAMS, compute)


def _ask(model: ClassifierModel, rows: pl.DataFrame) -> pd.DataFrame:
    return model.predict(None, rows.select(MEASURED).to_pandas())


def test_the_shipped_configuration_is_valid(features: Dataset, model: ClassifierModel) -> None:
    """use_case.yaml is accepted, and its thresholds are metrics that evaluate gives."""
    assert USE_CASE.params() == Params.model_validate(USE_CASE.config.params)
    scores = steps.evaluate(model, steps.split(features, PARAMS)[1], PARAMS)
    assert set(USE_CASE.config.promote_if) <= set(scores)


def test_both_tables_are_accepted_whole() -> None:
    """The 200 and 332 women of the two tables, none refused."""
    arrived = _ingested(source=open_source(USE_CASE.config.source))
    verdict = validate(arrived, Schema, KEY)
    assert (verdict.accepted.height, verdict.quarantined.height) == (532, 0)
    assert verdict.accepted["diabetic"].value_counts(sort=True).rows() == [("No", 355), ("Yes", 177)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"glu": 0}, "glucose: in_range(20"),
        ({"bp": 0}, "blood_pressure: in_range"),
        ({"bmi": None}, "bmi: not_nullable"),
        ({"skin": "n/a"}, "skin_fold: not a Float64"),
        ({"age": 12}, "age: in_range(21"),
        ({"ped": float("nan")}, "pedigree: "),
        ({"type": "maybe"}, "diabetic: isin"),
    ],
)
def test_a_bad_row_is_quarantined_as_it_came(change: dict[str, Any], reason: str) -> None:
    """What was not measured, is no number or cannot be is refused with its reason, and takes no good row with it."""
    verdict = _verdict(pl.DataFrame([GOOD, GOOD | {"age": 50}]), pl.DataFrame([GOOD | change]))
    assert verdict.accepted.height == 2
    assert reason in verdict.quarantined["reason"].item()
    kept = json.loads(verdict.quarantined["row"].item())
    name = steps._RENAMED.get(next(iter(change)), next(iter(change)))
    given = next(iter(change.values()))
    assert kept[name] == (None if given is None else str(given).replace("nan", "NaN"))


def test_a_batch_without_a_column_is_quarantined_and_the_others_are_not() -> None:
    """A wrong file among good ones costs its own rows only; none is lost, even of a file that has no column right."""
    wrong = pl.DataFrame([GOOD, GOOD]).drop("glu")
    foreign = pl.DataFrame({"a;b;c": ["1;2;3", "4;5;6", "7;8;9"]})
    verdict = _verdict(pl.DataFrame([GOOD]), wrong, foreign)
    assert (verdict.accepted.height, verdict.quarantined.height) == (1, 5)
    assert verdict.quarantined["reason"].str.contains("glucose: not_nullable").all()


def test_a_second_ingest_gives_the_same_keys(raw: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another order, as text and in other batches a row keeps its key, so that only new rows are added."""
    source = pl.concat(list(open_source(USE_CASE.config.source).read(None)))
    monkeypatch.setattr(steps, "BATCH_ROWS", 100)
    new = pl.DataFrame([GOOD | {"age": 99}])
    shuffled = source.sample(fraction=1, shuffle=True, seed=1).with_columns(pl.all().cast(pl.String))
    again = _verdict(shuffled, new).accepted
    assert again.height == 533
    added = again.join(raw, on=KEY, how="anti")
    assert added["age"].to_list() == [99]
    assert raw.join(again, on=KEY, how="anti").is_empty()
    both = raw.join(again, on=KEY, suffix="_again")
    assert all(both[name].equals(both[f"{name}_again"].alias(name)) for name in MEASURED)


def test_people_with_equal_measurements_are_rows_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each copy has a key, within a batch and across batches, and all of them are on one side of the hold-out."""
    monkeypatch.setattr(steps, "BATCH_ROWS", 4)
    people = pl.DataFrame([GOOD | {"age": age} for age in range(21, 61) for _ in range(3)])
    verdict = _verdict(people.sample(fraction=1, shuffle=True, seed=0))
    assert (verdict.accepted.height, verdict.quarantined.height) == (120, 0)
    assert verdict.accepted["copy"].value_counts(sort=True).sort("copy").rows() == [(0, 40), (1, 40), (2, 40)]
    sides = _with_features(tmp_path, [verdict.accepted]).read().group_by("age").agg(pl.col("is_holdout").n_unique())
    assert sides["is_holdout"].to_list() == [1] * 40


def test_hold_out_is_about_its_share_and_does_not_move(raw: pl.DataFrame, features: Dataset, tmp_path: Path) -> None:
    """A row is held out or not for ever, in whatever files it comes; and split loses none."""
    all_rows = features.read()
    assert all_rows["is_holdout"].mean() == pytest.approx(0.25, abs=0.05)
    early = _with_features(tmp_path, [raw.gather_every(2), raw.gather_every(2, 1).head(50)]).read()
    both = early.join(all_rows, on=KEY, suffix="_later")
    assert both.height == early.height == 316
    assert both["is_holdout"].equals(both["is_holdout_later"].alias("is_holdout"))
    train, holdout = steps.split(features, PARAMS)
    assert train.rows + holdout.rows == 532
    assert train.read().join(holdout.read(), on=KEY).is_empty()


def test_search_takes_the_better_candidate(features: Dataset, compute: InProcessCompute) -> None:
    """One tree of two is no match for sixty; nothing but the searched options changes."""
    chosen = steps.search(steps.split(features, PARAMS)[0], PARAMS, compute)
    assert chosen.gradient_boosting.iterations == 60
    assert chosen.gradient_boosting.learning_rate == 0.06
    assert chosen.model_copy(update={"gradient_boosting": PARAMS.gradient_boosting}) == PARAMS
    assert Params.model_validate(chosen.model_dump(mode="json")) == chosen


@pytest.fixture(scope="module")
def rotated(features: Dataset, compute: InProcessCompute) -> dict[str, dict[str, float]]:
    """Mean metrics of model and baseline over four hold-outs that together are all rows.

    One hold-out has 137 rows, and its ROC AUC a standard error of 0.04: too much to compare two models by.
    """
    measured: dict[str, list[dict[str, float]]] = {"model": [], "baseline": []}
    for part in range(4):
        held_out = stable_hash(("row_id",), salt="rotated") % 4 == part
        train, holdout = features.where(~held_out), features.where(held_out)
        for name, fit in (("model", steps.train), ("baseline", steps.baseline)):
            measured[name].append(steps.evaluate(fit(train, PARAMS, compute), holdout, PARAMS))
    return {name: dict(pd.DataFrame(scores).mean()) for name, scores in measured.items()}


def test_the_model_is_far_better_than_the_base_rate(rotated: dict[str, dict[str, float]]) -> None:
    """A third of the women are diabetic: always 'no' has accuracy 0.667, ROC AUC 0.5 and, as a probability, 0.222."""
    model, share = rotated["model"], 177 / 532
    assert model["roc_auc"] > 0.5 + 0.3
    assert model["brier_score"] < share * (1 - share) - 0.05
    assert model["accuracy"] > (1 - share) + 0.04


def test_the_model_is_better_than_logistic_regression(rotated: dict[str, dict[str, float]]) -> None:
    """The baseline is a strong one here: the trees' probabilities are better, and they do not rank worse."""
    assert rotated["model"]["brier_score"] < rotated["baseline"]["brier_score"] - 0.001
    assert rotated["model"]["roc_auc"] > rotated["baseline"]["roc_auc"]


def test_probabilities_are_calibrated(features: Dataset, model: ClassifierModel) -> None:
    """Among held-out rows those with low, middle and high probabilities are diabetic about as often as they say."""
    rows = steps.split(features, PARAMS)[1].read()
    answer = _ask(model, rows).assign(label=rows["label"].to_list())
    thirds = answer.groupby(pd.qcut(answer["probability"], 3), observed=True)[["probability", "label"]].mean()
    # 46 rows a third: two standard errors of a share of 0.5 are 0.15.
    np.testing.assert_allclose(thirds["probability"], thirds["label"], atol=0.15)
    assert thirds["probability"].iloc[-1] - thirds["probability"].iloc[0] > 0.4


def test_nothing_is_taken_from_the_hold_out(
    raw: pl.DataFrame, features: Dataset, compute: InProcessCompute, model: ClassifierModel, tmp_path: Path
) -> None:
    """With every held-out label turned round, threshold and probabilities are what they were."""
    held_out = raw.join(features.read().filter("is_holdout"), on=KEY, how="semi")["row_id"]
    turned = pl.col("diabetic").replace_strict({"Yes": "No", "No": "Yes"})
    changed = raw.with_columns(
        diabetic=pl.when(pl.col("row_id").is_in(held_out.implode())).then(turned).otherwise("diabetic")
    )
    assert not changed.equals(raw)
    train, holdout = steps.split(_with_features(tmp_path, [changed]), PARAMS)
    again = steps.train(train, PARAMS, compute)
    assert again.threshold == model.threshold
    assert _ask(again, holdout.read()).equals(_ask(model, holdout.read()))
    # The test can fail: with turned training labels the model is another one.
    other = _with_features(tmp_path / "other", [raw.with_columns(diabetic=turned)])
    assert steps.train(steps.split(other, PARAMS)[0], PARAMS, compute).threshold != model.threshold


def test_the_same_rows_give_the_same_model(
    raw: pl.DataFrame, compute: InProcessCompute, model: ClassifierModel, tmp_path: Path
) -> None:
    """In other files and another order too: threshold and probabilities are equal."""
    parts = [raw.gather_every(3, offset).reverse() for offset in range(3)]
    train, holdout = steps.split(_with_features(tmp_path, parts), PARAMS)
    again = steps.train(train, PARAMS, compute)
    assert again.threshold == model.threshold
    assert _ask(again, holdout.read()).equals(_ask(model, holdout.read()))


def test_more_glucose_never_lowers_the_probability(model: ClassifierModel) -> None:
    """A direction that medicine knows holds for the calibrated probability, whatever the other measurements are."""
    person = {"pregnancies": 2, "blood_pressure": 70, "skin_fold": 30, "bmi": 33, "pedigree": 0.5, "age": 40}
    answer = model.predict(None, pd.DataFrame([person | {"glucose": glucose} for glucose in range(60, 200, 5)]))
    assert answer["probability"].is_monotonic_increasing
    assert answer["probability"].iloc[-1] > answer["probability"].iloc[0] + 0.3


def test_artifacts_are_the_arrays_behind_the_confusion_matrix(features: Dataset, model: ClassifierModel) -> None:
    """True and predicted labels, a pair a held-out row, as JSON; a baseline and a loaded model give them alike."""
    holdout = steps.split(features, PARAMS)[1]
    labels = json.loads(json.dumps(steps.artifacts(model, holdout, PARAMS), allow_nan=False))["labels"]
    pairs = list(zip(labels["true"], labels["predicted"], strict=True))
    scores = steps.evaluate(model, holdout, PARAMS)
    counts = {
        name: pairs.count(pair) for name, pair in {"tn": (0, 0), "fp": (0, 1), "fn": (1, 0), "tp": (1, 1)}.items()
    }
    assert {name: scores[name] for name in counts} == counts
    assert sum(counts.values()) == len(labels["probability"]) == len(labels["row_id"]) == holdout.rows
    matrix = steps.artifacts(model, holdout, PARAMS)["confusion_matrix"]
    assert matrix == {"classes": [0, 1], "counts": [[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]]}
    assert steps.artifacts(FakePyfunc(model), holdout, PARAMS)["labels"] == labels
    assert steps.evaluate(FakePyfunc(model), holdout, PARAMS) == scores


class FakePyfunc:
    """Answers as a loaded MLflow model does."""

    def __init__(self, model: ClassifierModel) -> None:
        self._model = model

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        return self._model.predict(None, data, params)


def test_example_is_a_model_input(features: Dataset, model: ClassifierModel) -> None:
    """The measurements alone, without key and label, as numbers that MLflow checks as such."""
    example = steps.example(steps.split(features, PARAMS)[0], PARAMS)
    assert list(example) == MEASURED
    assert set(example.dtypes) == {np.dtype("float64")}
    assert set(model.predict(None, example)["label"]) <= {0, 1}


def test_the_matrix_counts_more_rows_than_there_are_labels(
    features: Dataset, model: ClassifierModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arrays are for a page and bounded, the counts are not."""
    monkeypatch.setattr(steps, "_LABEL_ROWS", 7)
    holdout = steps.split(features, PARAMS)[1]
    made = steps.artifacts(model, holdout, PARAMS)
    assert {len(array) for array in made["labels"].values()} == {7}
    assert sum(map(sum, made["confusion_matrix"]["counts"])) == holdout.rows > 7
