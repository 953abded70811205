"""Which trace and deployment a run belongs to, for its lines that are logged outside of its spans.

Prefect's engine says "Finished in state Completed()" after it has left the run's span; the run's id is on that line.
"""

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

# Runs that one process has seen last: a Dask worker lives through many.
_MOST = 512


class RunContext(NamedTuple):
    """None where it is not known."""

    trace_id: str | None = None
    deployment: str | None = None


_lock = Lock()
_known: OrderedDict[str, RunContext] = OrderedDict()


def remember(flow_run_id: str, trace_id: str | None, deployment: str | None) -> None:
    """From now on this process's lines of this run carry both."""
    with _lock:
        _known[flow_run_id] = RunContext(trace_id, deployment)
        _known.move_to_end(flow_run_id)
        while len(_known) > _MOST:
            _known.popitem(last=False)


def recall(flow_run_id: str | None) -> RunContext:
    """What is known of a run."""
    return _known.get(flow_run_id, _NOTHING) if flow_run_id else _NOTHING


_NOTHING = RunContext()
