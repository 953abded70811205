"""Who counts when the memory of a stage is measured: the Dask workers, and the process of a flow run."""

import os
from collections.abc import Callable

import distributed
import psutil

from benchmarks.bench_stack import BenchStack


def fresh_workers(stack: BenchStack) -> list[psutil.Process]:
    """The workers' processes, started anew: what earlier benchmarks left in them is not this one's."""
    with distributed.Client(stack.settings.dask.address) as client:
        client.restart()
        return [psutil.Process(pid) for pid in client.run(os.getpid).values()]


def of_stage(stack: BenchStack, workers: list[psutil.Process]) -> Callable[[], list[psutil.Process]]:
    """The workers, and the process of a flow run while there is one."""
    home = str(stack.settings.home)

    def belongs(process: psutil.Process) -> bool:
        try:
            return "prefect.engine" in process.cmdline() and process.environ().get("SLUICE_HOME") == home
        except psutil.Error:
            return False

    return lambda: [*workers, *filter(belongs, psutil.process_iter())]
