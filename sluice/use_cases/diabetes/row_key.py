"""A key for rows that come without one."""

import polars as pl

from sluice.holdout import stable_hash

ROW_KEY = ("row_id", "copy")
_DECIMALS = 1_000  # no measurement is finer, and text of a number may differ between versions and file formats


class RowKeys:
    """Adds `ROW_KEY` to the batches of one delivery of a source.

    ``row_id`` is a hash of what a row says, whatever its type in the file. ``copy`` counts equal rows within the
    delivery, so two people with equal measurements are two rows, and the same delivery in any order, or with more rows,
    gives old rows their old keys. A row that comes again in another delivery is one that is known. A delivery's row ids
    are kept in memory, 100 bytes each.
    """

    def __init__(self, numbers: tuple[str, ...], texts: tuple[str, ...]) -> None:
        self._numbers, self._texts = numbers, texts
        self._seen: dict[int, int] = {}

    def add(self, batch: pl.DataFrame) -> pl.DataFrame:
        scaled = (pl.col(self._numbers).cast(pl.Float64, strict=False) * _DECIMALS).round()
        row_id = (
            batch.select(scaled.cast(pl.Int64, strict=False), pl.col(self._texts).cast(pl.String))
            .select(stable_hash((*self._numbers, *self._texts)).reinterpret(signed=True))
            .to_series()
        )
        earlier = pl.Series([self._seen.get(one, 0) for one in row_id], dtype=pl.Int64)
        keyed = batch.with_columns(row_id=row_id).with_columns(copy=earlier + pl.int_range(pl.len()).over("row_id"))
        self._seen.update(keyed.group_by("row_id").agg(pl.col("copy").max() + 1).iter_rows())
        return keyed
