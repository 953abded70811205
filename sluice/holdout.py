"""Which rows are held out: a property of the row, so that rows that come later never move one.

Polars' own hash may change between versions, and then a champion's training rows would turn up in the hold-out.
pandas documents its hash as deterministic.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl


def stable_hash(key: Sequence[str], salt: str = "") -> pl.Expr:
    """A 64-bit hash (UInt64) of the row's key columns, the same on every machine and in every run.

    Two salts give two independent hashes.
    """
    seed = pd.util.hash_array(np.array([salt], dtype=object))[0]
    return (
        pl.struct(*key)
        .map_batches(lambda rows: _hash(rows.struct.unnest(), seed), return_dtype=pl.UInt64, is_elementwise=True)
        .alias("stable_hash")
    )


def is_holdout(key: Sequence[str], share: float, salt: str = "holdout") -> pl.Expr:
    """True for about ``share`` (0 to 1) of the rows, decided by their key alone."""
    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1, not {share}")
    return (stable_hash(key, salt) % 1_000_000 < int(share * 1_000_000)).alias("is_holdout")


def _hash(frame: pl.DataFrame, seed: np.uint64) -> pl.Series:
    hashes = np.full(frame.height, seed, dtype=np.uint64)
    for column in frame.get_columns():
        hashes = hashes * np.uint64(1_000_003) ^ pd.util.hash_array(_values(column))
    # Mixed once more: combining by multiply and xor leaves the low bits weak, and buckets are taken from those.
    hashes ^= hashes >> np.uint64(33)
    hashes *= np.uint64(0xFF51AFD7ED558CCD)
    hashes ^= hashes >> np.uint64(33)
    return pl.Series("stable_hash", hashes, dtype=pl.UInt64)


def _values(column: pl.Series) -> Any:
    """One representation a value, whatever else is in the column and however wide its type is."""
    if column.dtype.is_integer():
        return column.cast(pl.Int64).fill_null(np.iinfo(np.int64).min).to_numpy()
    return column.cast(pl.String).fill_null("\0null").to_numpy().astype(object)
