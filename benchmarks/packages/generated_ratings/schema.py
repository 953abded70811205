"""What a generated rating is, and what they are generated with."""

import pandera.polars as pa
import polars as pl
from pydantic import BaseModel, ConfigDict

KEY = ("user_id", "item_id")


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = 20_000_000
    items: int = 10_007  # a prime, so that a user's items are all different whatever the step between them
    damping: float = 25.0
    seed: int = 0


class Schema(pa.DataFrameModel):
    user_id: pl.Int64
    item_id: pl.Int64
    rating: pl.Float64 = pa.Field(ge=0.5, le=5.0)
    timestamp: pl.Int64 = pa.Field(ge=0)
