"""The real stack that benchmarks measure: its own home in a temporary folder, free ports, gone afterwards."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer import Peer
from deployments.local.environment import stack_environment
from deployments.local.record import StackRecord, read_record
from sluice.settings import Settings

PACKAGES = Path(__file__).parent / "packages"
CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True)
class BenchStack:
    """A stack that is up.

    Attributes:
        settings: with its addresses.
        env: the environment of a process that belongs to it.
        root: the temporary folder.
    """

    record: StackRecord
    settings: Settings
    env: Mapping[str, str]
    root: Path

    def peer(self, module: str, **env: str) -> Peer:
        """Start ``python -m module`` as a member of the stack."""
        return Peer(module, {**self.env, **env}, self.root / f"{module}.log")


@contextmanager
def bench_stack() -> Iterator[BenchStack]:
    """Up in the block, down after it.

    Raises:
        RuntimeError: it did not come up; with what `sluice up` said.
    """
    root = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
    env = _environment(root / ".sluice")
    try:
        _sluice("up", "--free-ports", root=root, env=env)
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    try:
        record = read_record(root / ".sluice")
        assert record is not None
        settings = record.applied_to(Settings(home=root / ".sluice"))
        yield BenchStack(record, settings, {**env, **stack_environment(record)}, root)
    finally:
        _sluice("down", root=root, env=env)
        shutil.rmtree(root, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    """This process's, without anybody's stack in it, and with the benchmarks' own use case installed."""
    foreign = ("SLUICE_", "PREFECT_", "MLFLOW_", "DASK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "SLUICE_HOME": str(home), "PYTHONPATH": f"{PACKAGES}{os.pathsep}{CHECKOUT}", "DO_NOT_TRACK": "1"}


def _sluice(*arguments: str, root: Path, env: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "deployments.cli", *arguments]
    done = subprocess.run(command, cwd=root, env=dict(env), capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"sluice {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
