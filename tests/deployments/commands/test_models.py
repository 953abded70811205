"""`sluice models`, `promote`, `rollback` and `history` on the real registry, beside the service that follows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from sluice.mlflow_registry import MlflowRegistry
from sluice.models import CHALLENGER, ModelRegistry, open_registry
from tests.conftest import Stack, sluice

pytestmark = [pytest.mark.integration, pytest.mark.waits]
NAME = "released"
EXAMPLE = pd.DataFrame({"x": [0.0, 1.0, 2.0]})


@pytest.fixture(scope="module")
def registry(stack: Stack) -> ModelRegistry:
    """Three versions of a line through the origin, each steeper than the one before."""
    registry = open_registry(stack.settings)
    for slope in (1, 2, 3):
        fitted = LinearRegression().fit(EXAMPLE, slope * EXAMPLE["x"])
        registry.register(
            fitted, name=NAME, example=EXAMPLE, key=str(slope), params={"slope": slope}, metrics={"error": 1 / slope}
        )
    return registry


@pytest.fixture
def service(stack: Stack, registry: ModelRegistry) -> Iterator[httpx.Client]:
    address = f"http://{stack.settings.serving.host}:{stack.settings.serving.port}"
    with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
        yield client


def told(stack: Stack, *arguments: str) -> Any:
    ended = stack.sluice(*arguments, "--json")
    assert ended.returncode == 0, ended.stdout
    return json.loads(ended.stdout)


def test_a_model_is_released_from_both_sides(stack: Stack, service: httpx.Client) -> None:
    """What one side does, the other sees: history, champion; the service answers with it at once; one refusal."""
    for version in (1, 2, 3):
        made = service.post(f"/models/{NAME}/promote", json={"version": version, "reason": "steeper"}).json()
        assert (made["version"], made["serving"]["version"]) == (str(version), str(version))
        asked = service.post("/invocations", params={"model": NAME}, json={"dataframe_records": [{"x": 10.0}]}).json()
        assert asked["predictions"] == [pytest.approx(10 * version)]
    back = told(stack, "rollback", NAME, "-r", "too steep")
    assert (back["version"], back["previous"], back["reason"], back["rollback"]) == ("2", "3", "too steep", True)
    assert service.post(f"/models/{NAME}/rollback").json()["version"] == "1"
    history = service.get(f"/models/{NAME}/history").json()
    assert [reign["version"] for reign in history] == ["1", "2", "3", "2", "1"]
    refused = stack.sluice("rollback", NAME)
    answer = service.post(f"/models/{NAME}/rollback")
    assert (refused.returncode, answer.status_code) == (1, 409)
    assert answer.json()["detail"] in refused.stdout


@pytest.mark.slow
def test_versions_are_told_alike(stack: Stack, service: httpx.Client) -> None:
    """The command and the route give the same of each version, newest first, and of the history."""
    assert told(stack, "promote", NAME, "1")["version"] == "1"
    over_http = service.get(f"/models/{NAME}/versions").json()
    assert told(stack, "models", NAME) == over_http
    assert [one["version"] for one in over_http] == ["3", "2", "1"]
    assert [one["metrics"] for one in over_http] == [{"error": 1 / 3}, {"error": 0.5}, {"error": 1}]
    assert [one["params"] for one in over_http] == [{"slope": "3"}, {"slope": "2"}, {"slope": "1"}]
    assert [one["aliases"] for one in over_http] == [["challenger"], [], ["champion"]]
    assert all(link.startswith(f"{stack.settings.mlflow.uri}/#/") for link in over_http[0]["links"].values())
    assert [one["version"] for one in told(stack, "models", NAME, "-n", "1")] == ["3"]
    assert "error 0.3333" in stack.sluice("models", NAME).stdout
    assert told(stack, "history", NAME) == service.get(f"/models/{NAME}/history").json()


@pytest.mark.slow
def test_the_list_has_every_model_and_its_champion(stack: Stack, registry: ModelRegistry) -> None:
    """Also one that has none yet."""
    fitted = LinearRegression().fit(EXAMPLE, EXAMPLE["x"])
    registry.register(fitted, name="unreleased", example=EXAMPLE, key="1", params={})
    told(stack, "promote", NAME, "2")
    listed = {one["name"]: one for one in told(stack, "models")}
    assert (listed[NAME]["champion"], listed[NAME]["newest"], listed[NAME]["versions"]) == ("2", "3", 3)
    assert listed[NAME]["metrics"] == {"error": 0.5}
    assert (listed["unreleased"]["champion"], listed["unreleased"]["since"]) == (None, None)
    shown = stack.sluice("models").stdout
    assert "none yet" in shown
    assert "error 0.5" in shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("promote", NAME, "9"), "version 9"),
        (("rollback", NAME, "--to", "9"), "version 9"),
        (("rollback", "unheard_of"), "it has no champion"),
        (("models", "unheard_of"), "Registered: "),
    ],
)
def test_a_refusal_is_one_line_and_exit_code_1(stack: Stack, arguments: tuple[str, ...], said: str) -> None:
    """A script can tell it from a wrong command line, which is 2."""
    ended = stack.sluice(*arguments)
    assert (ended.returncode, said in ended.stdout, len(ended.stdout.splitlines())) == (1, True, 1), ended.stdout


@pytest.mark.slow
def test_a_version_is_sent_to_another_environment(stack: Stack, registry: ModelRegistry, tmp_path: Path) -> None:
    """From the stack's MLflow to another one, where it is challenger; an environment that is not known is one line."""
    prod = f"sqlite:///{tmp_path}/prod.db"
    env = {**stack.env, "SLUICE_MLFLOW__ENVIRONMENTS__PROD": prod}
    ended = sluice("promote", NAME, "2", "--to-env", "prod", "-r", "agreed", "--json", cwd=tmp_path, env=env)
    assert ended.returncode == 0, ended.stdout
    sent = json.loads(ended.stdout[ended.stdout.index("{") :])
    assert (sent["version"], sent["to_version"], sent["to_environment"]) == ("2", "1", "prod")
    there = MlflowRegistry(prod, tmp_path / "cache").get(NAME, alias=CHALLENGER)
    assert there.tags["sluice.from.reason"] == "agreed"
    refused = sluice("promote", NAME, "2", "--to-env", "test", cwd=tmp_path, env=env)
    assert refused.returncode == 1
    assert "no environment 'test'; known: prod" in refused.stdout
