"""The gate: whether a challenger may become champion. Pure: numbers in, a verdict with its reasons out."""

import math
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from sluice.use_case import Threshold


class Verdict(BaseModel):
    """Whether the challenger passed, and one sentence a threshold, met or not."""

    model_config = ConfigDict(frozen=True)

    passed: bool
    reasons: tuple[str, ...]


def decide(
    promote_if: Mapping[str, Threshold], challenger: Mapping[str, float], champion: Mapping[str, float] | None
) -> Verdict:
    """Compare on the same hold-out. Without a champion only ``min`` and ``max`` count.

    A metric that is missing or not a number fails its threshold: silence must not promote a model.
    """
    checks = [
        check for metric, threshold in promote_if.items() for check in _checks(metric, threshold, challenger, champion)
    ]
    return Verdict(passed=all(met for met, _ in checks), reasons=tuple(reason for _, reason in checks))


def _checks(
    metric: str, threshold: Threshold, challenger: Mapping[str, float], champion: Mapping[str, float] | None
) -> list[tuple[bool, str]]:
    value = challenger.get(metric, math.nan)
    if math.isnan(value):
        return [(False, f"{metric} was not measured for the challenger")]
    checks = []
    if threshold.min is not None:
        checks.append((value >= threshold.min, f"{metric} {value:.4f} must be at least {threshold.min:.4f}"))
    if threshold.max is not None:
        checks.append((value <= threshold.max, f"{metric} {value:.4f} must be at most {threshold.max:.4f}"))
    if threshold.beat_champion_by is not None and champion is not None:
        checks.append(_against(metric, threshold, value, champion.get(metric, math.nan)))
    return [(met, f"{reason}: {'yes' if met else 'no'}") for met, reason in checks]


def _against(metric: str, threshold: Threshold, value: float, champion: float) -> tuple[bool, str]:
    assert threshold.beat_champion_by is not None
    gain = value - champion if threshold.higher_is_better else champion - value
    # The tolerance is for the rounding of a subtraction: equal models must meet "beat by 0".
    met = gain >= threshold.beat_champion_by - 1e-12
    return met, (
        f"{metric} {value:.4f} must beat the champion's {champion:.4f} by {threshold.beat_champion_by:+.4f}"
        f" (it does by {gain:+.4f})"
    )
