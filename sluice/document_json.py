"""Documents as the embedded store writes them: MongoDB's extended JSON, as far as times and odd numbers need it.

https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

DATE = "$date"
_NUMBER = "$numberDouble"


def encode(value: Any) -> str:
    """Compact JSON, the same text for equal values.

    Raises:
        TypeError: something that is neither JSON nor a time.
        ValueError: a time without a zone.
    """
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)


def decode(text: str) -> Any:
    return json.loads(text, object_hook=_rich)


def encode_time(moment: datetime) -> str:
    """In milliseconds, and always as long: the order of the texts is the order of the times."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone; times in documents are aware")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():  # JSON has no name for what is not finite; a metric may be that
            return value if math.isfinite(value) else {_NUMBER: repr(float(value))}
        case datetime():
            return {DATE: encode_time(value)}
        case Mapping():
            # What clients send may have such keys; they must not come back as times.
            return {f"${key}" if key.startswith("$") else key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    raise TypeError(f"a {type(value).__name__} cannot be stored in a document; convert it first")


def _rich(value: dict[str, Any]) -> Any:
    for key in value:
        if key[:1] == "$":
            return _unmarked(value)
    return value


def _unmarked(value: dict[str, Any]) -> Any:
    if value.keys() == {DATE}:
        return datetime.fromisoformat(value[DATE])
    if value.keys() == {_NUMBER}:
        return float(value[_NUMBER])
    return {key.removeprefix("$") if key.startswith("$$") else key: item for key, item in value.items()}
