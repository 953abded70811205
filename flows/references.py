"""Whether what a cached result points at is still there."""

from functools import singledispatch
from typing import Any

from flows.checked import Checked
from flows.fitted import Fitted
from flows.platform import platform
from flows.scored import Scored
from sluice.arrival import Arrived
from sluice.dataset import Dataset
from sluice.references import ModelRef, TableRef


def is_alive(result: Any) -> bool:
    """True when the reference, or everything it holds, can still be read."""
    if isinstance(result, tuple | list):
        return all(is_alive(part) for part in result)
    return _is_alive(result)


@singledispatch
def _is_alive(_: object) -> bool:
    return True  # numbers and parameters are their own value


@_is_alive.register
def _(result: TableRef) -> bool:
    return platform().lake.exists(result)


@_is_alive.register
def _(result: ModelRef) -> bool:
    return platform().registry.find(result.name, version=result.version) is not None


@_is_alive.register
def _(result: Dataset) -> bool:
    staging = platform().lake.staging(result.table)
    return all(staging.exists(file.path) for file in result.files)


@_is_alive.register
def _(result: Fitted) -> bool:
    return result.exists()


@_is_alive.register
def _(result: Arrived) -> bool:
    return _is_alive(result.rows) and _is_alive(result.malformed)


@_is_alive.register
def _(result: Checked) -> bool:
    return _is_alive(result.accepted) and _is_alive(result.refused)


@_is_alive.register
def _(result: Scored) -> bool:
    return _is_alive(result.predictions)
