"""pipeline: ingest, features, train, evaluate, each as a deployment run of its own."""

import time
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.deployments import run_deployment
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from flows.deadline import Deadlines
from flows.due import dropped, expired
from flows.evaluate import evaluate
from flows.features import features
from flows.ingest import ingest
from flows.result import publish_result
from flows.stage import StageResult
from flows.time_limits import time_limits
from flows.traced import this_run
from flows.train import train
from flows.tries import one_line_failure, plan_tries
from flows.turn import wait_for_turn
from sluice.errors import StageFailedError
from sluice.limits import Limits
from sluice.references import ModelRef, TableRef

_POLL_SECONDS = 0.25


class StageOutcome(BaseModel):
    """One stage of a pipeline run, as the end table shows it."""

    model_config = ConfigDict(frozen=True)

    stage: str
    run_id: str
    seconds: float
    result: StageResult


class PipelineResult(BaseModel):
    """Every stage in order; the last one's details hold the metrics and the gate's verdict."""

    model_config = ConfigDict(frozen=True)

    use_case: str
    stages: tuple[StageOutcome, ...]


@flow(name="pipeline", flow_run_name="pipeline-{use_case}", persist_result=True)
def pipeline(
    use_case: str,
    params: dict[str, Any] | None = None,
    as_of: int | str | None = None,
    fresh: bool = False,
    inline: bool = False,
    schedule: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
) -> "PipelineResult | State[Any]":
    """From source to champion. Each stage gets the exact version that the one before it wrote.

    Stages that are finished are skipped, so running it again after a failure goes on from the stage that failed.

    Args:
        as_of: train on this version of the raw table instead of ingesting: its number, or a moment (ISO 8601).
        fresh: skip nothing; features, training and evaluation are done again.
        inline: run the stages as subflows in this process, for debugging.
        schedule: the schedule that made this run; one that comes too late for its policy ends at once.
        limits: what the deployment has from use_case.yaml; its time limits hold for the stages too.
    """
    # The run's id: when it is tried again, what it did afresh the first time is done.
    again = {"fresh": str(flow_run.id)} if fresh else {}
    outcomes: list[StageOutcome] = []

    def stage(name: str, **given: Any) -> TableRef | ModelRef:
        started = time.monotonic()
        run = _inline if inline else _deployed
        given |= {"within": within} if (within := kept.within()) else {}
        run_id, result = run(name, {"use_case": use_case, "params": params, **given})
        kept.heard(result.soft_limit_passed)
        outcomes.append(StageOutcome(stage=name, run_id=run_id, seconds=time.monotonic() - started, result=result))
        get_run_logger().info(f"{name}: {result.ref}{' (unchanged, skipped)' if result.skipped else ''}")
        assert result.ref is not None  # only a window may leave nothing
        return result.ref

    name = f"pipeline/{use_case}"
    with this_run(name), one_line_failure() as failed:
        own = Limits.parse(limits)
        if (too_late := dropped(schedule) or expired(own)) is not None:
            return too_late
        plan_tries(own)
        wait_for_turn(name, own)
        if (too_late := expired(own)) is not None:
            return too_late
        with time_limits(Deadlines.begun(name, own)) as kept:
            raw_version = stage("ingest").version if as_of is None else as_of
            built = stage("features", raw_version=raw_version, **again)
            model = stage("train", features_version=built.version, **again)
            stage("evaluate", features_version=built.version, model_version=model.version, **again)
        result = PipelineResult(use_case=use_case, stages=tuple(outcomes))
        publish_result(result)
        return result
    return failed[0]


def _deployed(name: str, parameters: dict[str, Any]) -> tuple[str, StageResult]:
    """On Kubernetes this is a pod of its own."""
    run: Any = run_deployment(f"{name}/{parameters['use_case']}", parameters=parameters, poll_interval=_POLL_SECONDS)
    return str(run.id), _result(name, parameters["use_case"], str(run.id), run.state)


def _inline(name: str, parameters: dict[str, Any]) -> tuple[str, StageResult]:
    stages: dict[str, Any] = {"ingest": ingest, "features": features, "train": train, "evaluate": evaluate}
    state = stages[name](**parameters, return_state=True)
    run_id = str(state.state_details.flow_run_id)
    return run_id, _result(name, parameters["use_case"], run_id, state)


def _result(name: str, use_case: str, run_id: str, state: "State[Any]") -> StageResult:
    if not state.is_completed():
        raise StageFailedError(
            stage=name,
            use_case=use_case,
            state=state.name,
            message=state.message or "It gave no reason.",
            run_id=run_id,
        )
    result: StageResult = state.result()
    return result
