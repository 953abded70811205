"""The local stack's life: up, down, and how it is."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from deployments.errors import PortTakenError, StackDownError, StackIncompleteError
from deployments.local.environment import join, service_environment
from deployments.local.health import Health
from deployments.local.leftovers import end_leftovers
from deployments.local.lost_runs import STACK_STOPPED, end_lost_runs
from deployments.local.ports import holder, is_free
from deployments.local.readiness import Progress, await_health
from deployments.local.record import StackRecord, read_record, record_path
from deployments.local.service import Service
from deployments.local.services import local_services
from deployments.local.supervisor import Supervisor
from deployments.local.turn import turn, uninterrupted
from deployments.local.watching import PROGRAMS, configure_watching, forget_watching
from sluice.errors import ServiceRefusedError, ServiceUnavailableError
from sluice.settings import Settings


class ServiceStatus(NamedTuple):
    """One line of `sluice status`. ``state`` is supervisord's; ``seconds`` since its start."""

    name: str
    state: str
    healthy: bool
    seconds: int
    log: Path


class Stopped(NamedTuple):
    """What `down` found: deployments whose runs it ended, and how many processes an earlier stack had left behind."""

    runs: list[str]
    leftovers: int


def running(settings: Settings) -> StackRecord | None:
    """The stack that is up in these settings' home: brought up to its end, and its supervisor answers."""
    record = read_record(settings.home)
    return record if record and record.complete and _alive(record) else None


def running_or_raise(settings: Settings) -> StackRecord:
    """The stack that is up.

    Raises:
        StackIncompleteError: only a part of one is.
        StackDownError: nothing is.
    """
    record = read_record(settings.home)
    if record is None or not _alive(record):
        raise StackDownError(home=settings.home)
    if not record.complete:
        raise StackIncompleteError(home=settings.home)
    return record


def _alive(record: StackRecord) -> bool:
    return Supervisor(record.home, record.root).alive()


def up(
    record: StackRecord,
    settings: Settings,
    services: list[Service],
    progress: Progress,
    prepare: Callable[[StackRecord], None],
    undoing: Callable[[], None],
) -> StackRecord:
    """Start all services side by side and wait until each is healthy. What an earlier stack has left is ended first.

    Args:
        settings: as the environment gives them, without a record's addresses.
        progress: called when a service becomes ready.
        prepare: run beside the waiting; it may use Prefect's API once that answers (it waits itself).
        undoing: called when it fails or is interrupted, before everything is stopped again.

    Raises:
        PortTakenError, HomeUnwritableError, StackBusyError, SettingsInvalidError: before anything was started.
        ServiceFailedError: a service did not come up. Everything was stopped again.
    """
    with turn(settings.home):
        end_leftovers(settings.home)
        _check_ports(record, services)
        supervisor = Supervisor(record.home, record.root)
        for folder in ("mlflow/artifacts", "prefect", "dask", "logs"):
            (record.home / folder).mkdir(parents=True, exist_ok=True)
        try:
            if any(service.name in PROGRAMS for service in services):
                configure_watching(record, settings)
            configuration = supervisor.configure(services, service_environment(record))
            since = time.time()
            join(record)  # also for its secrets, which the services inherit
            pid = supervisor.start(configuration)
            record = record.model_copy(update={"pid": pid, "services": tuple(service.name for service in services)})
            record.write()
            await_health(supervisor, record, settings, since, progress, prepare)
        except BaseException:
            # Ctrl-C too: half a stack is of no use to anybody. A second one must not leave it half stopped.
            with uninterrupted():
                try:
                    undoing()  # it prints, and the terminal may be closed
                finally:
                    _stop(supervisor, settings.home)
            raise
        record = record.model_copy(update={"complete": True})
        record.write()
    return record


def down(settings: Settings) -> Stopped:
    """Stop everything of the stack in this home. An interruption does not stop it half way.

    Raises:
        StackDownError: nothing was up and nothing was left.
    """
    with turn(settings.home), uninterrupted():
        record = read_record(settings.home)
        supervisor = Supervisor(settings.home, record.root if record else settings.home)
        was_up = supervisor.alive()
        runs: list[str] = []
        if record:
            record.model_copy(update={"complete": False}).write()
            # First what gives work to others: its runs end with it, while they can still be marked as ended.
            supervisor.stop("prefect-worker")
            # Then the next worker does it.
            with suppress(ServiceUnavailableError, ServiceRefusedError):
                runs = end_lost_runs(record.applied_to(settings), STACK_STOPPED) if was_up else []
        leftovers = _stop(supervisor, settings.home)
        if not was_up and not leftovers and record is None:
            raise StackDownError(home=settings.home)
        return Stopped(runs, leftovers)


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


def _stop(supervisor: Supervisor, home: Path) -> int:
    supervisor.stop("dask-workers")  # without their scheduler they would try to find it again
    supervisor.stop_all()
    leftovers = end_leftovers(home)
    forget_watching(home)
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
