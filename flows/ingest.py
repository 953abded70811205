"""ingest: source -> ``raw/<use case>``; what breaks the contract goes to ``quarantine/<use case>``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.begin import begin
from flows.plan import StagePlan
from flows.stage import StageResult, finish, stage_flow, stage_task, submit
from sluice.references import TableRef

if TYPE_CHECKING:
    from flows.checked import Checked
    from sluice.arrival import Arrived
    from sluice.distribution import Profile
    from sluice.sources import Source

# Types below are quoted and heavy imports are inside the tasks: the flow's process carries references only, and a
# stage starts a second sooner when it does not load Polars and Delta Lake.


@stage_flow
def ingest(use_case: str, params: dict[str, Any] | None = None, window: dict[str, str] | None = None) -> StageResult:
    """Read what is new in the source, refuse what breaks the contract, append the rest as one version.

    Args:
        window: only rows whose event was from ``start`` until before ``end``, wherever the source was read to.
    """
    plan = begin("ingest", use_case, params, resolve, window=window)
    arrived = submit(read, plan)
    checked = submit(validate, plan, arrived)
    refused = submit(quarantine, plan, checked)
    compared = submit(compare, plan, checked, refused)
    written = submit(write, plan, checked, refused, compared)
    skipped = finish(arrived, checked, refused, compared, written)
    return StageResult(stage="ingest", ref=written.result(), skipped=skipped, details=refused.result())


def resolve(use_case: str, given: Mapping[str, Any]) -> dict[str, str]:
    from flows.platform import platform
    from sluice.window import Window

    if "window" in given:
        window = Window.model_validate(given["window"])
        return {"source": _source(use_case).fingerprint(), "window": window.interval}
    return {"source": _source(use_case).fingerprint(platform().lake.watermark(f"raw/{use_case}"))}


def _source(use_case: str) -> "Source":
    from flows.platform import platform
    from sluice.sources import open_source
    from sluice.use_case import load_use_case

    config = load_use_case(use_case).config.source
    return open_source(config, use_case=use_case, settings=platform().settings, documents=platform().documents)


@stage_task(name="read")
def read(plan: StagePlan) -> "Arrived":
    """The source's batches since the last watermark, or of a window, as they come, in files of one schema."""
    from flows.platform import platform
    from flows.steps import load
    from sluice.arrival import take_in
    from sluice.window import Window

    use_case, params = load(plan)
    source = _source(plan.use_case)
    lake = platform().lake
    raw, quarantine = lake.staging(f"raw/{plan.use_case}"), lake.staging(f"quarantine/{plan.use_case}")
    if "window" in plan.inputs:
        window = Window.parse(plan.inputs["window"])
        batches = (window.holds(batch, use_case.steps.TIME) for batch in use_case.steps.ingest(source, params, None))
    else:
        batches = use_case.steps.ingest(source, params, lake.watermark(raw.table))
    return take_in(batches, source, raw, quarantine, plan.key)


@stage_task(name="validate")
def validate(plan: StagePlan, arrived: "Arrived") -> "Checked":
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
    from flows.steps import compute, load
    from flows.validation import newly_refused, summary

    use_case, _ = load(plan)
    refused = newly_refused(checked.refused, compute(checked.refused.table))
    if refused.files:
        platform().lake.commit(refused, key=f"ingest-{plan.key}")
    return summary(use_case, checked)


@stage_task(name="compare")
def compare(plan: StagePlan, checked: "Checked", refused: dict[str, Any]) -> "Profile":
    """The new rows against those of the last version; unlike ones are told of, or stop the run.

    Raises:
        DistributionShiftedError: a check with the action ``stop`` failed; the raw table is then not written.
    """
    from flows.steps import load
    from flows.validation import judge

    new = checked.profile.model_copy(update={"arrived": refused["new"] + refused["known"]})
    # A window has as many rows as it has, and old ones: it says nothing of the source as it is now.
    if "window" not in plan.inputs:
        judge(load(plan)[0], new)
    return new


@stage_task(name="write")
def write(plan: StagePlan, checked: "Checked", refused: dict[str, Any], new: "Profile") -> TableRef | None:
    """Commit the accepted rows as the next version of the raw table: all of them, once.

    Returns:
        None when a window holds no row and the table has no version yet. A whole source without a row is an error.
    """
    from flows.artifacts import publish_profile
    from flows.platform import platform
    from flows.steps import compute, load
    from flows.validation import PROFILE, check_again, last_profile
    from sluice.errors import TableMovedError, TableNotFoundError

    lake, key = platform().lake, f"ingest-{plan.key}"
    metadata = {"sluice.source": plan.inputs["source"], "sluice.quarantined": str(refused["quarantined"])}
    if "window" in plan.inputs:
        metadata["sluice.window"] = plan.inputs["window"]
    else:
        # What a window read says nothing of how far the source was read.
        metadata |= checked.metadata
    while True:
        profile = last_profile(plan.use_case).merged(new)
        metadata[PROFILE] = profile.model_dump_json()
        try:
            ref = lake.commit(checked.accepted, key=key, metadata=metadata, onto=checked.onto)
        except TableMovedError:
            checked = check_again(load(plan)[0], checked, compute(f"raw/{plan.use_case}"))
            new = checked.profile.model_copy(update={"arrived": new.arrived})
        except TableNotFoundError:
            if "window" not in plan.inputs:
                raise
            return None
        else:
            publish_profile(plan, ref, profile, refused)
            return ref
