"""Values of a tensor as the type a signature asks for, where that keeps each of them."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

# NumPy gives every text of an array the room of the longest.
_MOST_CHARACTERS = 16 * 1024**2


def numbers(data: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any] | None:
    """``data`` as ``target``; None where that would change a value.

    Integers go to any type that holds these very ones. Numbers with a fraction never go to a type with fewer digits,
    even where these ones would fit: what passes must not depend on the day's values more than it has to.
    """
    source, kind = data.dtype.kind, target.kind
    if data.dtype == target:
        return data
    if source == "f" and kind == "f":
        kept = target.itemsize >= data.dtype.itemsize
    elif source in "iu" and kind == "f":
        bound = 2 ** (np.finfo(target).nmant + 1)
        kept = target.itemsize > data.dtype.itemsize or _within(data, -bound, bound)
    elif source in "iu" and kind in "iu":
        kept = np.can_cast(data.dtype, target) or _within(data, np.iinfo(target).min, np.iinfo(target).max)
    elif source == "f" and kind in "iu":
        whole = bool((np.isfinite(data) & (np.trunc(data) == data)).all())
        kept = whole and _within(data, np.iinfo(target).min, np.iinfo(target).max)
    else:
        kept = False
    return data.astype(target) if kept else None


def texts(elements: Sequence[bytes | None]) -> list[str | None]:
    """
    Raises:
        ValueError: an element is not UTF-8.
    """
    return [None if one is None else one.decode() for one in elements]


def text_array(data: NDArray[Any], kind: str) -> NDArray[Any]:
    """An array of ``str``, ``bytes`` or text objects, by NumPy's ``kind`` U, S or O.

    Raises:
        ValueError: an element is null, not UTF-8, or so long that the array would be many times the request.
    """
    values: list[Any] = data.ravel().tolist()
    if None in values:
        raise ValueError("it has null, which an array of text cannot hold")
    if kind != "S":
        values = texts(values)
    if kind != "O" and max(map(len, values), default=0) * len(values) > _MOST_CHARACTERS:
        raise ValueError("it has texts of very different lengths, too long for one array")
    return np.array(values, dtype=kind).reshape(data.shape)


def base64_bytes(elements: Sequence[bytes | None]) -> list[bytes | None]:
    """
    Raises:
        ValueError: an element is not base64.
    """
    try:
        return [None if one is None else base64.b64decode(one, validate=True) for one in elements]
    except binascii.Error as error:
        raise ValueError(f"it is not base64: {error}") from None


def times(elements: Sequence[bytes | None]) -> "pd.Series[Any]":
    """ISO 8601 as UTC, without a zone, as MLflow has times.

    Raises:
        ValueError: an element is no such time.
    """
    parsed = pd.to_datetime(pd.Series(texts(elements), dtype=object), format="ISO8601", utc=True)
    return parsed.dt.tz_localize(None).astype("datetime64[ns]")


def documents(elements: Sequence[bytes | None]) -> list[Any]:
    """JSON an element, which is how MLServer's clients send lists and objects (``pd_json``).

    Raises:
        ValueError: an element is not JSON.
    """
    return [None if one is None else orjson.loads(one) for one in elements]


BytesReader = Callable[[Sequence[bytes | None]], Any]


def _within(data: NDArray[Any], low: int, high: int) -> bool:
    return data.size == 0 or (low <= int(data.min()) and int(data.max()) <= high)
