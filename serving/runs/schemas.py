"""What the routes of runs take, and answer with."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from serving.schemas import Schema
from sluice.deployment_listing import DeploymentStatus
from sluice.run_logs import LogLine
from sluice.run_summary import RunSummary

# Printable, so that it may come as a header.
Key = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$", max_length=200)]


class RunBody(BaseModel):
    """A run that is wanted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"deployment": "pipeline/movies", "parameters": {"fresh": True}}},
    )

    deployment: str = Field(max_length=256, description="flow/use_case; GET /deployments lists them")
    parameters: dict[str, Any] = Field({}, description="over the deployment's own")
    idempotency_key: Key | None = Field(None, description="the same key again gives the same run; or as a header")


class RunList(Schema):
    """``next`` is the cursor of the next page; null on the last one."""

    runs: list[RunSummary]
    next: str | None


class LineList(Schema):
    """Oldest first; ``next`` as in the list of runs."""

    lines: list[LogLine]
    next: str | None


class DeploymentList(Schema):
    deployments: list[DeploymentStatus]


class RunQuery(BaseModel):
    """The query of GET /runs."""

    model_config = ConfigDict(frozen=True)

    deployment: str | None = None
    flow: str | None = None
    use_case: str | None = None
    state: str | None = None
    since: str | None = None
    until: str | None = None
    parent: str | None = None
    limit: int = 50
    cursor: str = ""
