"""Prefect's HTTP API as the command line uses it: start a deployment's run, watch it and its stages, read its log."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

import httpx
from pydantic import BaseModel, ConfigDict

from deployments.errors import DeploymentNotFoundError
from sluice.errors import ServiceUnavailableError

FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
_TRIES = 8


class FlowRun(BaseModel):
    """One run as it is now."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: str
    flow_id: str
    state_type: str | None = None
    state_name: str | None = None
    state: dict[str, Any] | None = None
    created: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def final(self) -> bool:
        return self.state_type in FINAL

    @property
    def completed(self) -> bool:
        return self.state_type == "COMPLETED"

    @property
    def message(self) -> str:
        return (self.state or {}).get("message") or ""

    @property
    def seconds(self) -> float:
        """From its start to its end, or to now; 0 before its start."""
        if self.start_time is None:
            return 0.0
        return ((self.end_time or datetime.now(UTC)) - self.start_time).total_seconds()

    @property
    def wait_seconds(self) -> float:
        """From its submission to its start, or to now."""
        return ((self.start_time or datetime.now(UTC)) - self.created).total_seconds()


class PrefectRuns:
    """A client of one Prefect server. Use it in a ``with`` block."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=15, trust_env=False, transport=transport)
        self._flows: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def start(self, deployment: str, parameters: Mapping[str, Any]) -> FlowRun:
        """Start ``flow/use_case`` now, with these parameters over the deployment's own.

        Raises:
            DeploymentNotFoundError: naming those that Prefect has.
        """
        found = self._request("GET", f"/deployments/name/{deployment}", missing_ok=True)
        if found is None:
            raise DeploymentNotFoundError(deployment=deployment, known=", ".join(self.deployments()) or "none")
        body = {
            "parameters": {**found["parameters"], **parameters},
            "state": {"type": "SCHEDULED"},
            "idempotency_key": uuid4().hex,  # the request may be sent again
        }
        run = self._request("POST", f"/deployments/{found['id']}/create_flow_run", body)
        return FlowRun.model_validate(run)

    def deployments(self) -> list[str]:
        """Full names, sorted."""
        found = self._request("POST", "/deployments/filter", {})
        return sorted(f"{self.flow_name(deployment['flow_id'])}/{deployment['name']}" for deployment in found)

    def read(self, run_id: str) -> FlowRun:
        return FlowRun.model_validate(self._request("GET", f"/flow_runs/{run_id}"))

    def children(self, run_id: str) -> list[FlowRun]:
        """The runs that this one started, oldest first."""
        query = {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}, "sort": "START_TIME_ASC"}
        return [FlowRun.model_validate(run) for run in self._request("POST", "/flow_runs/filter", query)]

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """The task runs of a run, as Prefect gives them."""
        query = {"task_runs": {"flow_run_id": {"any_": [run_id]}}}
        return list(self._request("POST", "/task_runs/filter", query))

    def flow_name(self, flow_id: str) -> str:
        if flow_id not in self._flows:
            self._flows[flow_id] = self._request("GET", f"/flows/{flow_id}")["name"]
        return self._flows[flow_id]

    def log(self, run_ids: list[str], level: int = 40, limit: int = 20) -> list[str]:
        """The last lines at or above a level of these runs, oldest first."""
        query = {
            "logs": {"flow_run_id": {"any_": run_ids}, "level": {"ge_": level}},
            "sort": "TIMESTAMP_DESC",
            "limit": limit,
        }
        return [line["message"] for line in reversed(self._request("POST", "/logs/filter", query))]

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None, missing_ok: bool = False) -> Any:
        """One answer. The server says 503 when SQLite is locked just then; that passes."""
        for attempt in range(_TRIES):
            try:
                answer = self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                hint = f"({error}) Is the stack up? Look: sluice status. Start it: sluice up"
                raise ServiceUnavailableError(service="Prefect", address=self._url, hint=hint) from None
            if answer.status_code == httpx.codes.NOT_FOUND and missing_ok:
                return None
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.05 * 2**attempt)
        if not answer.is_success:
            hint = f"It said {answer.status_code} to {method} {path}: {answer.text[:300]}"
            raise ServiceUnavailableError(service="Prefect", address=self._url, hint=hint)
        return answer.json()
