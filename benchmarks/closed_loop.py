"""Requests as fast as they are answered: wrk, with one thread, so that the server keeps a core of its own."""

import json
import shutil
import subprocess
from pathlib import Path

from pydantic import BaseModel, ConfigDict

CONNECTIONS = 32
SCRIPT = Path(__file__).with_name("load.lua")


class ClosedLoop(BaseModel):
    """One round. ``p50`` and ``p99`` are milliseconds, ``failed`` what had another status or broke."""

    model_config = ConfigDict(frozen=True)

    rate: float
    p50: float
    p99: float
    failed: int


def wrk() -> str:
    """The program.

    Raises:
        RuntimeError: it is not installed; with how to install it.
    """
    found = shutil.which("wrk")
    if found is None:
        raise RuntimeError("The serving benchmark makes its load with wrk, which is not here: apt-get install wrk")
    return found


def closed_loop(port: int, requests: Path, seconds: int) -> ClosedLoop:
    """Ask a server on this machine the requests of a file (`benchmarks.raw_request`), in turn, over 32 connections.

    Raises:
        RuntimeError: wrk did not run.
    """
    command = [
        *(wrk(), "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s"),
        *("--timeout", "10s", "--script", str(SCRIPT), f"http://127.0.0.1:{port}/", "--", str(requests)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode:
        raise RuntimeError(f"wrk failed:\n{done.stdout}{done.stderr}")
    return read_report(done.stdout)


def read_report(output: str) -> ClosedLoop:
    """What ``load.lua`` wrote last."""
    told = json.loads(output.splitlines()[-1])
    return ClosedLoop(
        rate=(told["requests"] - told["bad_status"]) / (told["microseconds"] / 1e6),
        p50=told["p50"] / 1e3,
        p99=told["p99"] / 1e3,
        failed=told["bad_status"] + told["broken"],
    )
