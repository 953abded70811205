"""What our own routes answer with."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class Item(Schema):
    item_id: int | str
    title: str | None = None
    score: float | None = Field(description="higher is better; comparable within one answer only")


class Recommendations(Schema):
    """``known`` is false when the user is new to the model, which then falls back to popularity."""

    prediction_id: str
    model: str
    version: str
    user_id: int | str
    known: bool
    items: list[Item]


class PredictionAnswer(Schema):
    """What any model answers with; each has its own types, which its own path tells."""

    prediction_id: str
    model: str
    version: str
    predictions: list[Any]


class Refused(Schema):
    """The version that the alias names, and why it was not put to use."""

    version: str
    problem: str
    at: datetime


class ModelStatus(Schema):
    """The version that answers and since when; ``version`` is null if only refused ones exist."""

    name: str
    version: str | None
    since: datetime | None
    run_id: str | None
    how: str | None = Field(None, description="how it is computed, and whether requests go together")
    refused: Refused | None = None


class ModelList(Schema):
    models: list[ModelStatus]


class Readiness(Schema):
    """``missing`` are required models that are not loaded."""

    ready: bool
    missing: list[str]
    models: list[ModelStatus]


class Alive(Schema):
    status: str = "alive"
    version: str
