"""What a model answered, as tensors with a name and a datatype."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd
from mlflow.types import Schema
from mlflow.utils.proto_json_utils import NumpyEncoder
from numpy.typing import NDArray

from serving.open_inference.datatype import BYTES, datatype_of

# MLServer's names for what a client makes of a response or an output.
FRAME, ARRAY, ARRAYS = "pd", "np", "dict"
TEXT, BASE64, TIMES, DOCUMENTS = "str", "base64", "datetime", "pd_json"


class Output(NamedTuple):
    """``data`` of BYTES is an object array of ``str`` or ``bytes``; ``content_type`` says what they mean, or is ""."""

    name: str
    datatype: str
    data: NDArray[Any]
    content_type: str


def names(schema: Schema | None) -> list[str]:
    """The outputs of a signature: its own names, or output-1 and so on, as MLServer has it."""
    if schema is None:
        return ["output-1"]
    return [one.name or f"output-{position}" for position, one in enumerate(schema.inputs, 1)]


class OutputReader:
    """Made once a model; ``schema`` are the outputs of its signature, if it says any."""

    def __init__(self, schema: Schema | None) -> None:
        self._names = names(schema)
        self._columns = schema is not None and not schema.is_tensor_spec()

    def read(self, prediction: Any) -> tuple[str, list[Output]]:
        """The content type of a whole answer and its outputs.

        A frame gives one output a column, of shape [rows, 1]; so does an array of shape (rows, columns) where the
        signature names as many columns. Any other array keeps its shape.

        Raises:
            TypeError, ValueError: it holds something that no datatype can say.
        """
        if isinstance(prediction, pd.DataFrame):
            columns = (prediction.iloc[:, position] for position in range(prediction.shape[1]))
            names = map(str, prediction.columns)
            return FRAME, [_output(n, _values(c).reshape(-1, 1), "") for n, c in zip(names, columns, strict=True)]
        if isinstance(prediction, Mapping):
            arrays = ((str(name), np.atleast_1d(_values(values))) for name, values in prediction.items())
            return ARRAYS, [_output(name, array, ARRAY) for name, array in arrays]
        array = prediction if type(prediction) is np.ndarray else _values(prediction)
        if array.ndim == 0:
            array = array.reshape(1)
        if self._columns:
            if array.ndim == 1:
                array = array.reshape(-1, 1)
            if len(self._names) > 1 and array.ndim == 2 and array.shape[1] == len(self._names):
                parts = zip(self._names, np.split(array, len(self._names), axis=1), strict=True)
                return FRAME, [_output(name, part, "") for name, part in parts]
        return ARRAY, [_output(self._names[0] if len(self._names) == 1 else "output-1", array, ARRAY)]


def _values(values: Any) -> NDArray[Any]:
    """Anything a model gives for one output, as an array."""
    if isinstance(values, pd.Series):
        dtype = values.dtype
        if isinstance(dtype, np.dtype):
            return values.to_numpy()
        if pd.api.types.is_numeric_dtype(dtype) and values.hasnans:
            return values.to_numpy(np.float64, na_value=np.nan)
        if pd.api.types.is_numeric_dtype(dtype):
            return values.to_numpy(getattr(dtype, "numpy_dtype", None))
        if isinstance(dtype, pd.DatetimeTZDtype):
            return values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return values.to_numpy(object)
    if isinstance(values, list | tuple) and len(set(map(type, values))) > 1 and any(isinstance(v, str) for v in values):
        return _objects(values)  # NumPy would make text of the numbers among them
    try:
        return np.asarray(values)
    except ValueError:  # lists of different lengths
        return _objects(values)


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _output(name: str, array: NDArray[Any], content_type: str) -> Output:
    known = datatype_of(array.dtype)
    if known is not None and known.name != BYTES:
        return Output(name, known.name, np.ascontiguousarray(array, known.dtype), content_type)
    kind = array.dtype.kind
    if kind == "M":
        text = np.datetime_as_string(array)
        return Output(name, BYTES, text.astype(object), TIMES)
    if kind not in "USO":
        raise TypeError(f"{name}: {array.dtype} has no datatype in the protocol")
    elements = array.ravel().tolist()
    content_type = DOCUMENTS
    if all(type(element) is str for element in elements):
        content_type = TEXT
    elif all(type(element) is bytes for element in elements):
        content_type = BASE64
    else:
        elements = [_document(element) for element in elements]
    return Output(name, BYTES, _objects(elements).reshape(array.shape), content_type)


def _document(value: Any) -> str:
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, default=_jsonable, option=options).decode()


def _jsonable(value: Any) -> Any:
    if value is pd.NA:
        return None
    encoded, converted = NumpyEncoder().try_convert(value)
    if not converted:
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return encoded
