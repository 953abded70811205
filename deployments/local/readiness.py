"""Waiting for a stack that starts: until every service is seen to work, or one is seen to fail."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from deployments.errors import ServiceFailedError
from deployments.local.health import Health
from deployments.local.record import StackRecord
from deployments.local.supervisor import Supervisor, tail
from sluice.settings import Settings

# Twenty times what the slowest service takes on two idle cores.
START_SECONDS = 180.0
_POLL_SECONDS = 0.2

Progress = Callable[[str], None]  # called with a service's name, or "deployments", when that is ready


def await_health(
    supervisor: Supervisor,
    record: StackRecord,
    settings: Settings,
    since: float,
    progress: Progress,
    prepare: Callable[[StackRecord], None],
) -> None:
    """Wait until every service of a stack that is starting is healthy, and what is prepared beside it is done.

    Args:
        since: when it was started, in seconds of the epoch.

    Raises:
        ServiceFailedError: a service has ended for good, or is not ready in time.
    """
    waiting = list(record.services)
    prepared: Future[None] | None = _in_background(lambda: prepare(record))
    with Health(record, settings, since) as health:
        while waiting or prepared:
            for name in [name for name in waiting if health.healthy(name)]:
                waiting.remove(name)
                progress(name)
            if prepared and prepared.done():
                prepared.result()
                prepared = None
                progress("deployments")
            _raise_failed(supervisor, waiting, time.time() - since)
            time.sleep(_POLL_SECONDS)


def _in_background(work: Callable[[], None]) -> Future[None]:
    """Not a pool's thread: those are waited for when this one is interrupted."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=run, daemon=True).start()
    return future


def _raise_failed(supervisor: Supervisor, waiting: list[str], seconds: float) -> None:
    states = supervisor.states()
    if waiting and not states:
        raise _failure(supervisor, "supervisord", "stopped")
    for name in waiting:
        if states[name].state == "FATAL":
            raise _failure(supervisor, name, f"ended again and again {states[name].problem}".strip())
        if seconds > START_SECONDS:
            raise _failure(supervisor, name, f"was not ready after {START_SECONDS:.0f} s")


def _failure(supervisor: Supervisor, service: str, problem: str) -> ServiceFailedError:
    log = supervisor.log(service)
    return ServiceFailedError(service=service, problem=problem, log=log, tail=tail(log))
