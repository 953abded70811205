"""The conformance checks: what ships passes them, and each finds the fault it is for."""

import sys
from collections.abc import Iterator
from importlib import invalidate_caches
from pathlib import Path

import pytest

from sluice.conformance import Outcome, UseCaseNonconformingError, assert_conforms, check_use_case
from sluice.scaffold import write_package
from sluice.use_case import discover
from tests.packages_of import make_findable


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A use case ``faulty`` as `sluice new` writes it, installed for one test; a test may change its files."""
    project = write_package("faulty", "classifier", tmp_path).folder
    make_findable(project)
    sys.path.insert(0, str(project))
    invalidate_caches()
    yield project / "faulty"
    sys.path.remove(str(project))
    for name in [name for name in sys.modules if name.partition(".")[0] == "faulty"]:
        del sys.modules[name]


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def failed(**options: int) -> dict[str, Outcome]:
    return {one.check: one for one in check_use_case("faulty", **options) if one.status == "failed"}


# Each trains its candidates, some of them five times over; diabetes has the most.
SHIPPED = [
    pytest.param(name, marks=[pytest.mark.slow] if name == "diabetes" else [])
    for name in sorted({"movies", "diabetes", "tiny"} & discover().keys())
]


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_conforms(name: str) -> None:
    """The use cases of this repository hold to what is asked of a stranger's."""
    assert_conforms(name)


FAULTS = {
    "an argument has another name": ("def split(features:", "def split(rows:", "steps", "split takes (rows, params)"),
    "Params takes anything": (', extra="forbid"', "", "Params", "Params takes names"),
    "the key is no column": ('KEY = ("customer_id",)', 'KEY = ("id",)', "Schema and KEY", "KEY has id"),
    "the key may be missing": (
        "customer_id: pl.Int64 = pa.Field(ge=0)", "customer_id: pl.Int64 = pa.Field(nullable=True)", "Schema and KEY",
        "customer_id may be null",
    ),
    "ingest has no rows": ("return source.read(since)", "return iter(())", "ingest", "no rows"),
    "ingest drops rows": (
        "return source.read(since)", "return (rows.filter(pl.col('plan') != 'basic') for rows in source.read(since))",
        "ingest", "ingest loses",
    ),
    "ingest drops rows that lack something": (
        "return source.read(since)", "return (rows.drop_nulls('plan') for rows in source.read(since))",
        "empty values", "ingest loses 1 of",
    ),
    "ingest stumbles over a missing value": (
        "return source.read(since)",
        "return (rows.with_columns(plan=pl.Series([len(v) for v in rows['plan']])) for rows in source.read(since))",
        "empty values", "TypeError",
    ),
    "the contract refuses too much": ("le=110", "le=20", "quarantine", "of the rows are refused"),
    "a feature depends on the order": (
        "rows.drop_nulls(TARGET)", "rows.with_row_index('place').drop_nulls(TARGET)", "order and partitions", "place",
    ),
    "a feature depends on the partition": (
        "rows.drop_nulls(TARGET)", "rows.with_columns(mean=pl.col('months').mean()).drop_nulls(TARGET)",
        "order and partitions", "mean depend",
    ),
    "rows are on both sides": ("features.where(~held_out)", "features", "split", "are trained on and held out"),
    "the hold-out moves": (
        "is_holdout(KEY, params.holdout_share)", "pl.int_range(pl.len()) % 4 == 0", "stable hold-out", "change sides",
    ),
    "online has an entity twice": (
        "def split(", "ENTITY = 'plan'\n\n\ndef online(features, params):\n    return features.read()\n\n\ndef split(",
        "online", "one row with plan",
    ),
    "train has no model": ("return model.fit(", "return str(model.fit)(", "train", "line "),
    "a seed is forgotten": (
        "random_state=params.seed", "early_stopping=True, random_state=None, max_features=0.4", "reproducible",
        "a second training",
    ),
    "another metric is measured": (
        '"balanced_accuracy":', '"balanced":', "evaluate", "promote_if names balanced_accuracy",
    ),
    "a metric is no number": (
        "float(accuracy_score(true, predicted))", "float('nan')", "evaluate", "accuracy is nan",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found_and_explained(package: Path, fault: str) -> None:
    """One planted fault fails the check that is for it, with what is wrong and what to do; no check is lost."""
    old, new, check, said = FAULTS[fault]
    change(package / "steps.py", old, new)
    found = failed()
    assert said in found[check].detail + found[check].hint, found
    assert found[check].hint


def test_a_feature_that_looks_ahead_is_found(package: Path) -> None:
    """With TIME in steps.py, features of an event must not change with rows that come after it."""
    change(package / "steps.py", 'TEXTS = ["plan"]', 'TEXTS = ["plan"]\nTIME = "customer_id"')
    change(
        package / "steps.py",
        "rows.drop_nulls(TARGET)",
        'rows.drop_nulls(TARGET).with_columns(later=pl.col("months").sum().over("plan"))',
    )
    change(package / "steps.py", "compute.transform(raw, features)", 'compute.transform(raw, features, by=("plan",))')
    assert failed().keys() == {"point in time"}


def test_a_model_that_needs_its_package_is_found(package: Path) -> None:
    """A service does not have the use case's package, so a model must not import from it when it answers."""
    (package / "shift.py").write_text("def shifted(rows):\n    return rows\n")
    change(package / "steps.py", "HistGradientBoostingClassifier(", "Late(")
    text = (package / "steps.py").read_text()
    late = """
class Late(HistGradientBoostingClassifier):
    def predict(self, rows):
        from faulty.shift import shifted

        return super().predict(shifted(rows))


class Params("""
    (package / "steps.py").write_text(text.replace("\nclass Params(", late, 1))
    assert "asks for faulty" in failed()["saved model"].detail


def test_one_failure_does_not_hide_another(package: Path) -> None:
    """Checks that do not need what failed still run; those that do are skipped, with what they lack."""
    change(package / "steps.py", "def split(features:", "def split(rows:")
    change(package / "steps.py", ', extra="forbid"', "")
    outcomes = {one.check: one for one in check_use_case("faulty")}
    assert [name for name, one in outcomes.items() if one.status == "failed"] == ["steps", "Params"]
    assert outcomes["Schema and KEY"].status == "passed"
    assert outcomes["ingest"].status == "skipped"
    assert "steps" in outcomes["ingest"].detail


def test_every_failure_is_in_the_error(package: Path) -> None:
    """A package's own test says in one error all that is wrong."""
    change(package / "steps.py", '"balanced_accuracy":', '"balanced":')
    with pytest.raises(UseCaseNonconformingError, match=r"evaluate: promote_if names balanced_accuracy"):
        assert_conforms("faulty")


def test_a_name_that_is_not_installed_is_explained() -> None:
    """The first check fails with what is installed; nothing is raised."""
    (first, *rest) = check_use_case("nowhere")
    assert first.status == "failed"
    assert "movies" in first.detail
    assert {one.status for one in rest} == {"skipped"}
