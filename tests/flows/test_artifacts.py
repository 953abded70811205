"""What a use case's step ``artifacts`` gives, on its way to MLflow and Prefect."""

import json
from typing import Any

import httpx
import mlflow
import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from flows.artifacts import as_json
from sluice.errors import UseCaseInvalidError
from sluice.evaluation import read_evaluation
from sluice.models import open_registry
from sluice.use_case import load_use_case
from tests import runs
from tests.conftest import Stack


@pytest.mark.parametrize("content", [{"true": np.zeros(2)}, [float("nan")], {"model": object()}])
def test_what_is_not_json_names_the_step_and_the_artifact(content: Any) -> None:
    """A page's script could not read it; the author hears which artifact it is and what to give."""
    with pytest.raises(
        UseCaseInvalidError, match=r"steps\.py: artifacts gave 'labels', which is not JSON: .*plain Python"
    ):
        as_json(load_use_case("tiny"), "labels", content)


@pytest.mark.integration
@pytest.mark.slow
def test_artifacts_are_on_the_mlflow_run_and_in_prefect(stack: Stack) -> None:
    """Whole on the challenger's run, and readable (cut, if long) in Prefect's UI."""
    registry = open_registry(stack.settings)
    if registry.find("tiny", alias="challenger") is None:  # else another test's run made it
        ended = runs.run(stack, "pipeline/tiny", offset=70_000_000)
        assert ended.completed, ended.message
    version = registry.get("tiny", alias="challenger")
    client = MlflowClient(stack.settings.mlflow.uri)
    file = mlflow.artifacts.load_text(f"{client.get_run(version.run_id).info.artifact_uri}/evaluation/ids.json")
    ids = json.loads(file)
    assert len(ids) > 150  # a fifth of 1,000 rows
    asked = {"artifacts": {"key": {"any_": ["ids-evaluate-tiny"]}}, "sort": "CREATED_DESC", "limit": 1}
    found = httpx.post(f"{stack.settings.prefect.url}/artifacts/filter", json=asked, timeout=30).json()
    assert str(ids[0]) in found[0]["data"]
    evaluation = read_evaluation(open_registry(stack.settings), "tiny", version.version)
    assert (evaluation.kind, evaluation.version) == ("metrics", version.version)
    assert evaluation.table.startswith("features/tiny@")
    assert evaluation.metrics == {"error": pytest.approx(0, abs=1e-6)}


def test_the_evaluations_own_name_is_taken() -> None:
    """What Sluice makes of a use case's artifacts must not be overwritten by one of them."""
    with pytest.raises(UseCaseInvalidError, match="artifacts gave 'evaluation', which is the name of"):
        as_json(load_use_case("tiny"), "evaluation", {})
