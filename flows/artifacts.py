"""What a person wants to read of a run, as Prefect artifacts. Made on the cluster, in the task that did the work."""

import base64
import json
import math
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

from flows.plan import StagePlan
from sluice.distribution import Profile
from sluice.errors import UseCaseInvalidError
from sluice.evaluation import DOCUMENT
from sluice.gate import Verdict
from sluice.monitor_findings import Findings
from sluice.references import ModelRef, TableRef
from sluice.use_case import UseCase

Scores = Mapping[str, float]
_SHOWN_CHARACTERS = 20_000


def _key(kind: str, plan: StagePlan) -> str:
    """Artifact keys are lower case letters, digits and dashes."""
    return f"{kind}-{plan.stage}-{plan.use_case}".replace("_", "-")


def publish_profile(plan: StagePlan, ref: TableRef, profile: Profile, details: dict[str, Any]) -> None:
    """Rows, columns, nulls and ranges of the version that a stage wrote, and what ingest refused."""
    from flows.platform import platform
    from flows.profile import profile_table

    create_table_artifact(
        table=profile_table(profile, platform().lake.dataset(ref).schema),
        key=_key("profile", plan),
        description=f"**{ref}**" + "".join(f", {name} {value}" for name, value in details.items()),
    )


def publish_scores(plan: StagePlan, ref: TableRef, spread: list[dict[str, Any]], details: dict[str, Any]) -> None:
    """How the predictions are spread; how many rows, how fast, and which have none for what reason."""
    heading = f"**{ref}**, by {plan.inputs['model']} of {plan.inputs['table']}"
    told = {name.replace("_", " "): value for name, value in details.items() if value}
    create_table_artifact(
        table=spread,
        key=_key("predictions", plan),
        description=heading + "".join(f", {name} {value}" for name, value in told.items()),
    )


def publish_training(plan: StagePlan, ref: ModelRef, chosen: dict[str, Any]) -> None:
    """The registered version, what it was trained on, and the parameters that were chosen."""
    lines = [f"# {ref}", f"Trained on `{plan.inputs['features']}`.", "", "| parameter | value |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in chosen.items()]
    create_markdown_artifact("\n".join(lines), key=_key("model", plan))


def publish_comparison(plan: StagePlan, challenger: Scores, champion: Scores | None, baseline: Scores | None) -> None:
    """The metrics side by side, as a table and as a plot."""
    columns = {"challenger": challenger, "champion": champion, "baseline": baseline}
    rows = [
        {"metric": metric} | {name: _round(scores, metric) for name, scores in columns.items()}
        for metric in sorted(challenger)
    ]
    create_table_artifact(table=rows, key=_key("metrics", plan), description="On the same held-out rows")
    create_image_artifact(
        image_url=_plot({name: scores for name, scores in columns.items() if scores}),
        key=_key("plot", plan),
        description="Metrics on the hold-out",
    )


def publish_verdict(plan: StagePlan, verdict: Verdict) -> None:
    """What the gate decided, with a reason a threshold."""
    outcome = "may become champion" if verdict.passed else "does not become champion"
    lines = [f"# {plan.use_case}@{plan.inputs['challenger']} {outcome}", ""]
    lines += [f"- {reason}" for reason in verdict.reasons]
    create_markdown_artifact("\n".join(lines), key=_key("verdict", plan))


def publish_findings(plan: StagePlan, found: Findings) -> None:
    """Drift as a table; live quality and what could not be compared as a page."""
    drift = found.drift
    create_table_artifact(
        table=[
            {"feature": one.feature, "score": round(one.score, 4), "drifted": one.score > drift.threshold}
            for one in drift.features
        ],
        key=_key("drift", plan),
        description=f"**{plan.use_case}@{found.champion}** against {drift.reference}: {drift.samples} rows, "
        f"threshold {drift.threshold:g}",
    )
    lines = [f"# {plan.use_case}, {found.at:%Y-%m-%d %H:%M} UTC", "", "| alias | version | outcomes | measured |"]
    lines += ["| --- | --- | --- | --- |"]
    for one in found.quality:
        told = ", ".join(f"{name} {value:.4g}" for name, value in one.metrics.items()) or "too few outcomes"
        lines.append(f"| {one.alias} | {one.version} | {one.samples} | {told} |")
    lines += ["", *(f"- {note}" for note in found.notes)]
    create_markdown_artifact("\n".join(lines), key=_key("quality", plan))


def as_json(use_case: UseCase, name: str, content: Any) -> str:
    """What a use case's step ``artifacts`` gave under ``name``.

    Raises:
        UseCaseInvalidError: it holds something that JSON has no form for, such as a NumPy array or NaN, or takes the
            name of the evaluation that Sluice itself writes.
    """
    if name == DOCUMENT:
        problem = f"artifacts gave {name!r}, which is the name of what Sluice makes of it. Choose another one."
        raise UseCaseInvalidError(path=use_case.folder / "steps.py", problem=problem)
    try:
        return json.dumps(content, allow_nan=False)
    except (TypeError, ValueError) as error:
        problem = f"artifacts gave {name!r}, which is not JSON: {error}. Give lists, numbers and text of plain Python."
        raise UseCaseInvalidError(path=use_case.folder / "steps.py", problem=problem) from None


def publish_json(plan: StagePlan, name: str, text: str) -> None:
    """An artifact of the use case, cut where it is too long for a page; the whole is on the MLflow run."""
    whole = f"`evaluation/{name}.json` of the MLflow run of {plan.use_case}@{plan.inputs['challenger']}"
    note = "" if len(text) <= _SHOWN_CHARACTERS else f"The first {_SHOWN_CHARACTERS} characters of {whole}.\n\n"
    create_markdown_artifact(f"{note}```json\n{text[:_SHOWN_CHARACTERS]}\n```", key=_key(name.lower(), plan))


def _round(scores: Scores | None, metric: str) -> float | None:
    value = math.nan if scores is None else scores.get(metric, math.nan)
    return None if math.isnan(value) else round(value, 4)


def _plot(columns: Mapping[str, Scores]) -> str:
    """A bar a metric and model, as a data address: the artifact needs no file server."""
    from matplotlib.figure import Figure

    metrics = sorted({metric for scores in columns.values() for metric in scores if scores[metric] <= 1})
    figure = Figure(figsize=(8, 0.5 + 0.45 * len(metrics)), layout="tight")
    axes = figure.subplots()
    for index, (name, scores) in enumerate(columns.items()):
        offsets = [position + 0.25 * (index - 1) for position in range(len(metrics))]
        axes.barh(offsets, [scores.get(metric, math.nan) for metric in metrics], height=0.25, label=name)
    axes.set_yticks(range(len(metrics)), metrics)
    axes.invert_yaxis()
    axes.legend()
    image = BytesIO()
    figure.savefig(image, format="png", dpi=80)
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode()
