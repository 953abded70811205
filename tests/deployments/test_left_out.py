"""What images leave out: nothing that a service or a run needs, and all that only this brings."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from serving.compiler import REFUSED
from tests.deployments.containerfile import FOLDER, arguments
from tests.deployments.test_images import ROOT, closure
from tests.serving.fuzzing.models import save_all

LEFT_OUT = arguments(FOLDER / "serving.Containerfile")["LEFT_OUT"].split()
EXTRAS = arguments(FOLDER / "serving.Containerfile")["EXTRAS"].split()
FLOWS = arguments(FOLDER / "flows.Containerfile")
# Left out for themselves; databricks-sdk is there, without its files.
CHOSEN = {"deltalake", "polars", "pandera"}
EMPTIED = {"databricks-sdk"}
# Read by Python in every process of an environment, so that the process that compiles has it too.
HOOK = """
import os, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in os.environ["WITHOUT"].split()):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without())
"""


def modules(package: str) -> set[str]:
    """What a distribution brings to import, below folders that several share."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return set()
    shared = {"google", "databricks"}
    found = set()
    for file in files:
        parts = [part.partition(".")[0] for part in file.parts]
        if file.suffix in {".py", ".so"} and ".." not in file.parts and "__pycache__" not in parts:
            depth = 2 if parts[0] in shared else 1
            found.add(".".join(parts[:depth]))
    return found - {"databricks.__init__"}


def test_with_each_goes_what_only_it_needs() -> None:
    """Nothing that another package of serving needs, and nothing that is left behind."""
    brought = closure(EXTRAS)
    assert brought >= CHOSEN | EMPTIED
    assert set(LEFT_OUT) == brought - closure(EXTRAS, without=CHOSEN | EMPTIED) - EMPTIED


def test_runs_make_clusters_without_other_clients_of_kubernetes() -> None:
    """What makes a run's Dask cluster is imported without them; with them goes what only they need."""
    left_out, extras = FLOWS["LEFT_OUT"].split(), FLOWS["EXTRAS"].split()
    assert set(left_out) == closure(extras) - closure(extras, without={"kubernetes", "pykube-ng"})
    blocked = sorted(set().union(*map(modules, left_out)))
    assert {"kubernetes", "pykube"} <= set(blocked)
    code = f"import sys; sys.modules |= dict.fromkeys({blocked}); import flows.run_cluster; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr


@pytest.mark.timeout(240)
def test_a_service_answers_without_them(tmp_path: Path) -> None:
    """Models of three kinds, one of which it compiles, by each protocol; and the pages, and the log of predictions."""
    models = tmp_path / "models"
    models.mkdir()
    save_all(models)
    (models / "forest" / REFUSED).unlink()
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    blocked = sorted({"databricks.sdk"}.union(*map(modules, LEFT_OUT)))
    assert {"polars", "pandera", "deltalake", "cryptography", "google.auth"} <= set(blocked)
    environment = {
        **os.environ,
        "WITHOUT": " ".join(blocked),
        "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT), str(ROOT / "tests" / "packages"))),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.deployments.left_out_service", str(models)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6000:]
    told = json.loads(done.stdout)
    assert {name: answer for name, answer in told.items() if answer[0] not in {200, 202}} == {}
    for form in ("json", "csv", "parquet"):
        assert json.loads(told[form][1]) == {"predictions": [True]}
    assert len(json.loads(told["user"][1])["items"]) == 3
