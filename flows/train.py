"""train: ``features/<use case>`` -> an MLflow run and a registered version, alias ``challenger``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.begin import begin
from flows.plan import StagePlan
from flows.stage import StageResult, finish, stage_flow, stage_task, submit
from sluice.references import ModelRef

if TYPE_CHECKING:
    from flows.fitted import Fitted
    from sluice.dataset import Dataset


@stage_flow
def train(use_case: str, params: dict[str, Any] | None = None, features_version: int | None = None) -> StageResult:
    """Train on the rows that are not held out and register what comes of it. It serves nobody before the gate."""
    plan = begin("train", use_case, params, resolve, features_version=features_version)
    parts = submit(split, plan)
    chosen = submit(search, plan, parts)
    fitted = submit(fit, plan, parts, chosen)
    logged = submit(log, plan, parts, chosen, fitted)
    skipped = finish(parts, chosen, fitted, logged)
    return StageResult(stage="train", ref=logged.result(), skipped=skipped, details={"params": chosen.result()})


def resolve(use_case: str, given: Mapping[str, Any]) -> dict[str, str]:
    from flows.steps import table_input

    return {"features": table_input(f"features/{use_case}", given.get("features_version"))}


@stage_task(name="split")
def split(plan: StagePlan) -> "tuple[Dataset, Dataset]":
    """Training rows and held-out rows, as filters over one version: nothing is copied."""
    from flows.steps import dataset, load

    use_case, params = load(plan)
    parts: tuple[Dataset, Dataset] = use_case.steps.split(dataset(plan.inputs["features"]), params)
    return parts


@stage_task(name="search")
def search(plan: StagePlan, parts: "tuple[Dataset, Dataset]") -> dict[str, Any]:
    """The use case's hyper-parameter search over the training rows, one Dask task a candidate; gives the parameters."""
    from flows.steps import compute, load

    use_case, params = load(plan)
    steps = use_case.steps
    if not hasattr(steps, "search"):
        return params.model_dump(mode="json")
    chosen = steps.search(parts[0], params, compute(f"models/{plan.use_case}"))
    return dict(chosen.model_dump(mode="json"))


@stage_task(name="fit")
def fit(plan: StagePlan, parts: "tuple[Dataset, Dataset]", chosen: dict[str, Any]) -> "Fitted":
    """Train with the chosen parameters. The model stays in the lake; only its name travels."""
    from flows.fitted import Fitted
    from flows.steps import compute, load

    use_case, _ = load(plan)
    table = f"models/{plan.use_case}"
    params = use_case.steps.Params.model_validate(chosen)
    model = use_case.steps.train(parts[0], params, compute(table))
    return Fitted.save(table, model, use_case)


@stage_task(name="log")
def log(plan: StagePlan, parts: "tuple[Dataset, Dataset]", chosen: dict[str, Any], fitted: "Fitted") -> ModelRef:
    """Log and register the model, once for this plan, with what it was trained on."""
    from flows.artifacts import publish_training
    from flows.platform import platform
    from flows.steps import dataset, load
    from sluice.serving_policy import TAG as SERVING_TAG

    use_case, _ = load(plan)
    params = use_case.steps.Params.model_validate(chosen)
    registered = platform().registry.register(
        fitted.load(),
        name=plan.use_case,
        example=fitted.example(use_case, parts[0], params),
        key=f"train-{plan.key}",
        params=chosen,
        inputs=[dataset(name) for name in (plan.inputs["features"], _raw_of(plan)) if name],
        tags={
            "sluice.features": plan.inputs["features"],
            "sluice.code": plan.code,
            "sluice.plan": plan.key,
            SERVING_TAG: use_case.config.serving.model_dump_json(exclude_defaults=True),
        },
    )
    ref = ModelRef(name=registered.name, version=registered.version)
    publish_training(plan, ref, chosen)
    return ref


def _raw_of(plan: StagePlan) -> str:
    """The version of the raw table that the features were built from; empty if that is not known."""
    from flows.platform import platform
    from sluice.references import TableRef

    ref = TableRef.parse(plan.inputs["features"])
    entries = platform().lake.versions(ref.table)
    return next((entry.metadata.get("sluice.raw", "") for entry in entries if entry.version == ref.version), "")
