"""Implicit ALS."""

import sys

import numpy as np
import pytest

from sluice.errors import DependencyMissingError
from sluice.recommenders import als
from sluice.recommenders.als import AlsOptions
from sluice.recommenders.interactions import Interactions


def test_als_finds_the_two_tastes(interactions: Interactions) -> None:
    """Even users score the items of even users higher, and the other way round."""
    fitted = als.fit(interactions, AlsOptions(factors=2, regularization=0.1))
    scores = np.stack([fitted.score(user, np.empty(0, np.int32)) for user in range(40)])
    first_six = interactions.items < 106
    even = interactions.users % 2 == 0
    assert scores[even][:, first_six].mean() > scores[even][:, ~first_six].mean()
    assert scores[~even][:, first_six].mean() < scores[~even][:, ~first_six].mean()


def test_without_the_package_the_error_says_how_to_install_it(
    interactions: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is optional; who needs it is told its name."""
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)
    with pytest.raises(DependencyMissingError, match="uv sync --extra als"):
        als.fit(interactions, AlsOptions())
