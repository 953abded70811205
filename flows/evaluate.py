"""evaluate: the challenger against the champion on the same held-out rows, the gate, and the promotion."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.begin import begin
from flows.plan import StagePlan
from flows.stage import StageResult, finish, stage_flow, stage_task, submit
from sluice.references import ModelRef

if TYPE_CHECKING:
    from sluice.gate import Verdict
    from sluice.models import ModelVersion

Scores = dict[str, float]


@stage_flow
def evaluate(
    use_case: str,
    params: dict[str, Any] | None = None,
    features_version: int | None = None,
    model_version: int | str | None = None,
) -> StageResult:
    """Measure both, decide, and promote when the gate says so. What is measured is cached, the decision never."""
    plan = begin("evaluate", use_case, params, resolve, features_version=features_version, model_version=model_version)
    challenger = submit(score_challenger, plan)
    champion = submit(score_champion, plan)
    baseline = submit(score_baseline, plan)
    skipped = finish(challenger, champion, baseline)
    verdict = submit(gate, plan, challenger, champion)
    reported = submit(report, plan, challenger, champion, baseline)
    decided = submit(promote, plan, verdict, challenger, champion)
    finish(verdict, decided, reported)
    measured = {"challenger": challenger.result(), "champion": champion.result(), "baseline": baseline.result()}
    ref = ModelRef(name=use_case, version=plan.inputs["challenger"])
    return StageResult(stage="evaluate", ref=ref, skipped=skipped, details=measured | decided.result())


def resolve(use_case: str, given: Mapping[str, Any]) -> dict[str, str]:
    from flows.platform import platform
    from flows.steps import table_input
    from sluice.errors import ModelNotFoundError

    registry, promotions = platform().registry, platform().promotions
    promotions.reconcile(use_case)
    wanted = given.get("model_version")
    found = registry.find(use_case, **({"version": str(wanted)} if wanted else {"alias": "challenger"}))
    if found is None:
        described = f"version {wanted}" if wanted else "with the alias 'challenger'"
        raise ModelNotFoundError(name=use_case, wanted=described, hint="Run train first.")
    champion = registry.find(use_case, alias="champion")
    return {
        "features": table_input(f"features/{use_case}", given.get("features_version")),
        "challenger": found.version,
        "champion": "" if champion is None else champion.version,
    }


def _score(plan: StagePlan, model: Any) -> Scores:
    from flows.steps import dataset, load

    use_case, params = load(plan)
    _, holdout = use_case.steps.split(dataset(plan.inputs["features"]), params)
    return {name: float(value) for name, value in use_case.steps.evaluate(model, holdout, params).items()}


def _keep_artifacts(plan: StagePlan, model: Any, version: "ModelVersion", scores: Scores) -> None:
    """What the use case's optional step ``artifacts`` gives: by name, onto the MLflow run and as a Prefect artifact.

    Beside it the version's evaluation, which is made of it and of the metrics: what the service shows of a version.
    """
    from flows.artifacts import as_json, publish_json
    from flows.platform import platform
    from flows.steps import dataset, load
    from sluice.evaluation import DOCUMENT, Evaluation

    use_case, params = load(plan)
    table, registry = plan.inputs["features"], platform().registry
    given: dict[str, Any] = {}
    if hasattr(use_case.steps, "artifacts"):
        _, holdout = use_case.steps.split(dataset(table), params)
        given = use_case.steps.artifacts(model, holdout, params)
    for name, content in given.items():
        text = as_json(use_case, name, content)
        registry.log_json(version, name, text)
        publish_json(plan, name, text)
    evaluation = Evaluation.of(plan.use_case, version.version, table, scores, given)
    registry.log_json(version, DOCUMENT, evaluation.model_dump_json())


@stage_task(name="score challenger")
def score_challenger(plan: StagePlan) -> Scores:
    """The challenger's metrics and artifacts, from the model as it was logged; they go onto its MLflow run too."""
    from flows.platform import platform

    registry = platform().registry
    model = registry.load(plan.use_case, plan.inputs["challenger"])
    scores = _score(plan, model)
    version = registry.find(plan.use_case, version=plan.inputs["challenger"])
    assert version is not None
    registry.log_metrics(version, scores)
    _keep_artifacts(plan, model, version, scores)
    return scores


@stage_task(name="score champion")
def score_champion(plan: StagePlan) -> Scores | None:
    """The champion's metrics on the challenger's hold-out; None when there is no champion."""
    from flows.platform import platform

    if not plan.inputs["champion"]:
        return None
    return _score(plan, platform().registry.load(plan.use_case, plan.inputs["champion"]))


@stage_task(name="score baseline")
def score_baseline(plan: StagePlan) -> Scores | None:
    """The use case's baseline, fitted on the same training rows; None when it has none."""
    from flows.steps import compute, dataset, load

    use_case, params = load(plan)
    if not hasattr(use_case.steps, "baseline"):
        return None
    train, _ = use_case.steps.split(dataset(plan.inputs["features"]), params)
    model = use_case.steps.baseline(train, params, compute(f"models/{plan.use_case}"))
    return _score(plan, model)


@stage_task(cached=False, name="gate")
def gate(plan: StagePlan, challenger: Scores, champion: Scores | None) -> "Verdict":
    """Whether the challenger may become champion. Never cached: thresholds and champion may have changed."""
    from flows.artifacts import publish_verdict
    from flows.steps import load
    from sluice.gate import Verdict, decide

    use_case, _ = load(plan)
    if plan.inputs["challenger"] == plan.inputs["champion"]:
        verdict = Verdict(passed=False, reasons=("the challenger is the champion already",))
    else:
        verdict = decide(use_case.config.promote_if, challenger, champion)
    publish_verdict(plan, verdict)
    return verdict


@stage_task(cached=False, name="report")
def report(plan: StagePlan, challenger: Scores, champion: Scores | None, baseline: Scores | None) -> None:
    """The metrics side by side, for a person; beside the gate, which does not wait for it."""
    from flows.artifacts import publish_comparison

    if plan.inputs["challenger"] != plan.inputs["champion"]:
        publish_comparison(plan, challenger, champion, baseline)


@stage_task(cached=False, name="promote")
def promote(plan: StagePlan, verdict: "Verdict", challenger: Scores, champion: Scores | None) -> dict[str, Any]:
    """Move the alias and write the history, if the gate let the challenger through."""
    from prefect.runtime import flow_run

    from flows.platform import platform

    if verdict.passed:
        platform().promotions.promote(
            plan.use_case,
            plan.inputs["challenger"],
            by=f"flow run {flow_run.id}",
            reason="; ".join(verdict.reasons) or "no thresholds are set",
            metrics=challenger,
            champion_metrics=champion or {},
        )
    previous = plan.inputs["champion"]
    return {"promoted": verdict.passed, "reasons": list(verdict.reasons), "previous": previous or None}
