"""The peer of the ingest: DuckDB alone, in one process that imports nothing else (a `benchmarks.peer.Peer`).

One query that keeps what is in range, once a key, and writes one file. It has no quarantine, no version and no retry.
"""

import time

import duckdb

from benchmarks.peer import serve

QUERY = """
COPY (
  SELECT DISTINCT ON (user_id, item_id) *
  FROM read_csv($path, header = true, columns = {{
    'user_id': 'BIGINT', 'item_id': 'BIGINT', 'rating': 'DOUBLE', 'timestamp': 'BIGINT'
  }})
  WHERE rating BETWEEN 0.5 AND 5 AND timestamp >= 0
) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def ingest(path: str, target: str) -> float:
    """Seconds."""
    begun = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute(QUERY.format(target=target), {"path": path})
    return time.perf_counter() - begun


if __name__ == "__main__":
    serve(ingest)
