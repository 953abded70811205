"""What a model answered, as columns of a table."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

PREDICTION = "prediction"
ERROR = "error"
MODEL_VERSION = "model_version"
SCORED_AT = "scored_at"
RESERVED = (ERROR, MODEL_VERSION, SCORED_AT)


def columns_of(answer: Any, rows: int, echoed: Collection[str] = (), taken: Collection[str] = ()) -> pl.DataFrame:
    """One row an asked row: a frame's or a mapping's own columns, ``prediction`` for a vector, and ``prediction_0``, …
    for a matrix. Lists stay lists.

    Args:
        echoed: columns that the model was given and that are kept: it need not say them again.
        taken: names that are in use; a column of one becomes ``predicted_<name>``.

    Raises:
        ValueError: it is not of ``rows`` rows, or holds values that no column has a type for.
    """
    columns = _columns(answer)
    for name, values in columns.items():
        if len(values) != rows:
            raise ValueError(f"it gave {len(values)} values of {name!r} for {rows} rows")
    frame = pl.DataFrame([_series(name, values) for name, values in columns.items() if name not in echoed])
    return frame.rename({name: f"predicted_{name}" for name in frame.columns if name in {*taken, *RESERVED}})


def _columns(answer: Any) -> dict[str, Any]:
    if isinstance(answer, pd.DataFrame):
        return {str(name): answer[name] for name in answer.columns}
    if isinstance(answer, dict):
        return {str(name): values for name, values in answer.items()}
    if hasattr(answer, "toarray"):
        answer = answer.toarray()
    if isinstance(answer, np.ndarray) and answer.ndim == 2:
        if answer.shape[1] == 1:
            return {PREDICTION: answer[:, 0]}
        return {f"{PREDICTION}_{number}": answer[:, number] for number in range(answer.shape[1])}
    return {PREDICTION: answer}


def _series(name: str, values: Any) -> pl.Series:
    plain = values.tolist() if isinstance(values, np.ndarray) and values.dtype == object else values
    try:
        if isinstance(plain, pd.Series):
            series = pl.from_pandas(plain).alias(name)
        else:
            series = pl.Series(name, plain, strict=False)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise ValueError(f"no column can hold what it gave for {name!r}: {error}") from None
    return series.cast(_storable(series.dtype))


def _storable(dtype: pl.DataType) -> pl.DataType:
    """Delta Lake has no unsigned numbers, no categories, and times to the microsecond."""
    if isinstance(dtype, pl.List | pl.Array):
        inner: Any = dtype.inner
        return pl.List(_storable(inner))
    if dtype.is_unsigned_integer():
        return pl.Int64()
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    return pl.Datetime("us", dtype.time_zone) if isinstance(dtype, pl.Datetime) else dtype
