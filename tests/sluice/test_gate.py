"""The gate's decisions."""

import math

import pytest

from sluice.gate import decide
from sluice.use_case import Threshold


def test_without_a_champion_only_absolute_bounds_count() -> None:
    """The first model has nobody to beat."""
    verdict = decide({"ndcg": Threshold(min=0.3, beat_champion_by=0.1)}, {"ndcg": 0.31}, None)
    assert verdict.passed
    assert verdict.reasons == ("ndcg 0.3100 must be at least 0.3000: yes",)


@pytest.mark.parametrize(
    ("threshold", "challenger", "champion", "passed"),
    [
        (Threshold(min=0.5), 0.49, 0.1, False),
        (Threshold(max=0.5), 0.51, 0.1, False),
        (Threshold(beat_champion_by=0.01), 0.305, 0.3, False),
        (Threshold(beat_champion_by=0.01), 0.31, 0.3, True),
        (Threshold(beat_champion_by=0.0), 0.3, 0.3, True),
        (Threshold(beat_champion_by=-0.01), 0.295, 0.3, True),
        (Threshold(beat_champion_by=0.1, higher_is_better=False), 0.3, 0.5, True),
        (Threshold(beat_champion_by=0.1, higher_is_better=False), 0.45, 0.5, False),
    ],
)
def test_bounds_and_margins(threshold: Threshold, challenger: float, champion: float, passed: bool) -> None:
    """Each bound decides alone, in the direction that is better."""
    assert decide({"m": threshold}, {"m": challenger}, {"m": champion}).passed is passed


@pytest.mark.parametrize("measured", [{}, {"m": math.nan}])
def test_a_metric_that_was_not_measured_does_not_pass(measured: dict[str, float]) -> None:
    """Silence must not promote a model."""
    assert not decide({"m": Threshold(min=0)}, measured, None).passed


def test_a_champion_without_the_metric_is_not_beaten() -> None:
    """A comparison with nothing fails, and the reason says so."""
    assert not decide({"m": Threshold(beat_champion_by=0)}, {"m": 1.0}, {}).passed
