"""A run whose deployment has a rate waits here for its turn."""

import time
from datetime import UTC, datetime

from prefect import get_run_logger

from flows.due import is_expired
from sluice.limits import Limits

_SAID_SECONDS = 1.0


def wait_for_turn(deployment: str, limits: Limits) -> None:
    """Take the next free time to start, and wait until then, or until the run has expired. Without a rate, at once.

    Raises:
        ServiceUnavailableError: of the document store, which keeps the times.
    """
    if limits.spacing is None:
        return
    from sluice.documents import open_documents
    from sluice.settings import Settings
    from sluice.start_times import take_start_time

    documents = open_documents(Settings.load())
    try:
        start = take_start_time(documents, deployment, limits.spacing, datetime.now(UTC))
    finally:
        documents.close()
    seconds = (start - datetime.now(UTC)).total_seconds()
    if seconds > _SAID_SECONDS:
        get_run_logger().info(f"Waits {seconds:.0f} s for its turn: {deployment} starts at most {limits.rate}")
    # In parts, so that a signal to end it is heard soon.
    while (seconds := (start - datetime.now(UTC)).total_seconds()) > 0 and not is_expired(limits):
        time.sleep(min(seconds, 1.0))
