"""Health, readiness, metrics, the list of models, and what is at no route."""

import re

import mlflow
import pytest

from tests.serving.conftest import Service
from tests.serving.fakes import FakeRegistry, eventually


def test_readiness_waits_for_required_models(service: Service, registry: FakeRegistry) -> None:
    """Not ready while a required model is missing, which it names; ready once it is there."""
    registry.delete_alias("movies", "champion")
    with service(required=("movies",)) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["missing"] == ["movies"]
        registry.set_alias("movies", "champion", "1")
        eventually(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/readyz").json()["missing"] == []


def test_platform_without_a_champion_is_ready(service: Service, registry: FakeRegistry) -> None:
    """Nothing is required by default, so a service without models takes requests, and says 404."""
    registry.delete_alias("movies", "champion")
    with service() as client:
        assert client.get("/readyz").status_code == 200
        assert client.get("/recommendations/1").status_code == 404


def test_readiness_waits_for_the_first_try_of_configured_models(service: Service, registry: FakeRegistry) -> None:
    """A pod that is still loading gets no traffic yet, though nothing is required."""
    registry.load_seconds = 0.5
    with service(required=("numbers",), models=("movies",)) as client:
        assert client.get("/readyz").status_code == 503
        assert client.get("/livez").status_code == 200
        eventually(lambda: client.get("/readyz").status_code == 200)
        assert [model["name"] for model in client.get("/models").json()["models"]] == ["movies", "numbers"]


def test_mlflow_health_routes_answer_as_mlflow_does(service: Service) -> None:
    """Clients and platforms that know MLflow's server find its health checks."""
    with service() as client:
        assert [(client.get(path).status_code, client.get(path).text) for path in ("/ping", "/health")] == [
            (200, "\n"),
            (200, "\n"),
        ]
        assert client.get("/version").text == mlflow.__version__


def test_models_are_listed_with_version_and_since(service: Service) -> None:
    """The list tells what answers, since when, and from which run."""
    with service(models=("movies", "numbers")) as client:
        listed = client.get("/models").json()["models"]
        one = client.get("/models/movies").json()
    assert [model["name"] for model in listed] == ["movies", "numbers"]
    assert listed[0] == one
    assert (one["version"], one["run_id"], one["refused"]) == ("1", "run1", None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", one["since"])


def test_models_are_loaded_on_first_use(service: Service, registry: FakeRegistry) -> None:
    """A model that no setting names is there as soon as somebody asks."""
    with service() as client:
        assert [model["name"] for model in client.get("/models").json()["models"]] == ["movies"]
        assert client.get("/models/numbers").json()["version"] == "1"
        assert [model["name"] for model in client.get("/models").json()["models"]] == ["movies", "numbers"]


def test_metrics_have_their_names_and_labels(service: Service) -> None:
    """Dashboards and alerts rely on these series."""
    with service() as client:
        client.get("/recommendations/1")
        client.get("/recommendations/2")
        client.get("/recommendations/1?k=0")
        metrics = client.get("/metrics").text
    for series in [
        'http_server_request_duration_seconds_count{http_request_method="GET",'
        'http_response_status_code="200",http_route="/recommendations/{user_id}"} 2.0',
        'http_server_request_duration_seconds_count{http_request_method="GET",'
        'http_response_status_code="422",http_route="/recommendations/{user_id}"} 1.0',
        'sluice_prediction_duration_seconds_count{model="movies",model_version="1"} 2.0',
        'sluice_prediction_failures_total{model="movies",model_version="1"} 0.0',
        'sluice_model_loaded_info{model="movies",model_version="1"} 1.0',
        'sluice_model_load_failures_total{model="movies"} 0.0',
        "sluice_registry_last_success_timestamp_seconds ",
        "process_resident_memory_bytes ",
    ]:
        assert series in metrics
    buckets = re.findall(r'http_server_request_duration_seconds_bucket\{.*?le="([^"]+)"\}', metrics)
    bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, float("inf")]
    assert [float(bound) for bound in buckets[:15]] == bounds


def test_failure_counter_exists_before_the_first_failure(service: Service, registry: FakeRegistry) -> None:
    """`increase()` needs the zero, also for a model whose registry does not answer yet."""
    registry.down = True
    with service() as client:
        assert 'sluice_model_load_failures_total{model="movies"} 0.0' in client.get("/metrics").text


def test_only_the_version_that_answers_is_loaded_in_metrics(service: Service, registry: FakeRegistry) -> None:
    """After a swap the info series of the old version is gone."""
    with service() as client:
        registry.set_alias("movies", "champion", "2")
        eventually(lambda: client.get("/models/movies").json()["version"] == "2")
        metrics = client.get("/metrics").text
    assert re.findall(r'sluice_model_loaded_info\{model="movies",model_version="(\d)"\}', metrics) == ["2"]


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("", "text/plain; version=0.0.4"),
    ],
)
def test_metrics_come_in_the_format_asked_for(service: Service, accept: str, given: str) -> None:
    """Prometheus chooses the format by its Accept header."""
    with service() as client:
        answer = client.get("/metrics", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(given)


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=x",
        "application/openmetrics-text; version=99.0",
        "text/plain; version=",
        "é",
        ",",
    ],
)
def test_unreadable_accept_header_is_no_error(service: Service, accept: str) -> None:
    """A broken scraper's header does not give a 500."""
    with service() as client:
        assert client.get("/metrics", headers={b"accept": accept.encode()}).status_code == 200


def test_unmatched_paths_share_one_series(service: Service) -> None:
    """Somebody who tries addresses cannot make series."""
    with service() as client:
        for number in range(20):
            assert client.get(f"/nothing/{number}").status_code == 404
        metrics = client.get("/metrics").text
    assert (
        'http_server_request_duration_seconds_count{http_request_method="GET",'
        'http_response_status_code="404",http_route="unmatched"} 20.0'
    ) in metrics
    assert "nothing" not in metrics


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("DELETE", "/models", 405),
        ("GET", "/invocations", 405),
        ("GET", "/models/%ED%A0%80", 404),
        ("PUT", "/v2", 405),
        ("GET", "/recommendations", 405),
        ("GET", "/recommendations/1?k=%FF", 422),
    ],
)
def test_errors_of_the_framework_are_problem_documents(service: Service, method: str, path: str, status: int) -> None:
    """Every error has one form, whoever noticed it."""
    with service() as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert set(answer.json()) >= {"type", "title", "status", "detail", "instance"}
    assert ("error" in answer.json()) == (path == "/v2")  # where clients of that protocol look


def test_openapi_document_has_every_route(service: Service) -> None:
    """What is served is documented."""
    with service() as client:
        paths = set(client.get("/openapi.json").json()["paths"])
    assert paths == {
        "/recommendations",
        "/recommendations/items",
        "/recommendations/{user_id}",
        "/invocations",
        "/models",
        "/models/{name}",
        "/models/{name}/predict",
        "/models/movies/predict",
        "/models/{name}/stream",
        "/models/{name}/versions",
        "/models/{name}/versions/{version}/evaluation",
        "/models/{name}/evaluation",
        "/models/{name}/history",
        "/models/{name}/promote",
        "/models/{name}/rollback",
        "/feedback",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/repository/index",
        *(
            f"/v2/models/{{name}}{version}{what}"
            for version in ("", "/versions/{version}")
            for what in ("", "/ready", "/infer")
        ),
        "/ping",
        "/health",
        "/version",
        "/livez",
        "/readyz",
        "/metrics",
        *("/deployments", "/runs", "/runs/{id}", "/runs/{id}/cancel", "/runs/{id}/retry", "/runs/{id}/logs"),
        *("/tasks", "/tasks/names", "/tasks/{id}", "/workers"),
        "/logs",
        "/logs/services",
    }
