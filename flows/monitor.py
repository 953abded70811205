"""monitor: the prediction log, feedback and what the champion was trained on -> ``<use case>_monitor``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.begin import begin
from flows.plan import StagePlan
from flows.stage import StageResult, finish, stage_flow, stage_task, submit

if TYPE_CHECKING:
    from sluice.monitor_findings import Findings


@stage_flow
def monitor(use_case: str) -> StageResult:
    """Whether the champion is asked other things than it was trained on, and how good its answers turned out to be.

    Drift is a population stability index of each column of the logged predictions against the features table that the
    champion was trained on, and of its answers against those that it gives for that table. A recommender is asked for
    users only, so it is looked at how active those are, how many it knows, and how popular what it recommends is, each
    against its own training data. Live quality is measured on outcomes that feedback told, of champion and challenger.
    How far back, and from how many on, is in ``monitor:`` of use_case.yaml. Nothing to compare is said, and no error.
    """
    plan = begin("monitor", use_case, None, resolve)
    found = submit(look, plan)
    kept = submit(keep, plan, found)
    finish(found, kept)
    return StageResult(stage="monitor", ref=None, skipped=False, details=kept.result())


def resolve(use_case: str, given: Mapping[str, Any]) -> dict[str, str]:
    from flows.platform import platform
    from sluice.references import ModelRef

    champion = platform().registry.find(use_case, alias="champion")
    if champion is None:
        return {}
    return {"model": str(ModelRef(name=use_case, version=champion.version)), "run": champion.run_id}


@stage_task(cached=False, name="look")
def look(plan: StagePlan) -> "Findings":
    """Compare; see the flow.

    Raises:
        ServiceUnavailableError: the registry or the document store does not answer.
    """
    from datetime import UTC, datetime

    from flows.monitoring import findings
    from flows.steps import load

    use_case, _ = load(plan)
    return findings(use_case, plan.inputs.get("model"), plan.inputs.get("run", ""), datetime.now(UTC))


@stage_task(cached=False, name="keep")
def keep(plan: StagePlan, found: "Findings") -> dict[str, Any]:
    """Into the document store, where the exporter reads it; older ones go with the retention of runs."""
    from datetime import timedelta

    from flows.artifacts import publish_findings
    from flows.platform import platform
    from sluice.monitor_findings import FindingsStore

    store = FindingsStore(platform().documents, plan.use_case)
    store.put(found)
    store.drop(found.at - timedelta(days=platform().settings.retention.runs_days))
    publish_findings(plan, found)
    highest = max((column.score for column in found.drift.features), default=None)
    return {
        "samples": found.drift.samples,
        "highest_drift": None if highest is None else round(highest, 4),
        "outcomes": {quality.alias: quality.samples for quality in found.quality},
        "notes": list(found.notes),
    }
