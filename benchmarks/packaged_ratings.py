"""The recommender benchmark (`benchmarks.recommender`) on the ratings that come with a package."""

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

from benchmarks.bench import Bench
from benchmarks.recommender import packaged_ratings
from benchmarks.recommender_models import contenders
from benchmarks.recommender_protocol import K, evaluate, summarise
from benchmarks.result import Result, Table, Target

TITLE = "Recommenders: nDCG, MAP, precision and recall of ours against popularity and implicit's ALS and BPR"
SEEDS = 5


def run(bench: Bench) -> Result:
    ratings = packaged_ratings()
    seeds = 1 if bench.quick else SEEDS
    with threadpool_limits(1, "blas"):
        summary = summarise(evaluate(ratings, contenders(), seeds, bench.say))
    ndcg = {model: scores[f"ndcg@{K}"]["mean"] for model, scores in summary.items()}
    best_peer = max(value for model, value in ndcg.items() if model != "ours")
    metrics = list(summary["ours"])
    rows = [
        [model, *(f"{summary[model][metric]['mean']:.4f} ±{summary[model][metric]['std']:.4f}" for metric in metrics)]
        for model in sorted(summary, key=lambda name: -ndcg[name])
    ]
    users, items = ratings["user"].nunique(), ratings["item"].nunique()
    return Result(
        benchmark="recommender",
        title=TITLE,
        quick=bench.quick,
        tables=[
            Table(
                title=f"{len(ratings):,} ratings, {users:,} users, {items:,} items",
                columns=["model", *metrics],
                rows=[*rows],
            )
        ],
        targets=[Target(name="nDCG of the best peer, as a share of ours", measured=best_peer / ndcg["ours"], below=1)],
        notes=[f"Mean and standard deviation over {seeds} random 75/25 splits within each user."],
        details=dict(summary),
    )
