"""features: ``raw/<use case>`` -> ``features/<use case>``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.begin import begin
from flows.plan import StagePlan
from flows.stage import StageResult, finish, stage_flow, stage_task, submit
from sluice.references import TableRef

if TYPE_CHECKING:
    from sluice.dataset import Dataset


@stage_flow
def features(use_case: str, params: dict[str, Any] | None = None, raw_version: int | str | None = None) -> StageResult:
    """Compute the features of one version of the raw table.

    Args:
        raw_version: its number, or a moment (ISO 8601) for the newest one then; the latest, if not given.
    """
    plan = begin("features", use_case, params, resolve, raw_version=raw_version)
    built = submit(build, plan)
    written = submit(write, plan, built)
    skipped = finish(built, written)
    return StageResult(stage="features", ref=written.result(), skipped=skipped)


def resolve(use_case: str, given: Mapping[str, Any]) -> dict[str, str]:
    from flows.steps import table_input

    return {"raw": table_input(f"raw/{use_case}", given.get("raw_version"))}


@stage_task(name="build")
def build(plan: StagePlan) -> "Dataset":
    """The use case's build_features, partition by partition on the cluster; files are written, not committed."""
    from flows.steps import compute, dataset, load

    use_case, params = load(plan)
    built: Dataset = use_case.steps.build_features(
        dataset(plan.inputs["raw"]), params, compute(f"features/{plan.use_case}")
    )
    return built


@stage_task(name="write")
def write(plan: StagePlan, built: "Dataset") -> TableRef:
    """Commit the features as a version of their own, which names the raw version it came from, and serve its values."""
    from flows.artifacts import publish_profile
    from flows.platform import platform
    from flows.steps import compute
    from flows.validation import profiled

    metadata = {"sluice.raw": plan.inputs["raw"]}
    ref = platform().lake.commit(built, key=f"features-{plan.key}", mode="overwrite", metadata=metadata)
    publish_profile(plan, ref, profiled(built, compute(ref.table)), _write_online(plan, ref))
    return ref


def _write_online(plan: StagePlan, ref: TableRef) -> dict[str, Any]:
    """The latest values of each entity into the document store, for a use case that has the step ``online``."""
    from flows.platform import platform
    from flows.steps import load
    from sluice.online import OnlineFeatures

    use_case, params = load(plan)
    if not hasattr(use_case.steps, "online"):
        return {}
    values = use_case.steps.online(platform().lake.dataset(ref), params)
    store = OnlineFeatures(platform().documents, plan.use_case, use_case.steps.ENTITY)
    return {"entities online": store.write(values, ref)}
