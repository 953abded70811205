"""What a use case says about how its model is served. It travels with each version, as a tag."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# The tag of a version that has it, as JSON.
TAG = "sluice.serving"


class Serving(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    batching: Literal["auto", "on", "off"] = Field(
        "auto", description="requests that come while others are computed go together; auto measures if that helps"
    )
    log_sample: float = Field(1.0, ge=0, le=1, description="share of predictions that are logged")
    log_redact: tuple[str, ...] = Field((), description="columns whose values are not logged")
