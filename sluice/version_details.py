"""A registered version as a person compares it with others: numbers, parameters, data, and where MLflow shows it."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from sluice.models import ModelRegistry, ModelRun, ModelVersion, TrainedOn
from sluice.settings import without_credentials


class VersionDetails(BaseModel):
    """Metrics and params are those of the MLflow run; a metric that is not a finite number is null in JSON."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    aliases: tuple[str, ...]
    created: datetime
    run_id: str
    metrics: dict[str, float | None]
    params: dict[str, str]
    tags: dict[str, str]
    inputs: tuple[TrainedOn, ...]
    links: dict[str, str]


def describe(registry: ModelRegistry, versions: Sequence[ModelVersion], uri: str) -> list[VersionDetails]:
    """In the order of ``versions``. ``uri`` is MLflow's address; one that is no web address gives no links."""
    runs = registry.runs(versions)
    return [_described(version, runs.get(version.run_id), uri) for version in versions]


def _described(version: ModelVersion, run: ModelRun | None, uri: str) -> VersionDetails:
    return VersionDetails(
        name=version.name,
        version=version.version,
        aliases=version.aliases,
        created=version.created_at,
        run_id=version.run_id,
        metrics=dict(run.metrics) if run else {},
        params=run.params if run else {},
        tags=version.tags,
        inputs=run.inputs if run else (),
        links=_links(version, run, uri),
    )


def _links(version: ModelVersion, run: ModelRun | None, uri: str) -> dict[str, str]:
    if not uri.startswith(("http://", "https://")):
        return {}
    pages = f"{without_credentials(uri).rstrip('/')}/#"
    links = {"mlflow": f"{pages}/models/{quote(version.name, safe='')}/versions/{version.version}"}
    if run is not None:
        links["run"] = f"{pages}/experiments/{run.experiment_id}/runs/{run.run_id}"
    return links
