"""Tasks of Prefect's continue the trace of the flow that submits them.

Prefect gives a task on a worker a trace of its own: there it looks for the trace above in the task run itself. Within
the flow's process it would take the current span's; so that is what a worker gets here too.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import distributed
from prefect_dask.client import PrefectDaskClient

from observability.tracing import traceparent


def carried(fn: Callable[..., Any], trace: str) -> Callable[..., Any]:
    """``fn`` in this trace, wherever it runs. It travels by value, and imports nothing before it is called."""

    @wraps(fn)
    def run(*args: Any, **kwargs: Any) -> Any:
        from observability.tracing import continued

        with continued(trace):
            return fn(*args, **kwargs)

    return run


class _Carrying(distributed.Client):
    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        return super().submit(carried(fn, traceparent()), *args, **kwargs)


class TracedClient(PrefectDaskClient, _Carrying):  # type: ignore[misc]  # theirs takes what a Client's does
    """prefect-dask's client, whose own ``submit`` goes through the one above."""
