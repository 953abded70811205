"""A version goes from one environment's MLflow to another's: two real registries, each with a database of its own."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from pydantic import SecretStr
from sklearn.linear_model import LinearRegression

from sluice.errors import ModelNotFoundError
from sluice.mlflow_registry import MlflowRegistry
from sluice.model_transfer import EnvironmentUnknownError, transfer
from sluice.models import CHALLENGER, ModelVersion
from sluice.settings import MlflowSettings, Settings

EXAMPLE = pd.DataFrame({"x": [0.0, 1.0, 2.0]})


@pytest.fixture
def settings(mlflow_database: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)  # artifacts go into the working directory
    addresses = {}
    for environment in ("dev", "prod"):
        (tmp_path / f"{environment}.db").write_bytes(mlflow_database)
        addresses[environment] = f"sqlite:///{tmp_path}/{environment}.db"
    mlflow = MlflowSettings(uri=addresses["dev"], environments={"prod": SecretStr(addresses["prod"])})
    return Settings(home=tmp_path / "home", env="dev", mlflow=mlflow)


@pytest.fixture
def made(settings: Settings) -> ModelVersion:
    """The second version of a line; the first one has another slope."""
    for slope in (1.0, 2.0):
        found = registry(settings).register(
            LinearRegression().fit(EXAMPLE, slope * EXAMPLE["x"]),
            name="line", example=EXAMPLE, key=str(slope), params={"slope": slope}, metrics={"error": 0.5},
            tags={"sluice.features": "features/line@3", "team": "shop"},
        )  # fmt: skip
    return found


def registry(settings: Settings, environment: str = "") -> MlflowRegistry:
    uri = settings.mlflow.environments[environment].get_secret_value() if environment else settings.mlflow.uri
    return MlflowRegistry(uri, settings.home / "seen" / environment)


def send(settings: Settings, version: str = "2", **given: Any) -> Any:
    return transfer(settings, "line", version, **{"to_environment": "prod", "by": "ada", "reason": "agreed", **given})


def test_the_other_environment_has_it_as_challenger(settings: Settings, made: ModelVersion) -> None:
    """The same files and answers; its run has what its run here has, and tags say where it is from."""
    sent = send(settings)
    assert (sent.version, sent.to_version, sent.environment, sent.to_environment) == ("2", "1", "dev", "prod")
    prod = registry(settings, "prod")
    there = prod.get("line", alias=CHALLENGER)
    run = prod.runs([there])[there.run_id]
    assert (run.params, run.metrics) == ({"slope": "2.0"}, {"error": 0.5})
    assert there.tags["sluice.features"] == "features/line@3"
    assert {tag.removeprefix("sluice.from."): value for tag, value in there.tags.items() if ".from." in tag} == {
        "environment": "dev", "version": "2", "run": made.run_id, "registry": settings.mlflow.uri,
        "by": "ada", "reason": "agreed",
    }  # fmt: skip
    assert np.allclose(prod.load("line", "1").predict(EXAMPLE), [0, 2, 4])
    assert content(prod.files(there)) == content(registry(settings).files(made))


def test_it_is_there_once_however_often_it_is_sent(settings: Settings, made: ModelVersion) -> None:
    """A command that was repeated makes no second version, and another version of here is another one there."""
    assert [send(settings).to_version, send(settings).to_version, send(settings, "1").to_version] == ["1", "1", "2"]
    assert len(registry(settings, "prod").versions("line")) == 2


def test_what_is_not_known_is_said_before_anything_is_made(settings: Settings, made: ModelVersion) -> None:
    """No environment of that name, no version of that number: the message says what to do."""
    with pytest.raises(EnvironmentUnknownError, match=r"'test'; known: prod\. .*SLUICE_MLFLOW__ENVIRONMENTS"):
        send(settings, to_environment="test")
    with pytest.raises(ModelNotFoundError, match="version 7"):
        send(settings, "7")
    assert registry(settings, "prod").names() == []


def test_a_transfer_that_fails_leaves_nothing(
    settings: Settings, made: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next one works."""
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "create_model_version", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            send(settings)
    client = MlflowClient(settings.mlflow.environments["prod"].get_secret_value())
    experiments = [one.experiment_id for one in client.search_experiments()]
    assert (client.search_runs(experiments), client.search_logged_models(experiments)) == ([], [])
    assert send(settings).to_version == "1"


def test_the_account_of_here_is_not_shown_there(
    settings: Settings, made: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's clients take it from the environment for whichever server they ask; afterwards it is there again."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret of dev")
    seen: list[str | None] = []
    register = MlflowRegistry.register_files

    def watched(*args: Any, **kwargs: Any) -> ModelVersion:
        seen.append(os.environ.get("MLFLOW_TRACKING_PASSWORD"))
        return register(*args, **kwargs)

    monkeypatch.setattr(MlflowRegistry, "register_files", watched)
    send(settings)
    assert seen == [None]
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "secret of dev"


def content(folder: Path) -> dict[str, bytes]:
    """Without what MLflow's client writes beside a version when it downloads it: its name and number."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "registered_model_meta")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
