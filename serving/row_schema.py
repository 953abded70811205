"""From parsed JSON to a matrix, without pandas, where the signature allows it.

Only what is certainly right is taken: numbers of the right kind for every column. Anything else, be it wrong or only
unusual, gives None, and MLflow's own parsing decides.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import DataType, Schema
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_WHOLE: dict[DataType, np.dtype[Any]] = {DataType.integer: np.dtype(np.int32), DataType.long: np.dtype(np.int64)}
_REAL: dict[DataType, np.dtype[Any]] = {DataType.float: np.dtype(np.float32), DataType.double: np.dtype(np.float64)}
# Above it not every whole number is a float64.
_EXACT = 2.0**53


@dataclass(frozen=True)
class RowSchema:
    """A signature whose rows are numbers only.

    Attributes:
        names: the columns in their order; empty for a tensor, whose columns have none.
        dtypes: what the model gets, a column.
        width: columns.
    """

    names: tuple[str, ...]
    dtypes: tuple[np.dtype[Any], ...]
    width: int

    @cached_property
    def whole(self) -> tuple[int, ...]:
        """Places of the columns of whole numbers."""
        return tuple(place for place, dtype in enumerate(self.dtypes) if dtype.kind == "i")

    @cached_property
    def single(self) -> tuple[int, ...]:
        """Places of the columns in single precision."""
        return tuple(place for place, dtype in enumerate(self.dtypes) if dtype == np.float32)

    @classmethod
    def of(cls, signature: ModelSignature) -> "RowSchema | None":
        """None when there is text, time or a nested column, or a tensor that is no table."""
        inputs = signature.inputs
        if inputs.is_tensor_spec():
            return _of_tensor(inputs)
        known = {**_WHOLE, **_REAL}
        columns = list(inputs)
        # A nested column's type has no hash.
        flat = all(isinstance(column.type, DataType) and column.name is not None for column in columns)
        if not columns or not flat or any(column.type not in known for column in columns):
            return None
        dtypes = tuple(known[column.type] for column in columns)
        return cls(tuple(column.name for column in columns), dtypes, len(columns))

    def matrix(self, form: str, data: Any) -> Matrix | None:
        """The rows of one of the scoring protocol's forms, shape (rows, width)."""
        if form == "dataframe_split":
            rows = self._split(data)
        elif form == "instances":
            # MLflow makes columns of them, and one more key in one record is a column that is too short.
            rows = self._records(data, exactly=True) if self.names else data
        elif form == "dataframe_records":
            rows = self._records(data) if self.names else data
        else:
            rows = self._columns(data) if self.names else data
        return None if rows is None else self.of_rows(rows)

    def of_rows(self, rows: Any) -> Matrix | None:
        """Lists of numbers, each in the order of the columns."""
        if type(rows) is not list or not rows:
            return None
        kinds: set[type] = set()
        for row in rows:
            if type(row) is not list or len(row) != self.width:
                return None
            kinds.update(map(type, row))
        if not kinds <= {float, int}:
            return None
        if float in kinds and any(type(row[place]) is float for place in self.whole for row in rows):
            return None  # 3.0 for a whole number is MLflow's to judge
        try:
            matrix = np.array(rows, dtype=np.float64)
        except (OverflowError, ValueError):
            return None
        if int in kinds and not (np.abs(matrix) < _EXACT).all():
            return None
        return self._cast(matrix)

    def frame(self, matrix: Matrix) -> Any:
        """What MLflow would have made of the rows: a data frame, or for a tensor the array."""
        if not self.names:
            return matrix.astype(self.dtypes[0])
        if all(dtype == np.float64 for dtype in self.dtypes):
            return pd.DataFrame(matrix, columns=list(self.names))
        return pd.DataFrame(
            {
                name: matrix[:, i].astype(dtype)
                for i, (name, dtype) in enumerate(zip(self.names, self.dtypes, strict=True))
            }
        )

    def of_frame(self, frame: pd.DataFrame | NDArray[Any]) -> Matrix | None:
        """The rows of an input example, as `matrix` would give them."""
        if isinstance(frame, pd.DataFrame) and not set(self.names) <= set(frame.columns):
            return None
        values = frame[list(self.names)].to_numpy() if isinstance(frame, pd.DataFrame) else np.asarray(frame)
        if values.ndim != 2 or values.shape[1] != self.width:
            return None
        return values.astype(np.float64)

    def _split(self, data: Any) -> Any:
        if type(data) is not dict or not self.names or not data.keys() <= {"columns", "data", "index"}:
            return None
        columns, rows, index = data.get("columns"), data.get("data"), data.get("index")
        if index is not None and not (type(index) is type(rows) is list and len(index) == len(rows)):
            return None
        if columns == list(self.names):
            return rows
        if type(columns) is not list or type(rows) is not list or len(columns) != self.width:
            return None
        try:
            order = [columns.index(name) for name in self.names]
            return [[row[place] for place in order] for row in rows if len(row) == self.width or _never()]
        except (ValueError, TypeError, LookupError):
            return None

    def _records(self, data: Any, exactly: bool = False) -> Any:
        if type(data) is not list:
            return None
        try:
            if exactly and any(len(record) != self.width for record in data):
                return None
            return [[record[name] for name in self.names] for record in data]
        except (KeyError, TypeError, IndexError):
            return None

    def _columns(self, data: Any) -> Any:
        if type(data) is not dict or data.keys() != set(self.names):
            return None
        columns = [data[name] for name in self.names]
        if any(type(column) is not list for column in columns) or len({len(column) for column in columns}) != 1:
            return None
        return [list(row) for row in zip(*columns, strict=True)]

    def _cast(self, matrix: Matrix) -> Matrix | None:
        if any(not _fits(matrix[:, place], self.dtypes[place]) for place in self.whole):
            return None
        if self.single:
            single = list(self.single)
            with np.errstate(over="ignore"):
                matrix[:, single] = matrix[:, single].astype(np.float32)
            if not np.isfinite(matrix[:, single]).all():
                return None
        return matrix


def _of_tensor(inputs: Schema) -> RowSchema | None:
    specs = list(inputs)
    if len(specs) != 1 or specs[0].name is not None or len(specs[0].shape) != 2:
        return None
    rows, width = specs[0].shape
    if rows != -1 or width <= 0 or specs[0].type not in {np.dtype(np.float64), np.dtype(np.float32)}:
        return None
    return RowSchema((), (specs[0].type,) * width, width)


def _fits(column: NDArray[np.float64], dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return bool((column >= limits.min).all() and (column <= limits.max).all())


def _never() -> bool:
    raise ValueError("a row has another length")
