"""What can be said about a batch prediction: to the flow ``score``, on the command line and in use_case.yaml."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ScoreOptions(BaseModel):
    """``score:`` in use_case.yaml; a run's own go over these."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    table: str | None = Field(
        None, pattern=r"^[\w-]+(/[\w-]+)+$", description="any table of the lake; features/<use case>, if not given"
    )
    version: int | str | None = Field(None, description="its number, or a moment (ISO 8601); the latest, if not given")
    model_version: int | str = Field("champion", description="a number or an alias")
    predict_params: dict[str, Any] = Field(
        default_factory=dict, description="parameters of the model's predict, such as k of a recommender"
    )
    columns: tuple[str, ...] = Field(
        (), description="what the model reads, in its order; only for a signature that is a matrix without names"
    )
    keep: tuple[str, ...] = Field(
        (), description="the table's columns beside the predictions; the key, or what the model reads of it alone"
    )
    output: str | None = Field(
        None, pattern=r"^scores/[\w-]+$", description="the table that is written; scores/<use case>, if not given"
    )
    chunk_rows: int = Field(10_000, ge=1, description="rows of one call of predict: what bounds memory")
