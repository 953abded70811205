"""The recommenders that are compared: for each, what is tried and how one is fitted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse

from sluice.recommenders import als, ease, ease_search
from sluice.recommenders.als import AlsOptions
from sluice.recommenders.ease import EaseOptions
from sluice.recommenders.ease_search import EaseGrid
from sluice.recommenders.factors import Factors
from sluice.recommenders.gram import Gram
from sluice.recommenders.interactions import Interactions
from sluice.recommenders.popularity import Popularity
from sluice.recommenders.scorer import Scorer

# nDCG of a scorer that was fitted on the inner training part, on the inner validation part.
Measure = Callable[[Scorer], float]
_MOST_ITEMS = 20_000
_MIN_SUPPORT = 5


@dataclass(frozen=True)
class Contender:
    """``choose`` gives options from an inner split of the training part, ``fit(train, options, seed)`` a scorer."""

    name: str
    choose: Callable[[Interactions, sparse.csr_array, Measure, int], Any]
    fit: Callable[[Interactions, Any, int], Scorer]


def contenders() -> list[Contender]:
    """Peers get as many fits as ours to choose hyper-parameters, 18, around what suited them on MovieLens."""
    als_grid = [
        AlsOptions(factors=f, regularization=r, alpha=a) for f, r, a in product((16, 32, 64), (3, 10), (1, 2, 5))
    ]
    bpr_grid = [
        BprOptions(factors=f, learning_rate=lr, regularization=r)
        for f, lr, r in product((32, 64), (0.005, 0.01, 0.02), (0.001, 0.003, 0.01))
    ]
    return [
        Contender("popularity", lambda *_: None, lambda train, *_: Popularity.of(train.support, len(train.users))),
        Contender("implicit ALS", _grid_search(als_grid, als.fit), als.fit),
        Contender("implicit BPR", _grid_search(bpr_grid, fit_bpr), fit_bpr),
        Contender("ours", choose_ease, fit_ease),
    ]


@dataclass(frozen=True)
class BprOptions:
    factors: int
    learning_rate: float
    regularization: float
    iterations: int = 50


def fit_bpr(train: Interactions, options: BprOptions, seed: int) -> Factors:
    """S. Rendle et al., BPR: Bayesian Personalized Ranking from Implicit Feedback, UAI 2009, as ``implicit`` has it."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors=options.factors,
        learning_rate=options.learning_rate,
        regularization=options.regularization,
        iterations=options.iterations,
        random_state=seed,
        num_threads=1,  # with more, the same seed gives other factors
    )
    model.fit(sparse.csr_matrix(train.matrix), show_progress=False)
    return Factors(np.asarray(model.user_factors, np.float32), np.asarray(model.item_factors, np.float32))


def choose_ease(inner: Interactions, validation: sparse.csr_array, measure: Measure, seed: int) -> EaseOptions:
    """The search that the movies use case runs."""
    grid = EaseGrid()
    least = max(grid.min_support, _support_of_most(inner))
    scored = [
        ease_search.score(candidate, inner, validation, least, grid.popularity_power, k=10)
        for candidate in grid.candidates()
    ]
    return ease_search.best(scored, EaseOptions())


def fit_ease(train: Interactions, options: EaseOptions, seed: int) -> Scorer:
    supported = int((train.support >= max(_MIN_SUPPORT, _support_of_most(train))).sum())
    return ease.fit(Gram.of(train, supported, options.history_power), train.support, options)


def _support_of_most(interactions: Interactions) -> int:
    """The least support with which no more than `_MOST_ITEMS` items remain: their matrix must fit in memory."""
    if len(interactions.items) <= _MOST_ITEMS:
        return 1
    return int(interactions.support[_MOST_ITEMS]) + 1


def _grid_search(
    grid: Sequence[Any], fit: Callable[[Interactions, Any, int], Scorer]
) -> Callable[[Interactions, sparse.csr_array, Measure, int], Any]:
    def choose(inner: Interactions, validation: sparse.csr_array, measure: Measure, seed: int) -> Any:
        return max(grid, key=lambda options: measure(fit(inner, options, seed)))

    return choose
