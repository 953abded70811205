"""Features are of rows and their groups, whatever the order, the files and the time; and a row keeps its side."""

from collections.abc import Sequence

import polars as pl

from sluice.conformance.outcome import CheckFailedError
from sluice.conformance.trial import Trial
from sluice.dataset import Dataset
from sluice.point_in_time import leaks

_FILES = 5
_SEED = 0
_SIDE = "_is_held_out"
_GROUPS = (
    "Compute a row's features from that row, or bring its group together: compute.transform(raw, fn, by=(…)); sort "
    "before taking first or last"
)


def build(trial: Trial) -> str:
    """build_features gives rows."""
    trial.features = trial.build(trial.accepted)
    if not trial.features.files:
        hint = "Look at what build_features filters"
        raise CheckFailedError(problem="build_features gives no rows", hint=hint)
    return f"{trial.features.rows:,} rows, {len(trial.features.schema)} columns"


def partitions(trial: Trial) -> str:
    """Another order of rows, and other files, make no other features."""
    shuffled = trial.accepted.sample(fraction=1, shuffle=True, seed=_SEED)
    again = trial.build(shuffled, files=_FILES)
    one, other = trial.features.read(), again.read() if again.files else trial.features.read().clear()
    if one.height != other.height:
        raise CheckFailedError(
            problem=f"one partition makes {one.height:,} rows of features, {_FILES} make {other.height:,}", hint=_GROUPS
        )
    if one.schema != other.schema:
        changed = sorted(set(one.schema.items()) ^ set(other.schema.items()), key=str)
        problem = f"other partitions make other columns: {', '.join(f'{name} {dtype}' for name, dtype in changed)}"
        raise CheckFailedError(problem=problem, hint="Cast every new column, so that its type never follows the rows")
    if differing := _differing(one, other, _identity(trial, one)):
        problem = f"{', '.join(differing)} depend on the order of rows or on how they are spread over files"
        raise CheckFailedError(problem=problem, hint=_GROUPS)
    return f"equal in {_FILES} partitions and another order"


def point_in_time(trial: Trial) -> str:
    """Features of an event know nothing that came after it."""
    time = getattr(trial.steps, "TIME", None)
    if time is None:
        return "steps.py names no TIME"
    key = trial.use_case.key
    if not {*key, time} <= set(trial.features.schema):
        return f"the features do not have {', '.join((*key, time))}, so there is no event to look at"

    def rebuilt(rows: pl.DataFrame) -> pl.DataFrame:
        return trial.build(rows).read()

    found = leaks(rebuilt, trial.accepted, time=time, key=key, cuts=2)
    if found:
        problem = f"{', '.join(found)} of an event change with rows that come after it"
        hint = "Use only rows before its time, as sluice.point_in_time.known_before does"
        raise CheckFailedError(problem=problem, hint=hint)
    return f"nothing looks past {time}"


def online(trial: Trial) -> str:
    """What a service looks up has one row an entity."""
    if not hasattr(trial.steps, "online"):
        return "steps.py has no online"
    entity = getattr(trial.steps, "ENTITY", None)
    if entity is None:
        problem = "steps.py has online and no ENTITY"
        raise CheckFailedError(problem=problem, hint='Name the column that values are looked up by: ENTITY = "user_id"')
    values = trial.steps.online(trial.features, trial.params)
    if entity not in values.columns or values[entity].is_duplicated().any():
        problem = f"online does not give one row with {entity} for each"
        raise CheckFailedError(problem=problem, hint=f"Group by {entity}, and keep the column")
    return f"{values.height:,} entities by {entity}"


def split(trial: Trial) -> str:
    """Training and held-out rows: some of both, none in both."""
    train, holdout = trial.parts = trial.steps.split(trial.features, trial.params)
    rows = trial.features.rows
    hint = "Filter twice by one expression: is_holdout(KEY, share) of sluice.holdout, and its negation"
    if not train.rows or not holdout.rows:
        problem = f"split gives {train.rows:,} training and {holdout.rows:,} held-out rows"
        raise CheckFailedError(problem=problem, hint=hint)
    keep = _identity(trial, train.read())
    both = train.read().join(holdout.read(), on=keep, how="semi", nulls_equal=True).height
    if both:
        raise CheckFailedError(problem=f"{both:,} rows are trained on and held out", hint=hint)
    return f"{train.rows:,} of {rows:,} rows to train on, {holdout.rows:,} held out"


def stable_holdout(trial: Trial) -> str:
    """A row that was held out, or trained on, still is when later rows have come."""
    # Any half: later rows are not behind the others when files are listed, or a table is compacted.
    earlier = trial.build(trial.accepted.sample(fraction=0.5, seed=_SEED))
    before = _sides(trial, earlier)
    both = before.join(
        _sides(trial, trial.features), on=before.columns[:-1], how="inner", nulls_equal=True, suffix="_later"
    )
    moved = both.filter(pl.col(_SIDE) != pl.col(f"{_SIDE}_later")).height
    if moved:
        raise CheckFailedError(
            problem=f"{moved:,} of {both.height:,} rows change sides when later rows come, so that a champion would be "
            "measured on what it was trained on",
            hint="Let a hash of the key decide: is_holdout(KEY, share) of sluice.holdout",
        )
    return f"{both.height:,} rows keep their side when as many come later"


def _sides(trial: Trial, features: Dataset) -> pl.DataFrame:
    train: pl.DataFrame
    train, holdout = (part.read() for part in trial.steps.split(features, trial.params))
    keep = _identity(trial, train)
    return pl.concat(
        [part.select(*keep, pl.lit(side).alias(_SIDE)) for part, side in ((train, False), (holdout, True))]
    )


def _identity(trial: Trial, features: pl.DataFrame) -> list[str]:
    """What tells a row of features from others: the key if it is there, else all that can be compared."""
    if set(trial.use_case.key) <= set(features.columns):
        return list(trial.use_case.key)
    return [name for name, dtype in features.schema.items() if not dtype.is_nested()]


def _differing(one: pl.DataFrame, other: pl.DataFrame, identity: Sequence[str]) -> list[str]:
    """Columns that differ by more than the rounding of a sum in another order."""
    first, second = one.sort(identity, nulls_last=True), other.sort(identity, nulls_last=True)
    return [name for name in first.columns if not _equal(first[name], second[name])]


def _equal(one: pl.Series, other: pl.Series) -> bool:
    if not one.dtype.is_float():
        return one.equals(other, null_equal=True)
    both_missing = (one.is_null() & other.is_null()) | (one.is_nan() & other.is_nan()).fill_null(False)
    close = (one - other).abs() <= 1e-9 + 1e-6 * one.abs()
    return bool((close.fill_null(False) | both_missing | (one == other).fill_null(False)).all())
