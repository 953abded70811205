"""A fitted model between ``fit`` and ``log``: a file in the lake and a handle that travels."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import cloudpickle
import pandas as pd
from pydantic import BaseModel

from flows.platform import platform
from sluice.dataset import Dataset
from sluice.use_case import UseCase

_EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Fitted:
    """Names a pickled model in the folder of ``table``."""

    table: str
    file: str

    @classmethod
    def save(cls, table: str, model: Any, use_case: UseCase) -> "Fitted":
        # By value: the code of a model that another version of the use case fitted must come back as it was.
        if not use_case.package.startswith("sluice."):
            cloudpickle.register_pickle_by_value(import_module(use_case.package))
        return cls(table, platform().lake.staging(table).save(model, "fit"))

    def load(self) -> Any:
        return platform().lake.staging(self.table).load(self.file)

    def exists(self) -> bool:
        return platform().lake.staging(self.table).exists(self.file)

    @staticmethod
    def example(use_case: UseCase, train: Dataset, params: BaseModel) -> pd.DataFrame:
        """A few rows as a caller would send them: the use case's own, or the first training rows."""
        if hasattr(use_case.steps, "example"):
            example: pd.DataFrame = use_case.steps.example(train, params)
            return example
        return train.scan().head(_EXAMPLE_ROWS).collect().to_pandas()
