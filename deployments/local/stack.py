"""The local stack's life: up, down, and how it is."""

import fcntl
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployments.errors import (
    HomeUnwritableError,
    PortTakenError,
    ServiceFailedError,
    StackBusyError,
    StackDownError,
)
from deployments.local.environment import join, service_environment
from deployments.local.health import Health
from deployments.local.leftovers import end_leftovers
from deployments.local.ports import holder, is_free
from deployments.local.record import StackRecord, read_record, record_path
from deployments.local.services import Service, local_services
from deployments.local.supervisor import Supervisor, tail
from sluice.settings import Settings

# Twenty times what the slowest service takes on two idle cores.
START_SECONDS = 180.0
_POLL_SECONDS = 0.2

Progress = Callable[[str], None]  # called with a service's name, or "deployments", when that is ready


@dataclass(frozen=True)
class ServiceStatus:
    """One line of `sluice status`. ``state`` is supervisord's; ``seconds`` since its start."""

    name: str
    state: str
    healthy: bool
    seconds: int
    log: Path


def running(settings: Settings) -> StackRecord | None:
    """The stack that is up in these settings' home, if its supervisor answers."""
    record = read_record(settings.home)
    if record is None or not Supervisor(record.home, record.root).alive():
        return None
    return record


def up(
    record: StackRecord,
    settings: Settings,
    services: list[Service],
    progress: Progress,
    prepare: Callable[[StackRecord], None],
) -> StackRecord:
    """Start all services side by side and wait until each is healthy.

    Args:
        settings: as the environment gives them, without a record's addresses.
        progress: called when a service becomes ready.
        prepare: run beside the waiting; it may use Prefect's API once that answers (it waits itself).

    Raises:
        PortTakenError, HomeUnwritableError, StackBusyError: before anything was started.
        ServiceFailedError: a service did not come up. Everything was stopped again.
    """
    with _lock(settings.home):
        end_leftovers(settings.home)
        _check_ports(record, services)
        supervisor = Supervisor(record.home, record.root)
        for folder in ("mlflow/artifacts", "prefect", "dask", "logs"):
            (record.home / folder).mkdir(parents=True, exist_ok=True)
        try:
            configuration = supervisor.configure(services, service_environment(record))
            since = time.time()
            pid = supervisor.start(configuration)
            record = record.model_copy(update={"pid": pid, "services": tuple(service.name for service in services)})
            record.write()
            join(record)
            _await_health(supervisor, record, settings, since, progress, prepare)
        except BaseException:
            # Ctrl-C too: half a stack is of no use to anybody. A second one must not leave it half stopped.
            with _uninterrupted():
                _stop(supervisor, settings.home)
            raise
    return record


def down(settings: Settings) -> int:
    """Stop everything of the stack in this home. Returns how many processes an earlier one had left behind.

    Raises:
        StackDownError: nothing was up and nothing was left.
    """
    with _lock(settings.home):
        record = read_record(settings.home)
        supervisor = Supervisor(settings.home, record.root if record else settings.home)
        was_up = supervisor.alive()
        leftovers = _stop(supervisor, settings.home)
        if not was_up and not leftovers and record is None:
            raise StackDownError(home=settings.home)
        return leftovers


def status(record: StackRecord, settings: Settings) -> list[ServiceStatus]:
    """Each service of a stack that is up, asked side by side."""
    supervisor = Supervisor(record.home, record.root)
    states = supervisor.states()
    names = record.services
    with Health(record, settings) as health, ThreadPoolExecutor(len(names) or 1) as pool:
        healthy = list(pool.map(health.healthy, names))
    return [
        ServiceStatus(
            name=name,
            state=states[name].state if name in states else "UNKNOWN",
            healthy=well,
            seconds=int(time.time() - states[name].started) if name in states else 0,
            log=supervisor.log(name),
        )
        for name, well in zip(names, healthy, strict=True)
    ]


def _await_health(
    supervisor: Supervisor,
    record: StackRecord,
    settings: Settings,
    since: float,
    progress: Progress,
    prepare: Callable[[StackRecord], None],
) -> None:
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


def _stop(supervisor: Supervisor, home: Path) -> int:
    # First what gives work to others, while they can still hear how it ended; Dask workers without their scheduler
    # would try to find it again.
    supervisor.stop_all(first=("prefect-worker", "dask-workers"))
    leftovers = end_leftovers(home)
    record_path(home).unlink(missing_ok=True)
    return leftovers


def default_ports_free(settings: Settings) -> bool:
    """Whether `up` would get the ports that the settings name."""
    try:
        record = StackRecord.of(settings, root=Path.cwd())
        _check_ports(record, local_services(record, settings))
    except PortTakenError:
        return False
    return True


def _check_ports(record: StackRecord, services: list[Service]) -> None:
    for service in services:
        for port, setting in service.ports.items():
            if not is_free(record.serving_host, port):
                raise PortTakenError(port=port, service=service.title, holder=holder(port), setting=setting)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    """One `up` or `down` a home at a time. The kernel drops the lock with its process, so it is never stale."""
    try:
        (home / "run").mkdir(parents=True, exist_ok=True)
        file = (home / "run" / "lock").open("w")
    except OSError as error:
        raise HomeUnwritableError(path=home, problem=error.strerror) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackBusyError(home=home) from None
        yield
