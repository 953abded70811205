"""The example of docs/use-cases.md, as it is printed there, on the real engines."""

import os
import random
import tomllib
from collections.abc import Iterator
from pathlib import Path

import distributed
import httpx
import pytest

from tests.conftest import Stack, sluice
from tests.docs.pages import ROOT, blocks

pytestmark = pytest.mark.integration


def add_path(folder: str) -> None:
    import sys

    sys.path.insert(0, folder)


def remove_path(folder: str) -> None:
    import sys

    sys.path.remove(folder)


@pytest.fixture
def flats(tmp_path: Path, stack: Stack) -> Iterator[dict[str, str]]:
    """The example's files, importable as if installed; the environment of a process that sees them."""
    for block in blocks(ROOT / "docs" / "use-cases.md"):
        if block.title:
            path = tmp_path / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
    project = tmp_path / "flats"
    (project / "flats" / "__init__.py").touch()
    points = tomllib.loads((project / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in points.items()]
    information = project / "flats-0.1.dist-info"
    information.mkdir()
    (information / "entry_points.txt").write_text("".join(lines))
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: flats\nVersion: 0.1\n")
    with distributed.Client(stack.settings.dask.address, set_as_default=False) as client:
        client.run(add_path, str(project))
        yield {**stack.env, "PYTHONPATH": f"{project}{os.pathsep}{stack.env['PYTHONPATH']}"}
        client.run(remove_path, str(project))


@pytest.mark.slow
@pytest.mark.rare
def test_example_becomes_a_served_champion(flats: dict[str, str], stack: Stack) -> None:
    """The printed lines are a complete use case: rows in, bad ones out, a champion that answers over HTTP.

    Serving does not have the package: a model needs no code of its use case.
    """
    numbers = random.Random(0)
    rows = ["id,area,rooms,price"]
    for number in range(400):
        area, rooms = numbers.uniform(20, 150), numbers.randint(1, 5)
        rows.append(f"{number},{area:.1f},{rooms},{3_000 * area + 10_000 * rooms + numbers.gauss(0, 5_000):.0f}")
    (stack.root / "flats.csv").write_text("\n".join([*rows, "400,,2,100"]))

    checked = sluice("check", "flats", cwd=stack.root, env=flats)
    assert checked.returncode == 0, checked.stdout

    done = sluice("run", "flats", "--inline", cwd=stack.root, env=flats)
    assert done.returncode == 0, done.stdout

    history = sluice("history", "flats", cwd=stack.root, env=flats)
    assert "flats@1" in history.stdout
    answer = httpx.post(
        f"{stack.record.serving_url}/invocations?model=flats",
        json={"dataframe_records": [{"area": 80.0, "rooms": 3.0}]},
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0] == pytest.approx(270_000, rel=0.05)
