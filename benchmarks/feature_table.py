"""Fills ``raw/generated_ratings`` as ingest leaves it, without the ingest (a `benchmarks.peer.Peer` of the stack)."""

import polars as pl

from benchmarks.peer import serve
from flows.platform import platform
from sluice.holdout import stable_hash
from sluice.use_case import load_use_case

TABLE = "raw/generated_ratings"
PARTITIONS = 16


def write(rows: int) -> list[str]:
    """Rows of one user are in all files, as they are after ingest grouped them by the row's key. Gives the files."""
    staging = platform().lake.staging(TABLE)
    use_case = load_use_case("generated_ratings")
    frame: pl.DataFrame = use_case.steps.ratings(0, rows, use_case.params())
    parts = frame.with_columns(_part=stable_hash(use_case.key) % PARTITIONS).partition_by("_part", include_key=False)
    files = [staging.write(part) for part in parts]
    platform().lake.commit(staging.dataset(files), key="benchmark", mode="overwrite")
    return [f"{staging.uri}/{file.path}" for file in files]


if __name__ == "__main__":
    serve(write)
