"""Two choices of tests at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest

@pytest.mark.quick
def test_quick(): assert {quick}

@pytest.mark.patient
def test_patient(): assert {patient}
"""


def ran(
    folder: Path, second: str = "patient", quick: bool = True, patient: bool = True
) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    quick\n    patient\n")
    (folder / "test_both.py").write_text(TESTS.format(quick=quick, patient=patient))
    command = [sys.executable, "-m", "tests.side_by_side", "quick", second, "-p", "no:cacheprovider"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_both_are_shown_and_have_passed(tmp_path: Path) -> None:
    """The second's report comes after the first's."""
    done = ran(tmp_path)
    assert done.returncode == 0, done.stdout
    first, second = done.stdout.split("Beside these ran: patient")
    assert "1 passed" in first
    assert "1 passed" in second


@pytest.mark.parametrize(("quick", "patient"), [(False, True), (True, False)])
def test_a_failure_of_either_is_one(tmp_path: Path, quick: bool, patient: bool) -> None:
    """And it is shown."""
    done = ran(tmp_path, quick=quick, patient=patient)
    assert done.returncode == 1
    assert "1 failed" in done.stdout


def test_a_choice_without_tests_is_no_failure(tmp_path: Path) -> None:
    """Such as a half that was asked for one folder only."""
    assert ran(tmp_path, second="quick and patient").returncode == 0
