"""Gradient boosting, as scikit-learn's histogram trees."""

from itertools import product
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from sluice.classification.columns import Column

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin


class BoostingOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: float = Field(0.05, gt=0)
    iterations: int = Field(100, ge=1)
    max_depth: int = Field(3, ge=1)
    min_samples_leaf: int = Field(10, ge=1)
    l2: float = Field(0.0, ge=0)

    def estimator(self, columns: tuple[Column, ...], seed: int) -> "ClassifierMixin":
        """Unfitted. Columns with a direction are constrained to it."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            learning_rate=self.learning_rate,
            max_iter=self.iterations,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.l2,
            monotonic_cst=[column.direction for column in columns],
            early_stopping=False,  # it would take rows away, and the search has chosen the iterations
            random_state=seed,
        )


class BoostingGrid(BaseModel):
    """What a search tries: every combination."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning_rate: tuple[float, ...] = Field((0.03, 0.06), min_length=1)
    iterations: tuple[int, ...] = Field((60, 120), min_length=1)
    max_depth: tuple[int, ...] = Field((2, 3), min_length=1)

    def candidates(self, base: BoostingOptions) -> list[BoostingOptions]:
        values = self.model_dump()
        return [base.model_copy(update=dict(zip(values, chosen, strict=True))) for chosen in product(*values.values())]
