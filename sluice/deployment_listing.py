"""The deployments that Prefect has: what can be started, with which parameters, and what runs by itself."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sluice.errors import DeploymentNotFoundError
from sluice.runs import PrefectRuns


class ScheduleStatus(BaseModel):
    """When a deployment runs by itself: a cron line, or an interval in seconds."""

    model_config = ConfigDict(frozen=True)

    id: str
    cron: str | None = None
    interval: float | None = None
    timezone: str | None = None
    active: bool
    policy: dict[str, Any] = Field({}, description="what happens to times that were missed")


class DeploymentStatus(BaseModel):
    """A flow of a use case, as it can be started."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="flow/use_case")
    flow: str
    use_case: str
    description: str | None = None
    parameters: dict[str, Any] = Field(description="those that a run has where it is given no others")
    parameters_schema: dict[str, Any] = Field(description="JSON Schema, as Prefect has it")
    schedules: list[ScheduleStatus]
    paused: bool
    tags: list[str] = []
    id: str


class DeploymentListing:
    """Of one Prefect server."""

    def __init__(self, prefect: PrefectRuns) -> None:
        self._prefect = prefect

    def every(self) -> list[DeploymentStatus]:
        """By name.

        Raises:
            ServiceUnavailableError: Prefect does not answer.
        """
        found = (self._status(one) for one in self._prefect.every("/deployments/filter"))
        return sorted(found, key=lambda one: one.name)

    def find(self, name: str) -> DeploymentStatus:
        """
        Raises:
            DeploymentNotFoundError: naming those that there are.
        """
        flow, _, deployment = name.partition("/")
        if "\0" not in name:  # which a database cannot even look for
            query = {"flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": [deployment]}}}
            for found in self._prefect.request("POST", "/deployments/filter", query):
                return self._status(found)
        raise DeploymentNotFoundError(deployment=name, known=", ".join(self._prefect.deployments()) or "none")

    def _status(self, found: dict[str, Any]) -> DeploymentStatus:
        flow = self._prefect.flow_name(found["flow_id"])
        return DeploymentStatus(
            name=f"{flow}/{found['name']}",
            flow=flow,
            use_case=str((found["parameters"] or {}).get("use_case", found["name"])),
            description=found["description"],
            parameters=found["parameters"] or {},
            parameters_schema=found["parameter_openapi_schema"] or {},
            schedules=[_schedule(schedule) for schedule in found["schedules"]],
            paused=found["paused"],
            tags=found["tags"],
            id=found["id"],
        )


def _schedule(found: dict[str, Any]) -> ScheduleStatus:
    when = found["schedule"]
    return ScheduleStatus(
        id=found["id"],
        cron=when.get("cron"),
        interval=when.get("interval"),
        timezone=when.get("timezone"),
        active=found["active"],
        policy=(found.get("parameters") or {}).get("schedule") or {},
    )
