"""What tests of several rooms share: one real stack for the session."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployments.local.environment import stack_environment
from deployments.local.record import StackRecord, read_record
from sluice.settings import Settings

# Prefect makes its home when it is imported; a test must not write into the folder of the checkout.
os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="sluice-tests-")
PACKAGES = Path(__file__).parent / "packages"
CHECKOUT = Path(__file__).parents[1]
# Beside a stack's folder: every process of the stack finds what a test installs there while it is up.
INSTALLED = "site-packages"


def clean_environment(home: Path) -> dict[str, str]:
    """This process's environment without anybody's stack in it."""
    foreign = ("SLUICE_", "PREFECT_", "MLFLOW_", "DASK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # The use cases that tests bring are installed as a stranger's package is: found on the path by its metadata.
    # This checkout comes first, so that a copy of it tests itself, whatever is installed.
    path = (PACKAGES, CHECKOUT, home.parent / INSTALLED)
    return {**kept, "SLUICE_HOME": str(home), "PYTHONPATH": os.pathsep.join(map(str, path))}


def sluice(
    *arguments: str, cwd: Path, env: Mapping[str, str], timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does. Standard error is part of ``stdout``."""
    return subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments],
        cwd=cwd,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


@dataclass(frozen=True)
class Stack:
    """A stack that is up, in a folder of its own and on its own ports.

    Attributes:
        settings: with the addresses of this stack.
        env: the environment of a process that belongs to it.
        root: the folder it was started in.
    """

    record: StackRecord
    settings: Settings
    env: Mapping[str, str]
    root: Path

    def sluice(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return sluice(*arguments, cwd=self.root, env=self.env, timeout=timeout)


def start_stack(root: Path) -> Stack:
    """Bring a real stack up in an empty folder. Whoever calls takes it down."""
    env = clean_environment(root / ".sluice")
    (root / INSTALLED).mkdir(exist_ok=True)  # a process remembers of a folder that is not there that it is not
    done = sluice("up", "--free-ports", cwd=root, env=env)
    assert done.returncode == 0, done.stdout
    record = read_record(root / ".sluice")
    assert record is not None
    settings = record.applied_to(Settings(home=root / ".sluice"))
    return Stack(record, settings, {**env, **stack_environment(record)}, root)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The real Prefect, MLflow, Dask, worker and serving, started once for all tests that ask for it."""
    started = start_stack(tmp_path_factory.mktemp("stack"))
    yield started
    done = started.sluice("down")
    assert done.returncode == 0, done.stdout
    # What Prefect's server refuses its own services for this reason is lost.
    assert "database is locked" not in (started.settings.home / "logs" / "prefect-server.log").read_text()
