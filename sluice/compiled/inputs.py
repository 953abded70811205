"""A matrix of numbers as what MLflow's model is asked with, by its signature."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sluice.errors import NotCompiledError

Matrix = NDArray[np.float64]

_DTYPES = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}
# Larger values go to the original: it refuses what float32 cannot hold, and products of these still fit.
_LIMIT = 1e18
# Integers up to here are exact in float64.
_INTEGER_LIMIT = 2.0**53


@dataclass(frozen=True)
class Inputs:
    """
    Attributes:
        columns: in the signature's order; their positions, where the input is a tensor.
        dtypes: NumPy's name for each column's type.
    """

    columns: tuple[str, ...]
    dtypes: tuple[str, ...]
    tensor: bool = False

    @classmethod
    def of(cls, signature: Any) -> "Inputs":
        """
        Raises:
            NotCompiledError: not all inputs are numbers, or they are no matrix.
        """
        schema = signature.inputs if signature is not None else None
        if schema is None:
            raise NotCompiledError(reason="it has no signature")
        if schema.is_tensor_spec():
            (tensor, *others) = schema.inputs
            if others or len(tensor.shape) != 2 or tensor.shape[1] < 1 or tensor.type.kind not in "fi":
                raise NotCompiledError(reason="its input is no matrix of numbers")
            width = tensor.shape[1]
            return cls(tuple(map(str, range(width))), (tensor.type.name,) * width, tensor=True)
        kinds = [str(getattr(column.type, "name", column.type)) for column in schema.inputs]
        unfit = [column.name for column, kind in zip(schema.inputs, kinds, strict=True) if kind not in _DTYPES]
        if unfit:
            raise NotCompiledError(reason=f"its column {unfit[0]!r} is no number")
        return cls(tuple(str(name) for name in schema.input_names()), tuple(_DTYPES[kind] for kind in kinds))

    @property
    def limit(self) -> float:
        """The largest absolute value that is compared, and so answered."""
        return _INTEGER_LIMIT if any(dtype.startswith("int") for dtype in self.dtypes) else _LIMIT

    @property
    def may_miss(self) -> NDArray[np.bool_]:
        """Columns that can hold NaN."""
        return np.array([dtype.startswith("float") for dtype in self.dtypes])

    def fitted(self, matrix: Matrix) -> Matrix:
        """The nearest rows that the signature allows."""
        allowed = np.empty_like(matrix)
        with np.errstate(over="ignore"):  # NaN and what is beyond a type's range comes to the clip
            for at, dtype in enumerate(self.dtypes):
                values = np.clip(matrix[:, at], -self.limit, self.limit)
                if dtype.startswith("int"):
                    bounds = np.iinfo(dtype)
                    values = np.clip(np.rint(values), max(bounds.min, -self.limit), min(bounds.max, self.limit))
                elif dtype == "bool":
                    values = (values > 0).astype(np.float64)
                allowed[:, at] = values.astype(dtype)
        return allowed

    def asked(self, matrix: Matrix) -> Any:
        """What the model of MLflow takes."""
        if self.tensor:
            return matrix.astype(self.dtypes[0])
        columns = zip(self.columns, self.dtypes, strict=True)
        return pd.DataFrame({name: matrix[:, at].astype(dtype) for at, (name, dtype) in enumerate(columns)})

    def matrix(self, rows: Any) -> Matrix:
        """Of rows that somebody gave: a DataFrame with the columns, or an array with them in their order."""
        if isinstance(rows, pd.DataFrame) and not self.tensor:
            rows = rows[list(self.columns)]
        return np.ascontiguousarray(np.asarray(rows, np.float64).reshape(-1, len(self.columns)))
