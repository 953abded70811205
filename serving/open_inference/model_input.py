"""From a request's tensors to what a model's signature asks for."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from numpy.typing import NDArray

from serving.open_inference import conversion
from serving.open_inference.datatype import BYTES, datatype_of
from serving.open_inference.request import InferRequest
from serving.open_inference.tensor import Tensor
from sluice.errors import PayloadInvalidError

NUMBERS = (DataType.integer, DataType.long, DataType.float, DataType.double)
ModelInput = NDArray[Any] | dict[str, NDArray[Any]] | pd.DataFrame

_DOUBLE = np.dtype(np.float64)
# Datatypes whose every value FP64 holds.
_IN_DOUBLE = frozenset({"FP64", "FP32", "FP16", "INT8", "INT16", "INT32", "UINT8", "UINT16", "UINT32"})
_IN_SINGLE = frozenset({"FP32", "FP16", "INT8", "INT16", "UINT8", "UINT16"})
_LARGEST_EXACT = 2**53
_READERS: Mapping[DataType, conversion.BytesReader] = {
    DataType.string: conversion.texts,
    DataType.binary: list,
    DataType.datetime: conversion.times,
}


class InputReader:
    """Made once a model. ``numeric`` is whether requests become a matrix: every column is a whole number or a float."""

    def __init__(self, schema: Schema) -> None:
        self._tensors = [one for one in schema.inputs if isinstance(one, TensorSpec)]
        self._columns = [one for one in schema.inputs if isinstance(one, ColSpec)]
        self._named = bool(schema.has_input_names())
        self._names = frozenset(one.name for one in schema.inputs if one.name is not None)
        self._width = len(self._columns)
        self.numeric = bool(self._columns) and all(column.type in NUMBERS for column in self._columns)
        wholes = [(i, c.type) for i, c in enumerate(self._columns) if c.type in (DataType.integer, DataType.long)]
        self._whole = [position for position, _ in wholes]
        self._bounds = np.array([2**31 - 1 if type_ == DataType.integer else _LARGEST_EXACT for _, type_ in wholes])
        has_single = any(column.type == DataType.float for column in self._columns)
        self._direct = (_IN_SINGLE if has_single else _IN_DOUBLE) if self.numeric else frozenset()

    def read(self, request: InferRequest) -> ModelInput:
        """The model's input.

        A signature of columns takes one tensor of shape [rows, columns], whatever its name, or a tensor a column by
        name, of shape [rows] or [rows, 1]; tensors that the signature does not have are passed over, as MLflow does.
        Columns that are all numbers come out as float64 of shape (rows, columns), in the signature's order; others, and
        whole numbers beyond 2**53, as a frame of the signature's types. A signature of tensors takes them by name, or
        one whatever its name.

        Raises:
            PayloadInvalidError: naming the tensor that is missing, of another shape, or that a cast would change.
        """
        inputs = request.inputs
        if self._tensors:
            return self._arrays(inputs)
        if len(inputs) == 1:
            tensor = inputs[0]
            shape = tensor.data.shape
            if len(shape) == 2 and shape[1] == self._width:
                if tensor.datatype in self._direct:
                    matrix = tensor.data.astype(_DOUBLE, copy=False)
                    if not self._whole or self._holds_whole(matrix):
                        return matrix
                return self._joined(dict(enumerate([tensor] * self._width)), len(tensor.data), tensor.data)
            if tensor.name not in self._names and not (self._width == 1 and len(shape) == 1):
                _refuse(tensor.name, f"must have the shape [rows, {self._width}], and has {list(shape)}.")
        return self._by_column(inputs)

    def _holds_whole(self, matrix: NDArray[Any]) -> bool:
        columns = matrix[:, self._whole]
        return bool(((np.abs(columns) <= self._bounds) & (np.trunc(columns) == columns)).all())

    def _by_column(self, inputs: Sequence[Tensor]) -> ModelInput:
        found: dict[int, Tensor] = {}
        if self._named and not (len(inputs) == self._width == 1):
            by_name = {tensor.name: tensor for tensor in inputs}
            for position, column in enumerate(self._columns):
                if column.name in by_name:
                    found[position] = by_name[column.name]
                elif column.required:
                    _refuse(column.name, "is missing. Send a tensor for each column, or one of all of them.")
        elif len(inputs) == self._width:
            found = dict(enumerate(inputs))
        else:
            raise PayloadInvalidError(field="inputs", problem=f"must be {self._width} tensors, and are {len(inputs)}.")
        if not found:
            raise PayloadInvalidError(field="inputs", problem=f"has no column of {', '.join(sorted(self._names))}.")
        rows = len(next(iter(found.values())).data) if next(iter(found.values())).data.ndim else 0
        for tensor in found.values():
            shape = tensor.data.shape
            if shape not in ((rows,), (rows, 1)):
                _refuse(
                    tensor.name, f"must have the shape [rows] or [rows, 1] with {rows} rows, and has {list(shape)}."
                )
        return self._joined(found, rows, None)

    def _joined(self, found: Mapping[int, Tensor], rows: int, matrix: NDArray[Any] | None) -> ModelInput:
        """``found`` are the tensors of the columns by position; ``matrix`` the one that has all of them."""
        values = {}
        for position, tensor in found.items():
            data = tensor.data.reshape(rows) if matrix is None else matrix[:, position]
            values[position] = _column(tensor, data, self._columns[position])
        if self.numeric and len(values) == self._width:
            out = np.empty((rows, self._width))
            for position, column in values.items():
                if column.dtype == np.int64 and rows and max(-int(column.min()), int(column.max())) > _LARGEST_EXACT:
                    break
                out[:, position] = column
            else:
                return out
        return pd.DataFrame({self._columns[i].name if self._named else i: column for i, column in values.items()})

    def _arrays(self, inputs: Sequence[Tensor]) -> ModelInput:
        if not self._named:
            if len(inputs) != 1:
                raise PayloadInvalidError(field="inputs", problem=f"must be one tensor, and are {len(inputs)}.")
            return _array(inputs[0], self._tensors[0])
        if len(self._tensors) == 1 and len(inputs) == 1:
            return {str(self._tensors[0].name): _array(inputs[0], self._tensors[0])}
        by_name = {tensor.name: tensor for tensor in inputs}
        arrays = {}
        for spec in self._tensors:
            name = str(spec.name)
            if name not in by_name:
                _refuse(name, "is missing.")
            arrays[name] = _array(by_name[name], spec)
        return arrays


def _column(tensor: Tensor, data: NDArray[Any], column: ColSpec) -> Any:
    """A column's values, of shape (rows,), as the signature's type."""
    type_ = column.type
    if isinstance(type_, DataType) and type_ not in _READERS:
        return _numbers(tensor, data, type_.to_numpy())
    if tensor.datatype != BYTES:
        _refuse(tensor.name, f"is {tensor.datatype}, and the model takes BYTES ({type_}).")
    reader = _READERS.get(type_, conversion.documents) if isinstance(type_, DataType) else conversion.documents
    if type_ == DataType.binary and tensor.parameters.get("content_type") == "base64":
        reader = conversion.base64_bytes
    try:
        values = reader(data.tolist())
        # As objects: pandas takes a column of missing texts for numbers.
        return values if reader is conversion.times else pd.Series(values, dtype=object)
    except (ValueError, OverflowError) as error:
        _refuse(tensor.name, f"cannot be read as {type_}: {str(error)[:200]}")


def _array(tensor: Tensor, spec: TensorSpec) -> NDArray[Any]:
    shape, wanted = tensor.data.shape, spec.shape
    fits = len(shape) == len(wanted) and all(w in (-1, s) for s, w in zip(shape, wanted, strict=True))
    if not fits:
        _refuse(tensor.name, f"must have the shape {list(wanted)} (-1 is any length), and has {list(shape)}.")
    if spec.type.kind not in "USO":
        return _numbers(tensor, tensor.data, spec.type)
    if tensor.datatype != BYTES:
        _refuse(tensor.name, f"is {tensor.datatype}, and the model takes BYTES.")
    try:
        return conversion.text_array(tensor.data, spec.type.kind)
    except ValueError as error:
        _refuse(tensor.name, f"cannot be read as text: {str(error)[:200]}")


def _numbers(tensor: Tensor, data: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    converted = conversion.numbers(data, target)
    if converted is None:
        known = datatype_of(target)
        name = known.name if known else str(target)
        _refuse(
            tensor.name, f"is {tensor.datatype}, and the model takes {name}: that would change a value. Send {name}."
        )
    return converted


def _refuse(name: str | None, problem: str) -> NoReturn:
    raise PayloadInvalidError(field=f"inputs.{name}", problem=problem) from None
