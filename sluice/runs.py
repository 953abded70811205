"""Prefect's HTTP API as we use it, without Prefect: start a deployment's run, watch it and its stages, end it."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

import httpx
from pydantic import BaseModel, ConfigDict

from sluice.errors import (
    DeploymentNotFoundError,
    RunNotFoundError,
    ServiceRefusedError,
    ServiceUnavailableError,
)
from sluice.settings import PrefectSettings, without_credentials

FINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
# The types of a run that has, or had, a process.
UNDER_WAY = ("PENDING", "RUNNING", "CANCELLING")
# With it Prefect's engine makes its spans of the run in the trace of whoever asked for it.
TRACE_LABEL = "__OTEL_TRACEPARENT"
_TRIES = 8
_PAGE = 200


def all_cached(tasks: Iterable[tuple[str, str, str]]) -> bool | None:
    """Whether a stage had nothing to do: all its tasks but the plan came from the cache. None: not known yet.

    Args:
        tasks: name, type and name of the state of each.
    """
    states = [(kind, state) for name, kind, state in tasks if name.partition("-")[0] != "plan"]
    if not states or any(kind not in FINAL for kind, _ in states):
        return None
    return all(state == "Cached" for _, state in states)


class FlowRun(BaseModel):
    """One run as it is now."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: str
    flow_id: str
    deployment_id: str | None = None
    parent_task_run_id: str | None = None
    work_pool_name: str | None = None
    state_type: str | None = None
    state_name: str | None = None
    state: dict[str, Any] | None = None
    created: datetime
    expected_start_time: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    auto_scheduled: bool = False
    run_count: int = 0
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any] = {}

    @property
    def final(self) -> bool:
        return self.state_type in FINAL

    @property
    def of_schedule(self) -> bool:
        """Whether a schedule made it, or the sweep that catches up with one; otherwise somebody started it."""
        return self.auto_scheduled or "catch-up" in self.tags

    @property
    def completed(self) -> bool:
        return self.state_type == "COMPLETED"

    @property
    def use_case(self) -> str:
        """Empty where the run is of a flow that is not ours."""
        return str(self.parameters.get("use_case", ""))

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
    """A client of one Prefect server. Use it in a ``with`` block; threads may share it.

    Every method raises `ServiceUnavailableError` when the server does not answer, or answers that it cannot, and
    `ServiceRefusedError` when it asks for another user and password.
    """

    def __init__(
        self, url: str, transport: httpx.BaseTransport | None = None, account: tuple[str, str] | None = None
    ) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=15, trust_env=False, transport=transport, auth=account)
        self._flows: dict[str, str] = {}

    @classmethod
    def of(cls, settings: PrefectSettings) -> Self:
        """A client of the server that the settings name, with what it asks for."""
        return cls(settings.url, account=settings.account)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def start(
        self,
        deployment: str,
        parameters: Mapping[str, Any],
        due: datetime | None = None,
        idempotency_key: str = "",
        tags: Sequence[str] = (),
        traceparent: str = "",
    ) -> FlowRun:
        """Start ``flow/use_case``, with these parameters over the deployment's own.

        Args:
            due: when it is to start, or was to; now, if not given.
            idempotency_key: a second call with the same key gives the run that the first one made.
            traceparent: of a trace that the run is to belong to (W3C Trace Context).

        Raises:
            DeploymentNotFoundError: naming those that Prefect has.
        """
        found = self.request("GET", f"/deployments/name/{deployment}", missing_ok=True)
        if found is None:
            raise DeploymentNotFoundError(deployment=deployment, known=", ".join(self.deployments()) or "none")
        when = {} if due is None else {"state_details": {"scheduled_time": due.isoformat()}}
        body = {
            "parameters": {**found["parameters"], **parameters},
            "state": {"type": "SCHEDULED", **when},
            "idempotency_key": idempotency_key or uuid4().hex,  # the request may be sent again
            "tags": [*found["tags"], *tags],
            "labels": {TRACE_LABEL: traceparent} if traceparent else {},
        }
        run = self.request("POST", f"/deployments/{found['id']}/create_flow_run", body)
        return FlowRun.model_validate(run)

    def deployments(self) -> list[str]:
        """Full names, sorted."""
        found = self.every("/deployments/filter")
        return sorted(f"{self.flow_name(deployment['flow_id'])}/{deployment['name']}" for deployment in found)

    def runs_of(self, deployment_id: str, **flow_runs: Any) -> list[FlowRun]:
        """The runs of a deployment that also match Prefect's filter of flow runs, oldest due time first."""
        query = {"flow_runs": {"deployment_id": {"any_": [deployment_id]}, **flow_runs}}
        found = self.every("/flow_runs/filter", {**query, "sort": "EXPECTED_START_TIME_ASC"})
        return [FlowRun.model_validate(run) for run in found]

    def every(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """All that a filter route finds: Prefect gives 200 at once."""
        offset = 0
        while page := self.request("POST", path, {**(query or {}), "limit": _PAGE, "offset": offset}):
            yield from page
            offset += len(page)
            if len(page) < _PAGE:
                return

    def read(self, run_id: str) -> FlowRun:
        """One run.

        Raises:
            RunNotFoundError: also for an id that cannot be one.
        """
        found = self.request("GET", f"/flow_runs/{run_id}", missing_ok=True)
        if found is None:
            raise RunNotFoundError(run=run_id)
        return FlowRun.model_validate(found)

    def children(self, run_id: str) -> list[FlowRun]:
        """The runs that this one started, oldest first."""
        return self._filter({"parent_flow_run_id": {"any_": [run_id]}}, sort="START_TIME_ASC")

    def under_way(self) -> list[FlowRun]:
        """The runs that have, or had, a process; those that wait for their start are not among them."""
        return self._filter({"state": {"type": {"any_": UNDER_WAY}}})

    def cancel(self, run_id: str, message: str = "Cancelled by a person.") -> FlowRun:
        """Have a run ended, and the runs that it started. A run that is over stays as it is. Gives it as it is now."""
        run = self.read(run_id)
        if not run.final:
            # Nothing has to be ended where there is no process yet; else the worker does it and says when it is done.
            began = run.state_type in UNDER_WAY
            self.set_state(run_id, "CANCELLING" if began else "CANCELLED", message)
        return self.read(run_id)

    def set_state(
        self, run_id: str, state_type: str, message: str, name: str = "", due: datetime | None = None
    ) -> None:
        """Ask for a state; Prefect's rules decide whether the run takes it. ``due``: of a state SCHEDULED."""
        state: dict[str, Any] = {"type": state_type, "name": name or state_type.capitalize(), "message": message}
        if due is not None:
            state["state_details"] = {"scheduled_time": due.isoformat()}
        self.request("POST", f"/flow_runs/{run_id}/set_state", {"state": state})

    def flow_name(self, flow_id: str) -> str:
        if flow_id not in self._flows:
            self._flows[flow_id] = self.request("GET", f"/flows/{flow_id}")["name"]
        return self._flows[flow_id]

    def tasks(self, run_id: str) -> list[dict[str, Any]]:
        """The task runs of a run, as Prefect gives them."""
        query = {"task_runs": {"flow_run_id": {"any_": [run_id]}}}
        return list(self.request("POST", "/task_runs/filter", query))

    def unchanged(self, run_id: str) -> bool | None:
        """`all_cached` of a stage's tasks."""
        return all_cached((task["name"], task["state_type"], task["state_name"]) for task in self.tasks(run_id))

    def log(self, run_ids: Iterable[str], level: int = 40, limit: int = 20) -> list[str]:
        """The last lines at or above a level (as in `logging`) of these runs, oldest first."""
        query = {
            "logs": {"flow_run_id": {"any_": list(run_ids)}, "level": {"ge_": level}},
            "sort": "TIMESTAMP_DESC",
            "limit": limit,
        }
        return [line["message"] for line in reversed(self.request("POST", "/logs/filter", query))]

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, missing_ok: bool = False) -> Any:
        """The content of one answer, for what has no method here.

        Args:
            path: below ``/api``.
            missing_ok: None instead of an error where Prefect knows no such thing.
        """
        answer = self.answer(method, path, body)
        # 422 is its answer to an id that is no UUID.
        if missing_ok and answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.UNPROCESSABLE_ENTITY}:
            return None
        if not answer.is_success:
            raise self.unavailable(f"It said {answer.status_code} to {method} {path}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    def unavailable(self, hint: str) -> ServiceUnavailableError:
        """The error for an answer that is none."""
        return ServiceUnavailableError(service="Prefect", address=without_credentials(self._url), hint=hint)

    def answer(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """One answer, whatever it says, for a request whose refusal means something."""
        for attempt in range(_TRIES):
            try:
                answer = self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                hint = f"({error}) Is the stack up? Look: sluice status. Start it: sluice up"
                raise self.unavailable(hint) from None
            # 503 is what it says while SQLite is locked; that passes.
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.05 * 2**attempt)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            hint = "Put user:password, as the server has it, into SLUICE_PREFECT__AUTH."
            raise ServiceRefusedError(service="Prefect", address=without_credentials(self._url), hint=hint)
        return answer

    def _filter(self, flow_runs: Mapping[str, Any], **more: Any) -> list[FlowRun]:
        found = self.request("POST", "/flow_runs/filter", {"flow_runs": flow_runs, **more})
        return [FlowRun.model_validate(run) for run in found]
