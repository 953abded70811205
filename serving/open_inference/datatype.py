"""The protocol's datatypes, and NumPy's names for them."""

from typing import Any, NamedTuple

import numpy as np

BYTES = "BYTES"


class Datatype(NamedTuple):
    """``size`` is an element's length in a binary tensor, 0 where each says its own. ``json`` are Python's types of
    the values that a JSON tensor may have; a missing number or text is null there."""

    name: str
    dtype: np.dtype[Any]
    size: int
    json: frozenset[type]


_FLOATS: frozenset[type] = frozenset({float, int, type(None)})
_INTEGERS: frozenset[type] = frozenset({int})


def _datatype(name: str, code: str, json: frozenset[type]) -> Datatype:
    dtype = np.dtype(code)
    return Datatype(name, dtype, dtype.itemsize, json)


DATATYPES = {
    one.name: one
    for one in (
        _datatype("BOOL", "?", frozenset({bool})),
        *(_datatype(f"INT{8 * size}", f"<i{size}", _INTEGERS) for size in (1, 2, 4, 8)),
        *(_datatype(f"UINT{8 * size}", f"<u{size}", _INTEGERS) for size in (1, 2, 4, 8)),
        *(_datatype(f"FP{8 * size}", f"<f{size}", _FLOATS) for size in (2, 4, 8)),
        Datatype(BYTES, np.dtype(object), 0, frozenset({str, type(None)})),
    )
}
_BY_DTYPE = {one.dtype: one for one in DATATYPES.values()}


def datatype_of(dtype: np.dtype[Any]) -> Datatype | None:
    """The datatype of an array's numbers; None where the protocol has none."""
    return _BY_DTYPE.get(dtype) or _BY_DTYPE.get(dtype.newbyteorder("<"))
