"""The tests that need a cluster: asked for by name only, and plainly skipped where there is none."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # a minute of starting pytest on a busy machine


def pytest_says(*arguments: str, **environment: str) -> str:
    command = [sys.executable, "-m", "pytest", "tests/cluster", "-q", *arguments]
    given = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    return subprocess.run(command, capture_output=True, text=True, env={**given, **environment}, check=False).stdout


@pytest.mark.parametrize("choice", ["", "not slow and not integration", "slow and not rare", "rare"])
def test_no_other_choice_has_them(choice: str) -> None:
    """Whoever has a KUBECONFIG and runs the other tests finds their cluster as it was."""
    assert "no tests collected" in pytest_says("--collect-only", "-m", choice)


def test_they_say_why_they_are_skipped() -> None:
    """Each of them, in words, and not as a success."""
    said = pytest_says("-m", "cluster", KUBECONFIG="/nowhere")
    assert "KUBECONFIG names no cluster" in said
    assert "passed" not in said
