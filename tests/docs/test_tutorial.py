"""docs/tutorial.md from start to finish, as a reader types it, on the real engines."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import distributed
import httpx
import pytest

from sluice.use_case import Flow
from tests.conftest import Stack
from tests.docs.pages import ROOT, blocks
from tests.packages_of import make_findable

pytestmark = [pytest.mark.integration, pytest.mark.slow]
PAGE = ROOT / "docs" / "tutorial.md"
# What is done in another way here; every other line of the page is typed.
INSTALL = '"$VIRTUAL_ENV"/../.uv/bin/uv pip install -e ./churn'
NOT_TYPED = {
    INSTALL: "the environment of the tests stays as it is: the package is put on the path",
    "python -m pytest -q churn": "the checks of the command before; test_new runs the test that is written",
    "sluice up": "the stack of the session is up",
    "sluice run churn": "its worker was started without the package on its path; --inline runs the same flows",
}


def typed() -> list[str]:
    """The page's command lines, in order."""
    text = "".join(block.text for block in blocks(PAGE) if block.language == "bash")
    return [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]


def add_path(folder: str) -> None:
    sys.path.insert(0, folder)


def remove_path(folder: str) -> None:
    sys.path.remove(folder)


@pytest.fixture
def reader(stack: Stack, tmp_path: Path) -> Iterator["Reader"]:
    """Somebody in an empty folder, whose package the cluster can import too. No deployment of theirs is left."""
    project = str(tmp_path / "churn")
    with distributed.Client(stack.settings.dask.address, set_as_default=False) as client:
        client.run(add_path, project)
        try:
            yield Reader(stack, tmp_path)
        finally:
            client.run(remove_path, project)
            forget(stack.settings.prefect.url)


def forget(prefect: str) -> None:
    """Remove the deployments that `sluice deploy` added."""
    for flow in get_args(Flow):
        found = httpx.get(f"{prefect}/deployments/name/{flow}/churn", trust_env=False)
        while found.is_success:
            removed = httpx.delete(f"{prefect}/deployments/{found.json()['id']}", trust_env=False)
            if removed.status_code != 503:  # the server's database is busy
                removed.raise_for_status()
                break
            time.sleep(0.2)


class Reader:
    """Types commands and keeps what they print."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._folder = folder
        self._serving = stack.record.serving_url
        path = os.pathsep.join((str(folder / "churn"), stack.env["PYTHONPATH"]))
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._env = {**stack.env, "PYTHONPATH": path, "PATH": programs}
        self._bash = str(shutil.which("bash"))

    def types(self, command: str) -> str:
        if command == INSTALL:
            make_findable(self._folder / "churn")
        if command in NOT_TYPED:
            return ""
        here = command.replace("http://127.0.0.1:8000", self._serving).replace(
            "curl -X", "curl -sS --fail-with-body -X"
        )
        done = subprocess.run(
            [self._bash, "-c", here], cwd=self._folder, env=self._env, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout


def test_reader_gets_through(reader: Reader, tmp_path: Path) -> None:
    """Every command works where it stands; what was checked becomes a champion that answers, and bad rows come back."""
    for block in blocks(PAGE):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
    said = {command: reader.types(command) for command in typed()}

    assert NOT_TYPED.keys() <= said.keys()
    assert "18 of 18 checks passed" in said["sluice check churn"]
    assert "churn@1" in said["sluice history churn"]
    (answer,) = (text for command, text in said.items() if command.startswith("curl "))
    assert json.loads(answer)["predictions"] in ([True], [False])
    assert "2 rows" in said["sluice data quarantine churn"]
    assert "2 rows were added" in said["sluice data replay churn refused.jsonl"]
    assert "raw/churn@1" in said["sluice data list churn"]
    steps = (tmp_path / "rents" / "rents" / "steps.py").read_text()
    assert 'TARGET = "rent"  # GUESS: given' in steps
    assert "signed_on: pl.Date" in steps


def test_what_is_shown_is_what_is_written(tmp_path: Path) -> None:
    """The lines of the generated steps that the page shows are in them."""
    from sluice.scaffold import write_package

    write_package("churn", "classifier", tmp_path)
    steps = (tmp_path / "churn" / "churn" / "steps.py").read_text()
    (shown,) = (block.text for block in blocks(PAGE) if block.text.startswith("KEY ="))
    assert shown in steps
