"""Features of an event from what was known before it, never from what came later.

The same function serves training (each event at its own time) and serving (each entity now). `leaks` finds a feature
that looks ahead: it changes when the rows after a moment are taken away.
"""

from collections.abc import Callable, Mapping, Sequence

import polars as pl


def known_before(
    history: pl.LazyFrame,
    moments: pl.LazyFrame,
    *,
    by: str,
    time: str,
    count: str | None = None,
    means: Mapping[str, str] | None = None,
) -> pl.LazyFrame:
    """Each row of ``moments`` with aggregates over the rows of ``history`` of the same entity and a smaller time.

    An event at exactly that moment does not count: what happens at once is not known yet.

    Args:
        by: the entity's column, in both.
        time: numbers or times, in both.
        count: the name of a column for how many rows there were; 0 where there was none.
        means: columns to add, by the column of ``history`` whose mean before it they are; null where there was none.

    Returns:
        ``moments`` with its columns and the new ones; the order of rows is by ``by`` and ``time``.
    """
    wanted = dict(means or {})
    rows = (pl.int_range(1, pl.len() + 1, dtype=pl.Int64)).over(by).alias("_rows")
    sums = [pl.col(column).fill_null(0).cum_sum().over(by).alias(f"_sum_{name}") for name, column in wanted.items()]
    given = [
        pl.col(column).is_not_null().cast(pl.Int64).cum_sum().over(by).alias(f"_given_{name}")
        for name, column in wanted.items()
    ]
    running = history.sort(by, time).select(by, time, rows, *sums, *given)
    joined = moments.sort(by, time).join_asof(
        running, on=time, by=by, strategy="backward", allow_exact_matches=False, check_sortedness=False
    )
    added = [pl.col("_rows").fill_null(0).alias(count)] if count else []
    added += [(pl.col(f"_sum_{name}") / pl.col(f"_given_{name}")).fill_nan(None).alias(name) for name in wanted]
    return joined.with_columns(added).drop(
        "_rows", *(f"_{kind}_{name}" for name in wanted for kind in ("sum", "given"))
    )


def leaks(
    build: Callable[[pl.DataFrame], pl.DataFrame],
    raw: pl.DataFrame,
    *,
    time: str,
    key: Sequence[str],
    cuts: int = 3,
) -> list[str]:
    """The columns of ``build(raw)`` that depend on rows after an event's own time.

    Features are built of all rows, and of those up to some moments only; the events before a moment must have the
    same features both times.

    Args:
        key: columns that identify an event in ``raw`` and in what ``build`` gives.
        cuts: how many moments, spread evenly over the rows.
    """
    whole = build(raw)
    times = raw[time].sort()
    found: set[str] = set()
    for cut in range(1, cuts + 1):
        moment = times[len(times) * cut // (cuts + 1)]
        past = raw.filter(pl.col(time) <= moment)
        alone = build(past).sort(key)
        together = whole.join(past.select(key), on=list(key), how="semi").sort(key)
        found.update(
            name for name in alone.columns if name not in together.columns or _differ(alone[name], together[name])
        )
    return sorted(found)


def _differ(one: pl.Series, other: pl.Series) -> bool:
    """Sums in another order differ in their last digits; that is no knowledge of the future."""
    if one.dtype.is_float():
        near = (one - other).abs() <= 1e-9 * one.abs().clip(lower_bound=1)
        return not (near | (one.is_null() & other.is_null()) | (one.is_nan() & other.is_nan())).fill_null(False).all()
    return not one.equals(other, null_equal=True)
