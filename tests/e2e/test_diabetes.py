"""From measurements to an HTTP answer of a network: the optional Keras variant, through every engine."""

import importlib.util
import time

import httpx
import mlflow
import pandas as pd
import pytest

from sluice.lake import Lake
from sluice.models import open_registry
from sluice.use_case import load_use_case
from tests import runs
from tests.conftest import Stack

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="the extra keras is not installed"),
]

# The search itself is tested with the steps.
SEARCH = {"folds": 2, "repeats": 1, "keras": {"units": [[8]], "l2": [0.01, 0.1]}}


def test_keras_is_trained_gated_and_served(stack: Stack) -> None:
    """``params.model: keras`` in a run of the deployment; the service answers with what the registry's model says."""
    ended = runs.run(stack, "pipeline/diabetes", timeout=400, model="keras", decision={"folds": 2}, search=SEARCH)
    assert ended.completed, ended.message
    registry = open_registry(stack.settings)
    champion = registry.get("diabetes", alias="champion")
    trained = mlflow.MlflowClient(stack.settings.mlflow.uri).get_run(champion.run_id).data.params
    assert trained["model"] == "keras"

    use_case = load_use_case("diabetes")
    lake = Lake.from_settings(stack.settings)
    features = lake.dataset(lake.latest_or_raise("features/diabetes"))
    asked = use_case.steps.example(features, use_case.params())
    address = f"http://{stack.settings.serving.host}:{stack.settings.serving.port}"
    body = {"dataframe_split": asked.to_dict(orient="split", index=False)}
    deadline = time.monotonic() + 240
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        while client.get("/models/diabetes").json().get("version") != champion.version:
            assert time.monotonic() < deadline, client.get("/models/diabetes").text
            time.sleep(0.5)
        answer = client.post("/invocations", params={"model": "diabetes"}, json=body)
    assert answer.status_code == 200, answer.text
    expected = registry.load("diabetes", champion.version).predict(asked)
    assert isinstance(expected, pd.DataFrame)
    given = answer.json()["predictions"]
    assert [row["label"] for row in given] == expected["label"].to_list()
    assert [row["probability"] for row in given] == pytest.approx(expected["probability"].to_list(), rel=1e-5)
