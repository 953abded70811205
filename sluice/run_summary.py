"""A run as the service, the command line and the archive tell of it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class RunSummary(BaseModel):
    """A line of the table of runs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: str
    deployment: str | None = Field(None, description="flow/use_case; null for a run that no deployment made")
    flow: str
    use_case: str = Field("", description="empty for a flow that is not of a use case")
    state: str = Field("", description="its name, such as Late or AwaitingRetry")
    state_type: str = Field(
        "", description="SCHEDULED, PENDING, RUNNING, PAUSED, CANCELLING; final: COMPLETED, FAILED, CRASHED, CANCELLED"
    )
    message: str = ""
    created: datetime
    due: datetime = Field(description="when it was to start; runs are listed by it")
    started: datetime | None = None
    ended: datetime | None = None
    seconds: float = Field(0.0, description="from its start to its end, or to now; 0 before its start")
    tags: list[str] = []
    parent: str | None = Field(None, description="the run that started it")
    links: dict[str, str] = Field({}, description="the same run elsewhere: prefect")


class Stage(BaseModel):
    """A run that a run has started."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    flow: str
    run: str
    state: str = ""
    state_type: str = ""
    message: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    seconds: float = 0.0
    unchanged: bool | None = Field(None, description="whether there was nothing to do; null while that is not known")


class Artifact(BaseModel):
    """What a run, or one of its stages, shows to a person."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str | None = None
    type: str | None = Field(None, description="table, markdown, image, …")
    description: str | None = None
    data: Any = Field(None, description="of a table its rows; of an image its address")
    run: str | None = None


class Run(RunSummary):
    """One run with all that is known of it."""

    parameters: dict[str, Any] = {}
    stages: list[Stage] = Field([], description="the runs it started, oldest first; of a repeated flow the newest")
    unchanged: bool | None = Field(None, description="whether there was nothing to do; null while that is not known")
    result: Any = Field(None, description="what the flow gave: references of what it wrote, and details")
    artifacts: list[Artifact] = []
    tasks: dict[str, int] = Field({}, description="of the run and its stages: how many are in which state")
