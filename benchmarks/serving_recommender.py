"""A recommender as large as a service must be quick with: 100,000 users over the 9,066 items of the packaged ratings.

python -m benchmarks.serving_recommender FOLDER

makes it in FOLDER, unless it is there, and prints what one user costs, and what the weights that
are not kept cost in nDCG on the real ratings. A user is a real one with noise: four in five
of the items, some of another user's, some at random by popularity. Weights are fitted on a tenth of the users, which
is enough to fix them; the histories that are served are everybody's.
"""

import argparse
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from mlflow.pyfunc import PythonModelContext
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.recommender import packaged_ratings
from benchmarks.recommender_models import Contender, fit_ease
from benchmarks.recommender_protocol import K, Log, evaluate, summarise
from sluice.recommenders import ease
from sluice.recommenders.catalogue import Catalogue
from sluice.recommenders.ease import EaseOptions
from sluice.recommenders.gram import Gram
from sluice.recommenders.histories import Histories
from sluice.recommenders.interactions import Interactions
from sluice.recommenders.item_weights import ItemWeights
from sluice.recommenders.model import RecommenderModel
from sluice.sources import open_source

USERS = 100_000
FITTED_ON = 10_000
# Chosen on the real ratings, where they give the best nDCG.
OPTIONS = EaseOptions(l2=400, history_power=0.25, popularity_power=0.1)
EXAMPLE = pd.DataFrame({"user_id": [1, 2, 3, 4, 5]})
LENGTHS = (20, 149, 500, 1_500)
_FILES = {"catalogue": "catalogue.parquet", "histories": "histories.npz", "scorer": "scorer.npz"}


def made(folder: Path, users: int = USERS) -> tuple[RecommenderModel, pd.DataFrame]:
    """The model and its input example, from ``folder``'s files if it was made there before; else half a minute."""
    paths = {name: folder / str(users) / file for name, file in _FILES.items()}
    if not all(path.exists() for path in paths.values()):
        folder = folder / str(users)
        folder.mkdir(parents=True, exist_ok=True)
        _model(users).artifacts(folder)
    model = RecommenderModel.__new__(RecommenderModel)
    model.load_context(PythonModelContext({name: str(path) for name, path in paths.items()}, {}))
    return model, EXAMPLE


def crowd(users: int, seed: int = 0) -> tuple[Catalogue, Histories]:
    """Users 1 to ``users`` and their histories, of which a random quarter is held out of training."""
    ratings = next(open_source({"kind": "packaged", "dataset": "dslabs/movielens"}).read(None))
    items = ratings.group_by("movieId", maintain_order=True).agg(pl.col("title", "genres").first())
    real = Interactions.from_ids(
        ratings["userId"].to_numpy(), ratings["movieId"].to_numpy(), items=items["movieId"].to_numpy()
    ).matrix
    generator = np.random.default_rng(seed)
    chosen = [_noisy(real, generator) for _ in range(users)]
    indptr = np.concatenate([[0], np.cumsum([len(history) for history in chosen])])
    columns = np.concatenate(chosen)
    trained = generator.random(len(columns)) >= 0.25
    support = np.bincount(columns[trained], minlength=items.height)
    catalogue = Catalogue.of(items.rename({"movieId": "item_id"}).with_columns(support=support))
    position = catalogue.find(items["movieId"])
    rated = sparse.csr_array(
        (np.ones(len(columns), np.float32), position[columns].astype(np.int32), indptr), shape=(users, items.height)
    )
    kept = rated.copy()
    kept.data[~trained] = 0
    kept.eliminate_zeros()
    return catalogue, Histories(np.arange(1, users + 1), kept, rated)


def fitted(catalogue: Catalogue, histories: Histories, options: EaseOptions = OPTIONS) -> ItemWeights:
    some = Interactions(histories.users[:FITTED_ON], catalogue.item_ids, histories.trained[:FITTED_ON])
    return ease.fit(Gram.of(some, len(catalogue), options.history_power), catalogue.support, options)


def _model(users: int) -> RecommenderModel:
    catalogue, histories = crowd(users)
    return RecommenderModel(catalogue, histories, fitted(catalogue, histories))


def _noisy(real: sparse.csr_array, generator: np.random.Generator) -> NDArray[np.int32]:
    own, other = (real.indices[slice(*real.indptr[u : u + 2])] for u in generator.integers(real.shape[0], size=2))
    # A rating that is drawn is an item drawn by popularity.
    anything = real.indices[generator.integers(real.nnz, size=len(own) // 10)]
    kept = own[generator.random(len(own)) < 0.8], other[generator.random(len(other)) < 0.1]
    return np.unique(np.concatenate([*kept, anything]))


def ndcg_with_all_weights_and_as_served(seeds: int, log: Log) -> tuple[float, float]:
    """On the real ratings, by the protocol of the recommender benchmark, as means over ``seeds`` splits."""
    everything = OPTIONS.model_copy(update={"dense_items": None, "history_items": None})
    contenders = [
        Contender("all weights", lambda *_: everything, fit_ease),
        Contender("as served", lambda *_: OPTIONS, fit_ease),
    ]
    summary = summarise(evaluate(packaged_ratings(), contenders, seeds, log))
    return summary["all weights"][f"ndcg@{K}"]["mean"], summary["as served"][f"ndcg@{K}"]["mean"]


def microseconds(model: RecommenderModel, users: list[Any], rounds: int = 5) -> list[float]:
    """What `recommend_one` takes for each of these users, ``rounds`` times, on this thread."""
    taken = []
    for _ in range(rounds):
        for user in users:
            begun = time.perf_counter_ns()
            model.recommend_one(user, 10)
            taken.append((time.perf_counter_ns() - begun) / 1e3)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    made(folder)
    begun = time.perf_counter()
    model, _ = made(folder)
    print(f"loaded in {time.perf_counter() - begun:.2f} s")
    begun = time.perf_counter()
    model.recommend_one(1, 10, genre="comedy", exclude=[1])
    print(f"first answer in {(time.perf_counter() - begun) * 1e3:.0f} ms")
    assert isinstance(model.scorer, ItemWeights)
    print(f"weights {model.scorer.nbytes / 2**20:.0f} MiB, {model.histories.rated.nnz:,} ratings")
    lengths = np.diff(model.histories.rated.indptr)
    generator = np.random.default_rng(1)
    groups = {f"about {n} items": np.argsort(np.abs(lengths - n))[:100] for n in LENGTHS}
    groups["anybody"] = generator.choice(len(lengths), 2_000, replace=False)
    for name, positions in groups.items():
        taken = microseconds(model, model.histories.users[positions].tolist())
        mean, p99 = sum(taken) / len(taken), quantiles(taken, n=100)[98]
        print(f"{name:<18} median {median(taken):6.1f} µs   mean {mean:6.1f}   p99 {p99:6.1f}")
    whole, served = ndcg_with_all_weights_and_as_served(5, lambda _: None)
    print(f"nDCG@{K} {whole:.4f} with all weights, {served:.4f} as served: {1 - served / whole:.2%} lost")


if __name__ == "__main__":
    main()
