"""Processes of a stack that tests kill."""

import os
import signal

import psutil

from tests.conftest import Stack


def kill_flow_process(stack: Stack, run_id: str) -> None:
    """``kill -9`` of the process that executes this run."""
    killed = 0
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run_id:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    assert killed, "the flow's process was not found"


def prefect_workers(stack: Stack) -> list[psutil.Process]:
    home = str(stack.settings.home)
    found = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "worker" in (process.info["cmdline"] or [])
        and "prefect" in (process.info["cmdline"] or [])
        and process.environ().get("SLUICE_HOME") == home
    ]
    assert found, "the Prefect worker was not found"
    return found


def kill_prefect_worker(stack: Stack, _: str) -> None:
    for process in prefect_workers(stack):
        process.kill()
