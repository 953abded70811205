"""Implicit ALS, for catalogues whose squared size no longer fits: memory and time grow with items, not their square.

Y. Hu, Y. Koren, C. Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008, as the package
``implicit`` has it.
"""

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from sluice.errors import DependencyMissingError
from sluice.recommenders.factors import Factors
from sluice.recommenders.interactions import Interactions


class AlsOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    factors: int = Field(64, ge=1)
    regularization: float = Field(10.0, ge=0)
    alpha: float = Field(1.0, gt=0, description="confidence in an interaction, where none has 1")
    iterations: int = Field(15, ge=1)


def fit(interactions: Interactions, options: AlsOptions, seed: int = 0) -> Factors:
    """Factors for the users and items of ``interactions``.

    Raises:
        DependencyMissingError: the package ``implicit`` is not installed.
    """
    try:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types
    except ModuleNotFoundError:
        raise DependencyMissingError(package="implicit", purpose="implicit ALS", extra="als") from None
    # It has threads of its own; BLAS threads inside them are slower by several times, and it warns of them.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=options.factors,
            regularization=options.regularization,
            alpha=options.alpha,
            iterations=options.iterations,
            random_state=seed,
        )
        model.fit(sparse.csr_matrix(interactions.matrix), show_progress=False)
    users, items = np.asarray(model.user_factors, np.float32), np.asarray(model.item_factors, np.float32)
    return Factors(users, items, options.regularization, options.alpha)
