"""What the demo shows at its end: stages, metrics, and recommendations that the service gave."""

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from rich.markup import escape

from deployments.terminal import console, titled_table
from sluice.errors import ServiceUnavailableError
from sluice.promotions import Promotion, PromotionHistory
from sluice.settings import Settings

if TYPE_CHECKING:
    from flows.pipeline import PipelineResult

KNOWN_USER, UNKNOWN_USER = 1, 99_999_999
_SWAP_SECONDS = 60.0


class Answer(NamedTuple):
    user_id: int
    body: dict[str, Any]


def outcome_of(run_id: str) -> "PipelineResult":
    """What the pipeline's run returned. ``PREFECT_API_URL`` must be set."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        state: Any = client.read_flow_run(run_id).state  # type: ignore[arg-type]
    result: PipelineResult = state.result()
    return result


def champion_of(settings: Settings, name: str) -> Promotion:
    """The reigning version, with its metrics and those of the champion before it on the same hold-out."""
    from sluice.documents import open_documents
    from sluice.errors import ModelNotFoundError
    from sluice.models import open_registry

    champion = PromotionHistory(open_documents(settings), open_registry(settings)).champion(name)
    if champion is None:
        raise ModelNotFoundError(name=name, wanted="with the alias 'champion'", hint="The gate let none through yet.")
    return champion


def ask(serving_url: str, model: str, version: str) -> list[Answer]:
    """Ten recommendations for a known and an unknown user, once the service has taken this version up."""
    with httpx.Client(base_url=serving_url, timeout=30, trust_env=False) as service:
        return [Answer(user, _answer(service, user, model, version)) for user in (KNOWN_USER, UNKNOWN_USER)]


def _answer(service: httpx.Client, user: int, model: str, version: str) -> dict[str, Any]:
    deadline = time.monotonic() + _SWAP_SECONDS
    while True:
        try:
            answer = service.get(f"/recommendations/{user}", params={"k": 10, "model": model})
            body: dict[str, Any] = answer.json()
            if answer.is_success and body["version"] == version:
                return body
            problem = answer.text[:300]
        except (httpx.HTTPError, ValueError) as error:
            problem = str(error)
        if time.monotonic() > deadline:
            hint = f"It did not take up {model}@{version} in {_SWAP_SECONDS:.0f} s: {problem}"
            raise ServiceUnavailableError(service="Serving", address=str(service.base_url), hint=hint)
        time.sleep(0.2)


def print_stages(outcome: "PipelineResult") -> None:
    table = titled_table("stage", "outcome", "seconds", "made", title="Stages")
    for stage in outcome.stages:
        done = "[dim]unchanged, skipped[/dim]" if stage.result.skipped else "[green]done[/green]"
        table.add_row(stage.stage, done, f"{stage.seconds:.1f}", escape(str(stage.result.ref)))
    console.print(table)
    details = outcome.stages[-1].result.details
    verdict = "The gate let it through" if details["promoted"] else "The gate did not promote"
    console.print(f"  {verdict}: {escape('; '.join(details['reasons']) or 'no thresholds are set')}", soft_wrap=True)


def print_metrics(champion: Promotion, outcome: "PipelineResult") -> None:
    """The champion beside the one before it and beside the baseline, on the same held-out rows."""
    baseline: dict[str, float] = outcome.stages[-1].result.details.get("baseline") or {}
    before = f"before: {champion.previous}" if champion.previous else "before: none"
    columns = ("metric", f"champion: {champion.version}", before, "popularity")
    table = titled_table(*columns, title="Metrics on the hold-out")
    for column in table.columns[1:]:
        column.justify = "right"
    for metric in sorted(champion.metrics.keys() | baseline.keys()):
        values = (scores.get(metric) for scores in (champion.metrics, champion.champion_metrics, baseline))
        table.add_row(metric, *("-" if value is None else f"{value:.4f}" for value in values))
    console.print(table)


def print_recommendations(answers: list[Answer]) -> None:
    kinds = [f"user {a.user_id} ({'known' if a.body['known'] else 'unknown, so popular'})" for a in answers]
    table = titled_table("", *kinds, title="Recommendations, over HTTP")
    for rank, items in enumerate(zip(*(answer.body["items"] for answer in answers), strict=False), start=1):
        table.add_row(str(rank), *(escape(item["title"] or str(item["item_id"])) for item in items))
    console.print(table)
