"""Environments of the peers."""

import pytest

from benchmarks.peer_environment import REQUIREMENTS, pinned


@pytest.mark.parametrize("name", sorted(file.stem for file in REQUIREMENTS.glob("*.txt")))
def test_every_package_is_pinned(name: str) -> None:
    """Figures of two runs are of the same versions; what is not pinned would change by itself."""
    packages = pinned(name)
    assert all(packages.values()), packages
    assert packages["scikit-learn"]


def test_all_peers_have_the_same_scikit_learn() -> None:
    """They load the same files, and are to be compared by their serving."""
    versions = {pinned(file.stem)["scikit-learn"] for file in REQUIREMENTS.glob("*.txt")}
    assert len(versions) == 1
