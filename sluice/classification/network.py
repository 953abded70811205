"""A small neural network. What runs it is Keras, in `sluice.classification.keras_classifier`."""

from itertools import product
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from sluice.classification.columns import Column

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin


class NetworkOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    units: tuple[int, ...] = Field((8,), min_length=1, description="of each hidden layer")
    l2: float = Field(0.1, ge=0)
    learning_rate: float = Field(0.01, gt=0)
    epochs: int = Field(60, ge=1)
    batch_rows: int = Field(64, ge=1)

    def estimator(self, columns: tuple[Column, ...], seed: int) -> "ClassifierMixin":
        """Unfitted, and with the scaling of its inputs in it.

        Raises:
            DependencyMissingError: Keras is not installed.
        """
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        from sluice.classification.keras_classifier import KerasClassifier, require_keras

        require_keras()
        return make_pipeline(StandardScaler(), KerasClassifier(**self.model_dump(), seed=seed))


class NetworkGrid(BaseModel):
    """What a search tries: every combination."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    units: tuple[tuple[int, ...], ...] = Field(((8,),), min_length=1)
    l2: tuple[float, ...] = Field((0.03, 0.1, 0.3), min_length=1)

    def candidates(self, base: NetworkOptions) -> list[NetworkOptions]:
        return [base.model_copy(update={"units": units, "l2": l2}) for units, l2 in product(self.units, self.l2)]
