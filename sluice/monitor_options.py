"""What a use case says about watching its model: to the flow ``monitor``, and to the alerts through the exporter."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# Of the measures of live quality, those of which more is better: a floor can hold for no other.
Measure = Literal["accuracy", "roc_auc", "r2", "acceptance"]


class Outcome(BaseModel):
    """``monitor.outcome``: how to read what feedback tells. Each names a key of the outcome, if that is an object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str | None = Field(None, description="the true label or number; the outcome itself, if not given")
    accepted: str | None = Field(
        None, description="of a recommender: true where it was taken up; the outcome itself, if not given"
    )
    value: str | None = Field(None, description="of a recommender: what an accepted recommendation brought, a number")


class Monitor(BaseModel):
    """``monitor:`` in use_case.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    window_hours: float = Field(
        168, gt=0, description="how far back predictions and feedback are looked at: a week, so that weekdays even out"
    )
    drift_warn: float = Field(
        0.2, gt=0, description="a population stability index above this is drift, and an alert; 0.1 is some, 0.25 much"
    )
    min_samples: int = Field(200, ge=20, description="predictions below which nothing is said of drift")
    top_features: int = Field(10, ge=1, le=50, description="features that are told of: those that drifted most")
    min_feedback: int = Field(50, ge=10, description="outcomes below which nothing is said of live quality")
    live_quality: dict[Measure, float] = Field(
        default_factory=dict, description="what the champion must reach on outcomes, per measure; below it, an alert"
    )
    max_age: float | None = Field(None, gt=0, description="seconds after its training that a champion counts as stale")
    features_max_age: float | None = Field(
        None, gt=0, description="seconds after its last version that the features table counts as stale"
    )
    outcome: Outcome = Outcome()
