"""One tensor of a request: its description in JSON, its data in JSON or behind it."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from serving.open_inference.byte_strings import unpack
from serving.open_inference.datatype import BYTES, DATATYPES, Datatype
from sluice.errors import PayloadInvalidError

LONGEST_NAME = 256
BINARY_SIZE = "binary_data_size"
SHARED_MEMORY = "shared_memory_region"
_NOTHING: Mapping[str, Any] = {}
_MOST_DIMENSIONS = 32
# An empty tensor says any shape for nothing, and a model may allocate for each row of it.
_LARGEST_EMPTY = 65_536


class Tensor(NamedTuple):
    """``data`` has the tensor's shape and may be written to; BYTES are ``bytes`` objects, or None for null."""

    name: str
    datatype: str
    data: NDArray[Any]
    parameters: Mapping[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape


def parse(item: Any, index: int, body: bytes, position: int) -> tuple[Tensor, int]:
    """A tensor of ``inputs``, and where the binary data of the next one starts in ``body``.

    Raises:
        PayloadInvalidError: naming the member that is wrong.
    """
    if type(item) is not dict:
        refuse(index, "", "must be an object with name, datatype, shape and data.")
    name = item.get("name")
    if type(name) is not str or not 0 < len(name) <= LONGEST_NAME:
        refuse(index, ".name", f"must be text of 1 to {LONGEST_NAME} characters.")
    datatype = _datatype(item.get("datatype"), index)
    shape: Any = item.get("shape")
    size = _size(shape, index)
    parameters = item.get("parameters")
    if parameters is None:
        parameters = _NOTHING
    elif type(parameters) is not dict:
        refuse(index, ".parameters", "must be an object of parameters and values.")
    elif SHARED_MEMORY in parameters:
        refuse(index, ".parameters", "names a region of shared memory, which this service has none of. Send data.")
    length = parameters.get(BINARY_SIZE)
    if length is None:
        flat = _from_json(item.get("data"), shape, size, datatype, index)
    else:
        if "data" in item:
            refuse(index, "", f"has both data and {BINARY_SIZE}. Send one of them.")
        end = _end(length, body, position, index)
        flat = _from_binary(body[position:end], size, datatype, index)
        position = end
    try:
        return Tensor(name, datatype.name, flat.reshape(shape), parameters), position
    except ValueError as error:  # zero times more than an address can say
        refuse(index, ".shape", f"cannot be: {error}.")


def refuse(index: int, member: str, problem: str) -> NoReturn:
    raise PayloadInvalidError(field=f"inputs[{index}]{member}", problem=problem) from None


def _datatype(name: Any, index: int) -> Datatype:
    if type(name) is str:
        known = DATATYPES.get(name)
        if known is not None:
            return known
        if name == "BF16":
            refuse(index, ".datatype", "is BF16, which NumPy does not have. Send FP32: it keeps every value.")
    refuse(index, ".datatype", f"must be one of {', '.join(DATATYPES)}.")


def _size(shape: Any, index: int) -> int:
    """The number of elements. Nothing is allocated for it."""
    if type(shape) is not list or len(shape) > _MOST_DIMENSIONS:
        refuse(index, ".shape", f"must be a list of at most {_MOST_DIMENSIONS} lengths.")
    size = 1
    for length in shape:
        if type(length) is not int or length < 0:
            refuse(index, ".shape", "must be a list of whole numbers from 0.")
        size *= length
    if size == 0:
        others = 1
        for length in shape:
            others *= length or 1
        if others > _LARGEST_EMPTY:
            refuse(index, ".shape", "has no elements, and is too large for that.")
    return size


def _from_json(data: Any, shape: list[int], size: int, datatype: Datatype, index: int) -> NDArray[Any]:
    if type(data) is not list:
        refuse(index, ".data", f"must be a list of values, or parameters.{BINARY_SIZE} must say how many bytes follow.")
    values = _flat(data, shape, index) if data and type(data[0]) is list else data
    if len(values) != size:
        refuse(index, ".data", f"has {len(values):,} values, and the shape {_short(shape)} asks for {size:,}.")
    kinds = set(map(type, values))
    if not kinds <= datatype.json:
        refuse(index, ".data", _wrong_kind(kinds - datatype.json, datatype))
    if datatype.name == BYTES:
        elements = np.empty(size, dtype=object)
        elements[:] = [value if value is None else value.encode() for value in values]
        return elements
    try:
        with np.errstate(over="raise"):
            return np.array(values, datatype.dtype)
    except (OverflowError, FloatingPointError):
        refuse(index, ".data", f"has a value that is out of the range of {datatype.name}.")


def _flat(values: list[Any], shape: list[int], index: int) -> list[Any]:
    """Nested lists in row-major order."""
    if shape and len(values) == shape[0]:
        for length in shape[1:]:
            if not all(type(value) is list and len(value) == length for value in values):
                break
            values = list(chain.from_iterable(values))
        else:
            return values
    refuse(
        index, ".data", f"is nested in another way than the shape {_short(shape)} says. Nest it so, or send it flat."
    )


def _wrong_kind(kinds: set[type], datatype: Datatype) -> str:
    names = {
        bool: "true or false",
        int: "whole numbers",
        float: "numbers with a fraction or exponent",
        str: "text",
        type(None): "null",
        list: "lists, some deeper than others",
        dict: "objects",
    }
    got = ", ".join(sorted(names[kind] for kind in kinds))
    return f"has values that are no {datatype.name}: {got}."


def _end(length: Any, body: bytes, position: int, index: int) -> int:
    if type(length) is not int or length < 0:
        refuse(index, f".parameters.{BINARY_SIZE}", "must be a number of bytes.")
    if length > len(body) - position:
        left = len(body) - position
        refuse(
            index,
            f".parameters.{BINARY_SIZE}",
            f"says {length:,} bytes, and {left:,} are left after the JSON and the tensors before. "
            "The header Inference-Header-Content-Length must say where the JSON ends.",
        )
    return position + int(length)


def _from_binary(data: bytes, size: int, datatype: Datatype, index: int) -> NDArray[Any]:
    if datatype.name == BYTES:
        try:
            found = unpack(data)
        except ValueError as error:
            refuse(index, ".data", f"{error}.")
        if len(found) != size:
            refuse(index, ".data", f"has {len(found):,} elements, and the shape asks for {size:,}.")
        elements = np.empty(size, dtype=object)
        elements[:] = found
        return elements
    if len(data) != size * datatype.size:
        needed = size * datatype.size
        refuse(
            index,
            f".parameters.{BINARY_SIZE}",
            f"says {len(data):,} bytes, and {size:,} values of {datatype.name} are {needed:,}.",
        )
    if datatype.name == "BOOL":
        return np.frombuffer(data, np.uint8).astype(np.bool_)
    return np.frombuffer(data, datatype.dtype).copy()


def _short(shape: list[int]) -> str:
    text = str(shape)
    return text if len(text) <= 60 else f"{text[:60]}…"
