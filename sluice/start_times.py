"""When the next run of a deployment may start, so that no more start in a time than its rate allows.

Each run takes the next free time and waits for it. Who takes it is decided by the document store, so the times of all
processes and machines together are as far apart as the rate says.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from sluice.documents import DocumentStore
from sluice.errors import DocumentDuplicateError

COLLECTION = "run_starts"
_MILLISECOND = timedelta(milliseconds=1)


def take_start_time(documents: DocumentStore, deployment: str, spacing: float, now: datetime) -> datetime:
    """The next time at which a run of the deployment may start; it is then taken.

    Args:
        spacing: seconds between two starts.

    Raises:
        ServiceUnavailableError: of the document store.
    """
    documents.unique(COLLECTION, ["deployment"])
    apart = -(-timedelta(seconds=spacing) // _MILLISECOND)  # whole ones, rounded up: what every store keeps exactly
    now_ms = _milliseconds(now)
    while True:
        known = documents.find_one(COLLECTION, {"deployment": deployment})
        free = now_ms if known is None else max(now_ms, known["next_ms"])
        following = {"next_ms": free + apart}
        if known is None:
            with suppress(DocumentDuplicateError):
                documents.insert(COLLECTION, [{"deployment": deployment, **following}])
                return _moment(free)
        elif documents.update(COLLECTION, {"deployment": deployment, "next_ms": known["next_ms"]}, following):
            return _moment(free)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _milliseconds(moment: datetime) -> int:
    return -(-(moment - _EPOCH) // _MILLISECOND)


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + milliseconds * _MILLISECOND
