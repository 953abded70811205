"""Settings of Dask: where a scheduler is, what the local cluster has, and whether a run has a cluster of its own."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class RunClusterSettings(BaseModel):
    """The group ``SLUICE_DASK__PER_RUN__``. On Kubernetes the chart sets it (``dask.perRun``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: Path | None = Field(
        None,
        description="a DaskCluster as YAML: each run of a stage makes one like it through dask-kubernetes' operator, "
        "with as many workers as resources.workers says; empty: none does",
    )
    start_seconds: float = Field(600, gt=0, description="longest time from there to its first worker; above: failed")
    pod_name: str = Field("", description="the run's pod, with which its cluster is removed; the chart gives it")
    pod_uid: str = Field("", description="that pod's uid")


class DaskSettings(BaseModel):
    """The group ``SLUICE_DASK__``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(
        "",
        description="a scheduler's address; empty makes a local cluster, of the stack or of the run",
    )
    workers: int = Field(2, ge=1, description="worker processes of the local cluster")
    threads: int = Field(1, ge=1, description="threads a worker")
    memory_limit: str = Field("4GiB", description="memory a worker may use before it is restarted")
    scheduler_port: int = Field(8786, description="port of the scheduler that the local stack starts")
    dashboard_port: int = Field(
        8787, description="port of its dashboard, which is never on another address than 127.0.0.1"
    )
    dashboard: str = Field(
        "",
        description="where processes ask the dashboard of a scheduler that is not the stack's; empty: its host, at the "
        "port above",
    )
    ui: str = Field(
        "",
        description="the dashboard as a person's browser reaches it: a proxy that asks who they are; empty: 127.0.0.1",
    )
    exposed: bool = Field(
        False, description="let the local scheduler listen where others reach it, though it asks nobody who they are"
    )
    per_run: RunClusterSettings = RunClusterSettings()

    @field_validator("per_run")
    @classmethod
    def _is_the_only_cluster(cls, per_run: RunClusterSettings, info: ValidationInfo) -> Any:
        if per_run.spec is not None and info.data.get("address"):
            problem = "gives each run a cluster, and SLUICE_DASK__ADDRESS names one that all share: set one of the two"
            raise PydanticCustomError("two_clusters", problem)
        return per_run
