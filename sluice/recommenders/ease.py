"""EASE: a linear item-item autoencoder with a closed form.

H. Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019. Minimise ``||X - XB||^2 + l2 ||B||^2`` subject
to ``diag(B) = 0``; equation 8: ``B = I - P diagMat(1 / diag(P))`` with ``P = (X^T X + l2 I)^-1``.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.linalg import lapack

from sluice.recommenders.gram import Gram
from sluice.recommenders.item_weights import ItemWeights


class EaseOptions(BaseModel):
    """Hyper-parameters.

    With ``history_power`` and ``popularity_power`` 0 this is the paper's EASE, over the items with enough support.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    l2: float = Field(300.0, gt=0, description="ridge penalty; about the number of ratings an item needs to be trusted")
    history_power: float = Field(0.25, ge=0, le=1, description="a user with n items weighs n ** -history_power")
    popularity_power: float = Field(0.1, ge=0, le=1, description="an item with n users is scaled by n ** -power")
    dense_items: int | None = Field(
        1024, ge=1, description="the most popular items keep all weights to them; empty: all items do"
    )
    weights_per_item: int = Field(48, ge=1, description="the largest weights from an item to all others are kept")
    history_items: int | None = Field(
        512, ge=1, description="of a longer history so many items count, the most popular ones; empty: all count"
    )


def fit(gram: Gram, support: NDArray[np.int64], options: EaseOptions) -> ItemWeights:
    """Weights between the items in ``gram``. Needs 8 bytes times items squared of memory, and time in items cubed.

    Args:
        support: users an item, shape (items,); the first items are those in ``gram``, and there may be more.

    Raises:
        ValueError: the Gram matrix was made with another ``history_power``.
    """
    if gram.history_power != options.history_power:
        raise ValueError(f"the Gram matrix has history_power {gram.history_power}, not {options.history_power}")
    weights = solve(gram.dense(), options.l2)
    weights *= popularity_scale(support[: weights.shape[0]], options.popularity_power)
    return ItemWeights.cut(weights, options.dense_items, options.weights_per_item, options.history_items)


def popularity_scale(support: NDArray[np.int64], power: float) -> NDArray[np.float32]:
    """``(n_i / max n) ** -power``: what each item's score is multiplied with, against EASE's lean to the popular."""
    counts = np.maximum(support, 1)
    scale: NDArray[np.float32] = ((counts / counts.max(initial=1)) ** -power).astype(np.float32)
    return scale


def solve(gram: NDArray[np.float32], l2: float) -> NDArray[np.float32]:
    """B of equation 8, C-ordered, shape (items, items). ``gram`` (column-major) is overwritten.

    Cholesky in place of a general inverse halves the work, and float32 halves it again: with ``l2`` on the diagonal
    the matrix is too well conditioned for rankings to differ.
    """
    diagonal = np.diag_indices_from(gram)
    gram[diagonal] += np.float32(l2)
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1, clean=0)
    if failed:
        raise np.linalg.LinAlgError(f"X^T X + {l2} I is not positive definite; is the Gram matrix a sum of x x^T?")
    lower, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    # Only the lower triangle is the inverse. Transposed, column-major is row-major: both halves of B come from it.
    inverse: NDArray[np.float32] = np.triu(lower.T)
    inverse += np.triu(inverse, 1).T
    inverse /= -inverse[diagonal]
    inverse[diagonal] = 0
    return inverse
