"""A run that somebody asks for: checked before anything starts, and made once however often it is asked for."""

import difflib
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import uuid4

from sluice.deployment_listing import DeploymentListing, DeploymentStatus
from sluice.errors import DeploymentNotFoundError, InputInvalidError
from sluice.runs import TRACE_LABEL, FlowRun, PrefectRuns

MOST_LEVELS = 32
# What Prefect does not take as it stands: templates, its variables, its blocks.
_PREFECTS_OWN = ("__prefect_kind", "$ref")
_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
_FIELD = re.compile(r"Validation failed for field '(?P<field>.*?)'\. Failure reason: (?P<problem>.*)", re.DOTALL)
_LONGEST_PROBLEM = 500


class Started(NamedTuple):
    """``made`` is false where the idempotency key had made the run before."""

    run: FlowRun
    made: bool


class RunRequest(NamedTuple):
    """``by`` is who asks; ``traceparent`` is of a trace that the run is to belong to (W3C Trace Context)."""

    deployment: str
    parameters: Mapping[str, Any]
    by: str
    idempotency_key: str = ""
    traceparent: str = ""


def start(prefect: PrefectRuns, asked: RunRequest) -> Started:
    """Start a deployment's run.

    A key is the caller's own, for one deployment: the same again gives the run that it made.

    Raises:
        DeploymentNotFoundError: naming those that there are.
        InputInvalidError: naming the parameter that is wrong, or the key that was used for other parameters.
        ServiceUnavailableError: Prefect does not answer.
    """
    deployment = DeploymentListing(prefect).find(asked.deployment)
    _check_names(deployment, asked.parameters)
    _check_values(asked.parameters)
    parameters = {**deployment.parameters, **asked.parameters}
    key = f"{asked.deployment} {asked.by} {asked.idempotency_key}" if asked.idempotency_key else uuid4().hex
    body: dict[str, Any] = {
        "parameters": parameters,
        "state": {"type": "SCHEDULED"},
        "idempotency_key": key,
        "tags": [*deployment.tags, f"by:{asked.by}"],
        "labels": {TRACE_LABEL: asked.traceparent} if asked.traceparent else {},
    }
    if deployment.parameters_schema.get("properties"):
        body["enforce_parameter_schema"] = True
    answer = prefect.answer("POST", f"/deployments/{deployment.id}/create_flow_run", body)
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise DeploymentNotFoundError(deployment=asked.deployment, known="others; this one was just removed")
    if answer.status_code in _REFUSED:
        raise _refused(_said(answer.json()))
    if not answer.is_success:
        raise prefect.unavailable(f"It said {answer.status_code} to a new run: {answer.text[:300]}")
    run = FlowRun.model_validate(answer.json())
    made = answer.status_code == HTTPStatus.CREATED
    if not made and run.parameters != parameters:
        problem = f"made the run {run.id} with other parameters. Take another key for another run."
        raise InputInvalidError(field="idempotency_key", problem=problem)
    return Started(run, made)


def _check_names(deployment: DeploymentStatus, parameters: Mapping[str, Any]) -> None:
    """Prefect itself finds a wrong name when the run has started."""
    schema = deployment.parameters_schema
    allowed = sorted(schema.get("properties") or {})
    for name in parameters:
        if allowed and name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            meant = f" Did you mean {close[0]!r}?" if close else ""
            problem = f"there is no such parameter.{meant} {deployment.name} has: {', '.join(allowed)}"
            raise InputInvalidError(field=f"parameters.{name}", problem=problem)
    own = deployment.parameters.get("use_case")
    if own is not None and parameters.get("use_case", own) != own:
        problem = f"{deployment.name} is for {own!r}. Start the deployment of the other use case."
        raise InputInvalidError(field="parameters.use_case", problem=problem)
    for name in schema.get("required") or ():
        if name not in parameters and name not in deployment.parameters:
            raise InputInvalidError(field=f"parameters.{name}", problem="is missing.")


def _check_values(parameters: Mapping[str, Any]) -> None:
    """What no database of Prefect's takes, or what Prefect would not take as it stands."""
    waiting: list[tuple[str, Any, int]] = [("parameters", parameters, 1)]
    while waiting:
        field, value, level = waiting.pop()
        if level > MOST_LEVELS:
            raise InputInvalidError(field="parameters", problem=f"has more than {MOST_LEVELS} levels.")
        if isinstance(value, str):
            _check_text(field, value)
        elif isinstance(value, list):
            waiting += [(f"{field}.{number}", item, level + 1) for number, item in enumerate(value)]
        elif isinstance(value, Mapping):
            for name, item in value.items():
                _check_text(field, name)
                if name in _PREFECTS_OWN:
                    raise InputInvalidError(field=field, problem=f"has {name!r}, which is Prefect's own.")
                waiting.append((f"{field}.{name}", item, level + 1))


def _check_text(field: str, text: str) -> None:
    if "\0" in text:
        raise InputInvalidError(field=field, problem="has a NUL character, which cannot be kept.")


def _said(refusal: Mapping[str, Any]) -> str:
    """In Prefect's answer: a sentence, or what pydantic found."""
    detail = refusal.get("detail") or refusal.get("exception_detail") or "Prefect refuses them."
    return detail if isinstance(detail, str) else "; ".join(str(one.get("msg", one)) for one in detail)


def _refused(detail: str) -> InputInvalidError:
    """Prefect's own words, which name the field as JSON Path does."""
    found = _FIELD.search(detail)
    if found is None:
        return InputInvalidError(field="parameters", problem=detail[:_LONGEST_PROBLEM])
    return InputInvalidError(field=f"parameters.{found['field']}", problem=found["problem"][:_LONGEST_PROBLEM])
