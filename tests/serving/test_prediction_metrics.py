"""What the service counts of predictions: requests, fallbacks, and the answers' values."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prometheus_client import CollectorRegistry

from serving.answer_value import first_value
from serving.metrics import ServingMetrics
from tests.serving import fakes
from tests.serving.conftest import Service
from tests.serving.fakes import FakeRegistry


def series(metrics: str, name: str) -> dict[str, float]:
    """By its labels, those of one metric."""
    return {labels: float(value) for labels, value in re.findall(rf"^{name}\{{(.*)\}} (\S+)$", metrics, re.MULTILINE)}


def test_requests_count_by_model_version_and_class(service: Service) -> None:
    """Zeros from the first moment on; what names a model counts, whoever is to blame."""
    with service() as client:
        before = series(client.get("/metrics").text, "sluice_prediction_requests_total")
        client.get("/recommendations/1")
        client.get("/recommendations/1?k=0")
        client.post("/models/movies/predict", json={"rows": [{"user_id": 1}]})
        client.post("/models/movies/predict", json={"rows": [{"user_id": "x"}]})
        client.post("/models/nobody/predict", json={"rows": [{"user_id": 1}]})
        client.get("/v2/models/movies")
        found = series(client.get("/metrics").text, "sluice_prediction_requests_total")
    movies = 'code="{}",model="movies",model_version="1"'
    assert before[movies.format("5xx")] == before[movies.format("2xx")] == 0
    assert (found[movies.format("2xx")], found[movies.format("4xx")], found[movies.format("5xx")]) == (2, 2, 0)
    assert not [labels for labels in found if "nobody" in labels]


def test_a_model_that_cannot_be_loaded_counts_without_a_version(service: Service, registry: FakeRegistry) -> None:
    """Its callers get a 503, which is what a service level is about."""
    registry.set_alias("movies", "champion", "4")
    with service() as client:
        assert client.get("/recommendations/1").status_code == 503
        found = series(client.get("/metrics").text, "sluice_prediction_requests_total")
    assert found['code="5xx",model="movies",model_version=""'] == 1


def test_a_name_that_a_client_typed_is_no_label() -> None:
    """Also while the registry does not say whether there is such a model; one that is known counts."""
    registry = CollectorRegistry()
    metrics = ServingMetrics(registry)
    metrics.known("movies")
    for name in ("movies", "typed"):
        metrics.unanswered(name, 503)
    counted = {"code": "5xx", "model_version": ""}
    assert registry.get_sample_value("sluice_prediction_requests_total", {**counted, "model": "movies"}) == 1
    assert registry.get_sample_value("sluice_prediction_requests_total", {**counted, "model": "typed"}) is None


def test_an_unknown_user_is_a_fallback(service: Service) -> None:
    """Popular items are an answer, and not what the model is for."""
    with service() as client:
        client.get("/recommendations/1")
        before = series(client.get("/metrics").text, "sluice_recommendation_fallbacks_total")
        client.get("/recommendations/999999999")
        found = series(client.get("/metrics").text, "sluice_recommendation_fallbacks_total")
    labels = 'model="movies",model_version="1"'
    assert (before[labels], found[labels]) == (0, 1)


def test_answers_that_are_numbers_have_a_distribution(service: Service, registry: FakeRegistry, tmp_path: Path) -> None:
    """One value a request, however many rows; lists of items have none."""
    registry.add("halves", "1", fakes.save(tmp_path / "halver", fakes.Halver(), fakes.DOUBLER, fakes.ROWS))
    with service() as client:
        for x in (0.2, 0.9, 12.0):
            row = {"x": x, "label": "a"}
            assert client.post("/models/halves/predict", json={"rows": [row, row]}).status_code == 200
        client.get("/recommendations/1")
        metrics = client.get("/metrics").text
    counts = series(metrics, "sluice_prediction_value_count")
    assert counts['model="halves",model_version="1"'] == 3
    assert counts.get('model="movies",model_version="1"', 0) == 0
    buckets = series(metrics, "sluice_prediction_value_bucket")
    assert buckets['le="0.5",model="halves",model_version="1"'] == 2


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (np.array([0.5, 0.7]), 0.5),
        (np.array([[2], [3]]), 2.0),
        (np.array([[1.0, 2.0]]), None),
        (np.array([np.nan]), None),
        (np.array(["a"]), None),
        (np.array([]), None),
        (pd.DataFrame({"label": [1], "probability": [0.25]}), 0.25),
        (pd.DataFrame({"anything": [7]}), 7.0),
        (pd.DataFrame({"user_id": [7], "titles": [["a"]]}), None),
        (pd.DataFrame({"item_ids": [[1, 2]]}), None),
        (pd.DataFrame({"a": []}), None),
        (pd.Series([3, 4]), 3.0),
        ([True], 1.0),
        (["text"], None),
        ([], None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_a_value_is_one_number_or_none(answer: Any, value: float | None) -> None:
    """Whatever a model gives, and never an error: it would be the request's."""
    assert first_value(answer) == value
