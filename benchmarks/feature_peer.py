"""The peer of the feature step: DuckDB alone, in one process that imports nothing else (a `benchmarks.peer.Peer`).

The same features by the same rules, in the query that DuckDB does best: its own hash, one sort of everything, one file.
"""

import time

import duckdb

from benchmarks.peer import serve

QUERY = """
COPY (
  WITH flagged AS (
    SELECT *,
      hash(user_id, item_id) % 1000000 < 250000 AS is_holdout,
      hash(item_id, user_id, 'validation') % 1000000 < 250000 AS is_validation
    FROM read_parquet($files)
  ),
  means AS (
    SELECT user_id, avg(rating) FILTER (NOT is_holdout) AS user_mean FROM flagged GROUP BY user_id
  )
  SELECT flagged.*, coalesce(user_mean, 3.5) AS user_mean
  FROM flagged JOIN means USING (user_id)
  ORDER BY user_id, timestamp
) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def build(files: list[str], target: str) -> float:
    """Seconds."""
    begun = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute(QUERY.format(target=target), {"files": files})
    return time.perf_counter() - begun


if __name__ == "__main__":
    serve(build)
