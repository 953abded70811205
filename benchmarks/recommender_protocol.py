"""How they are compared: splits, choice of hyper-parameters, metrics. The same code for every contender.

The protocol of the Microsoft Recommenders benchmark for MovieLens: a random 75/25 split within each user, every rating
relevant, items seen in training removed, k = 10, binary nDCG, MAP divided by the number of relevant items. Items that
only the test part has stay relevant, though nobody can recommend them.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.recommender_models import Contender
from sluice.recommenders import metrics
from sluice.recommenders.interactions import Ids, Interactions
from sluice.recommenders.metrics import Hits, ndcg
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.scorer import Scorer
from sluice.recommenders.top_k import recommend

K = 10
TEST_SHARE = 0.25
Scores = dict[str, float]
Log = Callable[[str], None]


def stratified_split(ratings: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of each user's rows a random ``share``, rounded, goes into the second part."""
    user = pd.factorize(ratings["user"])[0]
    order = np.lexsort((np.random.default_rng(seed).random(len(ratings)), user))
    counts = np.bincount(user)
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(order)) - starts[user[order]]
    second = rank < np.round(share * counts)[user[order]]
    return ratings.iloc[np.sort(order[~second])], ratings.iloc[np.sort(order[second])]


def evaluate(ratings: pd.DataFrame, contenders: list[Contender], seeds: int, log: Log) -> dict[str, list[Scores]]:
    """Metrics of each contender, one entry a seed."""
    results: dict[str, list[Scores]] = {contender.name: [] for contender in contenders}
    for seed in range(seeds):
        train_rows, test_rows = stratified_split(ratings, TEST_SHARE, seed)
        inner_rows, validation_rows = stratified_split(train_rows, TEST_SHARE, seed + 1_000)
        train, test = _aligned(train_rows, test_rows, ratings)
        inner, validation = _aligned(inner_rows, validation_rows, ratings)
        measure = partial(_ndcg, train=inner, validation=validation)
        for contender in contenders:
            start = time.perf_counter()
            options = contender.choose(inner, validation, measure, seed)
            fitted = contender.fit(train, options, seed)
            scores = metrics.evaluate(_positions(fitted, train), test, train.support, len(train.users))
            results[contender.name].append({f"{name}@{K}": value for name, value in scores.items()})
            took = f"{time.perf_counter() - start:5.1f} s"
            log(f"seed {seed + 1}/{seeds}  {contender.name:<12}  nDCG {scores['ndcg']:.4f}  {took}  {options or ''}")
    return results


def summarise(results: dict[str, list[Scores]]) -> dict[str, dict[str, dict[str, float]]]:
    """``{model: {metric: {mean, std}}}``; std is of the sample, 0 for one seed."""
    return {
        model: {
            metric: {
                "mean": float(np.mean([s[metric] for s in scores])),
                "std": float(np.std([s[metric] for s in scores], ddof=1)) if len(scores) > 1 else 0.0,
            }
            for metric in scores[0]
        }
        for model, scores in results.items()
    }


def _aligned(first: pd.DataFrame, second: pd.DataFrame, ratings: pd.DataFrame) -> tuple[Interactions, sparse.csr_array]:
    """The first part with all users and items of ``ratings``, most popular first; the second with the same axes."""
    users, items = ratings["user"].unique(), ratings["item"].unique()
    known = Interactions.from_ids(*_ids(first), users=np.asarray(users), items=np.asarray(items)).by_popularity()
    held = Interactions.from_ids(*_ids(second), users=known.users, items=known.items)
    return known, held.matrix


def _ids(rows: pd.DataFrame) -> tuple[Ids, Ids]:
    return np.asarray(rows["user"]), np.asarray(rows["item"])


def _positions(scorer: Scorer, train: Interactions) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    fallback = Popularity.of(train.support, len(train.users))
    return recommend(scorer, fallback, np.arange(len(train.users)), train.matrix, K).positions


def _ndcg(scorer: Scorer, train: Interactions, validation: sparse.csr_array) -> float:
    return ndcg(Hits.of(_positions(scorer, train), validation))
