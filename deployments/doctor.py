"""Checks of this machine, this folder and its stack: each finds what would otherwise fail later, and oddly."""

import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from deployments.errors import RenderedStaleError
from deployments.extras import missing_modules
from deployments.local.ports import holder, is_free
from deployments.local.record import StackRecord
from deployments.local.services import local_services
from deployments.local.watching import how_to_install, missing_packages, serving_refuses
from sluice.settings import Settings, is_loopback

Level = Literal["ok", "warning", "problem"]
_ROOMS = ("sluice", "flows", "serving", "observability", "deployments")
_DISK_FREE_GB = 2.0


class Finding(NamedTuple):
    """What a check saw, and what to do about it when it is not well."""

    check: str
    level: Level
    text: str
    todo: str = ""


def examine(settings: Settings, record: StackRecord | None) -> Iterator[Finding]:
    """All checks, one after the other. ``record``: the stack that is up, or None."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _extras,
        _bytecode,
        lambda: _folder(settings.home),
        lambda: _shadowing(Path.cwd()),
        lambda: _rendered(Path.cwd()),
        lambda: _exposed(settings),
        lambda: _watching(settings, record),
        lambda: _ports(settings) if record is None else _stack(record, settings),
    ]
    for check in checks:
        yield from check()


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info < (3, 14):
        yield Finding("python", "ok", f"{version} in {sys.prefix}")
    else:
        yield Finding("python", "problem", f"{version} is not supported", "Use 3.11 to 3.13: uv venv --python 3.12")


def _extras() -> Iterator[Finding]:
    missing = missing_modules()
    if not missing:
        yield Finding("extras", "ok", "all installed")
    for extra in sorted(set(missing.values())):
        modules = ", ".join(module for module, of in missing.items() if of == extra)
        yield Finding("extras", "warning", f"{extra} is not installed (no {modules})", f"uv sync --extra {extra}")


def _bytecode() -> Iterator[Finding]:
    spec = find_spec("prefect")
    if spec is None or spec.origin is None or Path(cache_from_source(spec.origin)).exists():
        return
    yield Finding(
        "bytecode",
        "warning",
        "installed packages are not compiled, so every process starts many seconds later",
        "uv sync --compile-bytecode --all-extras (or make install)",
    )


def _folder(home: Path) -> Iterator[Finding]:
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".doctor"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        yield Finding("folder", "problem", f"{home}: {error.strerror}", "export SLUICE_HOME=/a/writable/path")
        return
    free = shutil.disk_usage(home).free / 1e9
    level: Level = "ok" if free > _DISK_FREE_GB else "warning"
    todo = "" if level == "ok" else "Free some space, or keep the state elsewhere: export SLUICE_HOME=/path"
    yield Finding("folder", level, f"{home}, {free:.0f} GB free", todo)


def _shadowing(folder: Path) -> Iterator[Finding]:
    """Programs that are started here put this folder first on their path."""
    found = False
    for room in _ROOMS:
        here = folder / room
        spec = find_spec(room)
        ours = Path(spec.origin).parent if spec and spec.origin else None
        if (here.is_dir() or here.with_suffix(".py").is_file()) and here.resolve() != ours:
            found = True
            yield Finding(
                "shadowing",
                "warning",
                f"{here} would be imported in place of Sluice's own {room} (in {ours})",
                "Rename it, or start things from another folder. The stack itself is safe from it",
            )
    if not found:
        yield Finding("shadowing", "ok", "nothing here hides a package of Sluice's")


def _rendered(folder: Path) -> Iterator[Finding]:
    from deployments import prefect_yaml

    if not (folder / "prefect.yaml").exists():
        return
    try:
        prefect_yaml.check_all(folder)
    except RenderedStaleError as error:
        yield Finding(
            "prefect.yaml", "warning", f"{error.paths} no longer match the use cases", "sluice deploy --render"
        )
    else:
        yield Finding("prefect.yaml", "ok", "matches the use cases")


def _ports(settings: Settings) -> Iterator[Finding]:
    record = StackRecord.of(settings, root=Path.cwd())
    taken = False
    for service in local_services(record, settings, observe=True):
        for port, setting in service.ports.items():
            if not is_free(record.serving_host, port):
                taken = True
                text = f"{port} for the {service.title} is taken by {holder(port)}"
                yield Finding("ports", "problem", text, f"Set {setting}, or: sluice up --free-ports")
    if not taken:
        yield Finding("ports", "ok", "all free; no stack is up here")


def _stack(record: StackRecord, settings: Settings) -> Iterator[Finding]:
    from deployments.local.stack import status

    for service in status(record, settings):
        text = f"{service.name} is {service.state.lower()} since {service.seconds} s"
        if service.healthy:
            yield Finding("stack", "ok", text)
        else:
            yield Finding("stack", "problem", f"{text}, but does not answer well", f"tail {service.log}")
    yield from _worker_versions(record)


def _watching(settings: Settings, record: StackRecord | None) -> Iterator[Finding]:
    if packages := missing_packages():
        text = f"{', '.join(packages)} not installed: sluice up --observe starts without"
        yield Finding("observe", "warning", text, how_to_install(packages))
    else:
        yield Finding("observe", "ok", "Prometheus, Alertmanager and node exporter are installed")
    if settings.observe.hurry > 1:
        text = f"for a rehearsal, every time of rules and notifications is divided by {settings.observe.hurry:g}"
        yield Finding("observe", "warning", text, "Outside of one: unset SLUICE_OBSERVE__HURRY")
    if record is not None and "prometheus" in record.services and serving_refuses(settings):
        text = "serving asks for an API key, and Prometheus has none"
        todo = "sluice keys create prometheus, into a file that SLUICE_OBSERVE__SERVING_KEY_FILE names"
        yield Finding("observe", "problem", text, todo)


def _exposed(settings: Settings) -> Iterator[Finding]:
    if is_loopback(settings.host) or settings.dask.address:
        return
    text = f"the scheduler listens on {settings.host}: whoever reaches it can run anything as this user"
    todo = "Let a firewall keep others away, or go back to SLUICE_HOST=127.0.0.1"
    yield Finding("dask", "warning", text, todo)


def _worker_versions(record: StackRecord) -> Iterator[Finding]:
    import distributed

    try:
        with distributed.Client(record.dask_address, timeout="5s", set_as_default=False) as client:
            client.get_versions(check=True)
            count = len(client.scheduler_info(n_workers=-1)["workers"])
    except (ValueError, OSError, TimeoutError) as error:
        todo = "Restart it with this environment: sluice down && sluice up"
        yield Finding("dask", "problem", f"{record.dask_address}: {str(error).strip()}", todo)
    else:
        yield Finding("dask", "ok", f"{count} workers, with the same versions of everything as here")
