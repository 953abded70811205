"""Processes of a stack that nobody supervises any more: the last net under `deployments.guard`."""

from contextlib import suppress
from pathlib import Path

from deployments.guard import MARKER


def end_leftovers(home: Path, grace: float = 5.0) -> int:
    """End every process that carries this home's mark, and supervisord by its configuration. Returns how many."""
    import psutil

    found = [process for process in psutil.process_iter() if _belongs(process, home)]
    for process in found:
        with suppress(psutil.NoSuchProcess):  # it ended after it was found
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=grace)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=grace)
    return len(found)


def _belongs(process: "object", home: Path) -> bool:
    import psutil

    assert isinstance(process, psutil.Process)
    try:
        if process.environ().get(MARKER, "").rpartition(":")[0] == str(home):
            return True
        # Guards and supervisord carry no mark; they name a file in the home's run folder.
        return any(argument.startswith(f"{home / 'run'}/") for argument in process.cmdline())
    except psutil.Error:
        return False
