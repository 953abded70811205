"""The MLflow adapter on a real MLflow: its own SQLite tracking store, and the stack's server."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest
from mlflow.tracking import MlflowClient
from sklearn.linear_model import LinearRegression

from sluice.compiled import load_compiled
from sluice.errors import (
    ModelExampleFailedError,
    ModelNotFoundError,
    ServiceRefusedError,
    ServiceUnavailableError,
)
from sluice.lake import Lake
from sluice.mlflow_registry import MlflowRegistry
from sluice.models import CHALLENGER, ModelVersion, open_registry
from tests.conftest import Stack

EXAMPLE = pd.DataFrame({"x": [0.0, 1.0, 2.0]})


@pytest.fixture
def uri(mlflow_database: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "mlflow.db").write_bytes(mlflow_database)
    monkeypatch.chdir(tmp_path)  # artifacts go into the working directory
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def registry(uri: str, tmp_path: Path) -> Iterator[MlflowRegistry]:
    yield MlflowRegistry(uri, tmp_path / "cache")
    assert mlflow.active_run() is None


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return MlflowClient(uri, uri)


def line(slope: float) -> LinearRegression:
    return LinearRegression().fit(EXAMPLE, slope * EXAMPLE["x"])


def register(registry: MlflowRegistry, key: str = "a", slope: float = 2.0, **options: Any) -> ModelVersion:
    return registry.register(line(slope), name="line", example=EXAMPLE, key=key, params={"slope": slope}, **options)


def remains(client: MlflowClient) -> dict[str, int]:
    """Everything that a registration makes, as anybody would see it in MLflow."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return {
        "runs": len(client.search_runs(experiments)),
        "models": len(client.search_logged_models(experiments)),
        "versions": len(client.search_model_versions("name = 'line'")),
    }


def test_a_version_knows_what_it_was_registered_with(registry: MlflowRegistry, client: MlflowClient) -> None:
    """Parameters, metrics and tags are on its run, the run is finished, and the version has its alias."""
    made = register(registry, metrics={"error": 0.5}, tags={"sluice.features": "features/line@3"})
    run = client.get_run(made.run_id)
    assert (run.data.params, run.data.metrics, run.info.status) == ({"slope": "2.0"}, {"error": 0.5}, "FINISHED")
    assert run.data.tags["sluice.features"] == made.tags["sluice.features"] == "features/line@3"
    assert (made.name, made.version, made.aliases) == ("line", "1", (CHALLENGER,))
    registry.log_metrics(made, {"error": 0.25, "auc": 0.75})
    assert registry.metrics(made) == {"error": 0.25, "auc": 0.75}


def test_a_version_brings_its_compiled_form(registry: MlflowRegistry, client: MlflowClient, tmp_path: Path) -> None:
    """Laid beside the model, downloaded with it, and a tag says what came of it."""
    pytest.importorskip("skl2onnx", reason="the extra onnx is not installed")
    made = register(registry)
    assert re.fullmatch(r"agrees to [0-9e+-]+ on \d{4} rows", made.tags["sluice.compiled"])
    registry.load("line", made.version)
    (record,) = (tmp_path / "cache").rglob("compiled/agreement.json")
    compiled = load_compiled(record.parent.parent)
    assert compiled is not None
    np.testing.assert_allclose(compiled.predict(np.array([[3.0]])), [6.0])


class Unconverted(LinearRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A class that nothing converts."""


@pytest.mark.filterwarnings("ignore:.*pickle")
def test_a_model_that_does_not_compile_is_registered_all_the_same(registry: MlflowRegistry) -> None:
    """The tag has the reason."""
    pytest.importorskip("skl2onnx", reason="the extra onnx is not installed")
    model = Unconverted().fit(EXAMPLE, EXAMPLE["x"])
    made = registry.register(model, name="line", example=EXAMPLE, key="a", params={})
    assert made.tags["sluice.compiled"].startswith("no: Unconverted does not convert")
    assert len(registry.load("line", made.version).predict(EXAMPLE)) == 3


def test_a_key_registers_once(registry: MlflowRegistry, client: MlflowClient) -> None:
    """A task that is tried again gets the version of the first try; another key makes another version."""
    first = register(registry)
    assert register(registry).version == first.version == "1"
    assert register(registry, key="b").version == "2"
    assert remains(client) == {"runs": 2, "models": 2, "versions": 2}


def test_versions_are_newest_first_with_their_aliases(registry: MlflowRegistry, client: MlflowClient) -> None:
    """By number, and with the aliases, which MLflow's own search leaves out; of an unknown model there are none."""
    assert registry.versions("line") == []
    client.create_registered_model("line")
    for _ in range(10):
        client.create_model_version("line", "file:///nowhere")
    for alias, version in {CHALLENGER: "10", "champion": "1", "golden": "1"}.items():
        registry.set_alias("line", alias, version)
    found = registry.versions("line")
    assert [one.version for one in found] == [str(number) for number in range(10, 0, -1)]
    aliases = {one.version: one.aliases for one in found if one.aliases}
    assert aliases == {"10": (CHALLENGER,), "1": ("champion", "golden")}
    assert found[-1] == registry.get("line", version="1")


def test_what_is_not_there_is_none_or_an_error_that_says_what_to_do(registry: MlflowRegistry) -> None:
    """An unknown model, version and alias."""
    assert registry.find("line", alias="champion") is None
    register(registry)
    assert registry.find("line", alias="champion") is None
    assert registry.find("line", version="7") is None
    with pytest.raises(ModelNotFoundError, match=r"'line' version 7.*sluice run line"):
        registry.get("line", version="7")


@pytest.mark.parametrize("step", ["log_batch", "create_model_version", "create_registered_model"])
def test_what_a_dead_process_left_is_removed(registry: MlflowRegistry, client: MlflowClient, step: str) -> None:
    """It died before there was a version, without any chance to clean up: the next try leaves one of everything."""
    _die_in(registry, step)
    assert remains(client)["runs"] == 1
    assert remains(client)["versions"] == 0
    assert register(registry).version == "1"
    assert remains(client) == {"runs": 1, "models": 1, "versions": 1}


@pytest.mark.parametrize("step", ["set_terminated", "set_registered_model_alias"])
def test_what_a_dead_process_registered_is_finished(registry: MlflowRegistry, client: MlflowClient, step: str) -> None:
    """It died after there was a version: the next try ends the run, sets the alias, and makes nothing."""
    _die_in(registry, step)
    made = register(registry)
    assert (made.version, made.aliases) == ("1", (CHALLENGER,))
    assert client.get_run(made.run_id).info.status == "FINISHED"
    assert remains(client) == {"runs": 1, "models": 1, "versions": 1}


def _die_in(registry: MlflowRegistry, step: str) -> None:
    """Register as far as a step of MLflow's client, and clean up as little as a killed process does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MlflowRegistry, "_discard", lambda self, run_id: None)
        patch.setattr(registry._client, step, _raise(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            register(registry)


class Refuses(LinearRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Answers while it is in the process that trained it, and never again."""

    def __setstate__(self, state: object) -> None:
        raise RuntimeError("no weights")


def test_a_model_that_does_not_answer_its_example_is_not_registered(
    registry: MlflowRegistry, client: MlflowClient
) -> None:
    """Neither one that fails as it is, nor one that fails once it was saved: no run, no model, no version is left."""
    with pytest.raises(ModelExampleFailedError, match=r"'line'.*feature names"):
        registry.register(line(2), name="line", example=EXAMPLE.rename(columns={"x": "y"}), key="a", params={})
    with pytest.raises(ModelExampleFailedError, match="no weights"):
        registry.register(Refuses().fit(EXAMPLE, EXAMPLE["x"]), name="line", example=EXAMPLE, key="a", params={})
    assert remains(client) == {"runs": 0, "models": 0, "versions": 0}
    assert register(registry).version == "1"


def test_a_loaded_version_answers_from_this_machine(registry: MlflowRegistry, tmp_path: Path) -> None:
    """Each version its own answers; once it was loaded, its files are not fetched again."""
    register(registry, key="a", slope=2.0)
    register(registry, key="b", slope=3.0)
    assert registry.load("line", "1").predict(EXAMPLE)[1] == pytest.approx(2)
    assert registry.load("line", "2").predict(EXAMPLE)[1] == pytest.approx(3)
    (tmp_path / "mlruns").rename(tmp_path / "away")
    assert registry.load("line", "1").predict(EXAMPLE)[1] == pytest.approx(2)
    assert len(list((tmp_path / "cache" / "line").iterdir())) == 2


def test_a_download_that_died_leaves_no_half_model(registry: MlflowRegistry, tmp_path: Path) -> None:
    """Nothing is in the cache under the version's name, and the next load fetches it whole."""
    register(registry)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sluice.model_files.os.rename", _raise(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            registry.load("line", "1")
    assert list((tmp_path / "cache" / "line").iterdir()) == []
    assert registry.load("line", "1").predict(EXAMPLE)[1] == pytest.approx(2)


CALLS: dict[str, Callable[[MlflowRegistry], object]] = {
    "ping": lambda registry: registry.ping(),
    "register": register,
    "find": lambda registry: registry.find("line", alias="champion"),
    "versions": lambda registry: registry.versions("line"),
    "load": lambda registry: registry.load("line", "1"),
    "set_alias": lambda registry: registry.set_alias("line", "champion", "1"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_dead_server_is_one_clear_line_at_once(
    call: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call says which address does not answer and what to do, in seconds, and nowhere the password."""
    _own_credentials(monkeypatch)
    registry = MlflowRegistry("http://user:hunter2secret@127.0.0.1:9", tmp_path)
    started = time.monotonic()
    with pytest.raises(ServiceUnavailableError) as raised:
        CALLS[call](registry)
    assert time.monotonic() - started < 5
    text = str(raised.value)
    assert text.startswith("MLflow at http://127.0.0.1:9 does not answer.")
    assert "SLUICE_MLFLOW__URI" in text
    assert "\n" not in text
    seen = capfd.readouterr()
    assert "hunter2secret" not in text + repr(raised.value) + repr(raised.value.__context__) + seen.out + seen.err


@pytest.mark.parametrize(
    ("status", "error"), [(503, ServiceUnavailableError), (401, ServiceRefusedError), (403, ServiceRefusedError)]
)
def test_a_server_that_turns_us_away(
    status: int, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An overloaded server is an outage; refused credentials are not, since trying again does not help."""
    _own_credentials(monkeypatch)
    with _server(status) as (address, seen), pytest.raises(error):
        MlflowRegistry(f"http://user:hunter2%2Fsecret@{address}", tmp_path).find("line", version="1")
    assert any("Authorization: Basic dXNlcjpodW50ZXIyL3NlY3JldA==" in request for request in seen)


class _server:  # noqa: N801 - reads as the function that it stands for
    """Answers every request with one status; gives its address and what it was sent."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._seen: list[str] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> tuple[str, list[str]]:
        self._thread.start()
        return "{}:{}".format(*self._socket.getsockname()), self._seen

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._seen.append(connection.recv(65536).decode())
                connection.sendall(
                    f"HTTP/1.1 {self._status} No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno".encode()
                )


def _own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what the registry puts into the environment goes with the test."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")


def _raise(error: type[BaseException]) -> Callable[..., None]:
    def raising(*_: object, **__: object) -> None:
        raise error

    return raising


@pytest.mark.integration
def test_the_stacks_server_does_what_the_database_does(stack: Stack) -> None:
    """Register, again, search with aliases and load, over HTTP and with artifacts through the server."""
    registry = open_registry(stack.settings)
    registry.ping()
    for key in ("a", "b", "b"):
        registry.register(line(2), name="adapter", example=EXAMPLE, key=key, params={"p": 1}, metrics={"e": 0.5})
    registry.set_alias("adapter", "champion", "1")
    found = registry.versions("adapter")
    assert {one.version: one.aliases for one in found} == {"1": ("champion",), "2": (CHALLENGER,)}
    assert registry.metrics(found[0]) == {"e": 0.5}
    assert registry.load("adapter", "2").predict(EXAMPLE)[1] == pytest.approx(2)
    assert registry.find("adapter", version="3") is None
    assert registry.find("nothing", alias="champion") is None
    with pytest.raises(ModelExampleFailedError):
        registry.register(line(2), name="adapter", example=EXAMPLE.rename(columns={"x": "y"}), key="c", params={})
    client = MlflowClient(stack.settings.mlflow.uri)
    experiment = client.get_experiment_by_name("adapter")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 2
    assert len(client.search_logged_models([experiment.experiment_id])) == 2


def test_a_run_links_the_versions_of_the_data_it_read(
    registry: MlflowRegistry, client: MlflowClient, tmp_path: Path
) -> None:
    """MLflow's page of the run names each table and its version."""
    lake = Lake(str(tmp_path / "lake"))
    lake.write("features/line", pl.DataFrame({"x": [1.0]}), key="a")
    ref = lake.write("features/line", pl.DataFrame({"x": [1.0, 2.0]}), key="b")
    made = register(registry, inputs=[lake.dataset(ref)])
    (linked,) = client.get_run(made.run_id).inputs.dataset_inputs
    assert (linked.dataset.name, linked.dataset.digest) == ("features/line", "version 1")
    assert json.loads(linked.dataset.source) == {"path": f"{tmp_path}/lake/features/line", "delta_table_version": 1}
