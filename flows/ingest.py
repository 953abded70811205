"""ingest: source -> ``raw/<use case>``; what breaks the contract goes to ``quarantine/<use case>``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.begin import begin
from flows.plan import StagePlan
from flows.stage import StageResult, finish, stage_flow, stage_task, submit
from sluice.references import TableRef

if TYPE_CHECKING:
    from flows.validation import Checked
    from sluice.dataset import Dataset

# Types below are quoted and heavy imports are inside the tasks: the flow's process carries references only, and a
# stage starts a second sooner when it does not load Polars and Delta Lake.


@stage_flow
def ingest(use_case: str, params: dict[str, Any] | None = None) -> StageResult:
    """Read what is new in the source, refuse what breaks the contract, append the rest as one version."""
    plan = begin("ingest", use_case, params, resolve)
    arrived = submit(read, plan)
    checked = submit(validate, plan, arrived)
    refused = submit(quarantine, plan, checked)
    written = submit(write, plan, checked, refused)
    skipped = finish(arrived, checked, refused, written)
    return StageResult(stage="ingest", ref=written.result(), skipped=skipped, details=refused.result())


def resolve(use_case: str, _given: Mapping[str, Any]) -> dict[str, str]:
    from sluice.sources import open_source
    from sluice.use_case import load_use_case

    return {"source": open_source(load_use_case(use_case).config.source).fingerprint()}


@stage_task(name="read")
def read(plan: StagePlan) -> "Dataset":
    """The source's batches since the last watermark, as they come, one file a batch."""
    from flows.platform import platform
    from flows.steps import load
    from sluice.sources import open_source

    use_case, params = load(plan)
    source = open_source(use_case.config.source)
    staging = platform().lake.staging(f"raw/{plan.use_case}")
    since = platform().lake.watermark(staging.table)
    batches = use_case.steps.ingest(source, params, since)
    return staging.dataset([staging.write(batch, prefix="arrived") for batch in batches])


@stage_task(name="validate")
def validate(plan: StagePlan, arrived: "Dataset") -> "Checked":
    """Each row against the contract, fanned out over the cluster; rows with one key are looked at together."""
    from flows.steps import compute, load
    from flows.validation import check

    use_case, _ = load(plan)
    return check(plan, use_case, arrived, compute(f"raw/{plan.use_case}"))


@stage_task(name="quarantine")
def quarantine(plan: StagePlan, checked: "Checked") -> dict[str, Any]:
    """Keep the refused rows with their reasons; fail when they are too many.

    Raises:
        QuarantineExceededError: the raw table is then not written.
    """
    from flows.platform import platform
    from flows.steps import load
    from flows.validation import summary

    if checked.refused.files:
        platform().lake.commit(checked.refused, key=f"ingest-{plan.key}")
    return summary(load(plan)[0], checked)


@stage_task(name="write")
def write(plan: StagePlan, checked: "Checked", refused: dict[str, Any]) -> TableRef:
    """Commit the accepted rows as the next version of the raw table: all of them, once."""
    from flows.artifacts import publish_profile
    from flows.platform import platform

    metadata = {"sluice.source": plan.inputs["source"], "sluice.quarantined": str(refused["quarantined"])}
    ref = platform().lake.commit(checked.accepted, key=f"ingest-{plan.key}", metadata=checked.metadata | metadata)
    publish_profile(plan, ref, refused)
    return ref
