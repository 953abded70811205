"""Models that others logged with plain MLflow are served as they are, before and after they are compiled here."""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from httpx import Client, Response

from serving.app import build_app
from sluice.mlflow_registry import MlflowRegistry
from sluice.settings import Settings
from tests.conftest import CHECKOUT
from tests.serving import logged_flavours
from tests.serving.conftest import serve
from tests.serving.fakes import FakeDocuments, eventually

COMPILED = ("classifier", "probabilities", "regressor", "xgboost", "lightgbm")
# Each is compiled in a process of its own, which takes seconds to start.
QUICK = ("classifier", "xgboost")
AS_THEY_ARE = ("pipeline", "custom")

# MLflow and the libraries warn whoever logs and loads; the service's own process shows that as lines of its log.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class Asker:
    """Asks one model's 200 rows through each protocol, and compares with what the model itself says."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name
        self.rows = logged_flavours.rows_for(name)
        self.wanted = mlflow.pyfunc.load_model(f"models:/{name}@{logged_flavours.ALIAS}").predict(self.rows)

    def how(self) -> str:
        return str(self.client.get(f"/models/{self.name}").raise_for_status().json()["how"])

    def check(self) -> None:
        self._same(self._ok(self.client.post("/invocations", params={"model": self.name}, json=self._form())))
        body = {"rows": self.rows.to_dict("records") if self._table else self.rows.tolist()}
        self._same(self._ok(self.client.post(f"/models/{self.name}/predict", json=body)))
        answer = self.client.post(f"/v2/models/{self.name}/infer", json={"inputs": self._tensors()})
        self._same_tensors(self._ok(answer)["outputs"])

    @property
    def _table(self) -> bool:
        return isinstance(self.rows, pd.DataFrame)

    def _form(self) -> dict[str, Any]:
        if self._table:
            return {"dataframe_split": self.rows.to_dict("split", index=False)}
        return {"inputs": self.rows.tolist()}

    def _tensors(self) -> list[dict[str, Any]]:
        if not self._table:
            shape = list(self.rows.shape)
            return [{"name": "rows", "datatype": "FP32", "shape": shape, "data": self.rows.ravel().tolist()}]
        kinds = {name: "FP64" if self.rows[name].dtype == np.float64 else "BYTES" for name in self.rows.columns}
        return [
            {"name": name, "datatype": kind, "shape": [len(self.rows)], "data": self.rows[name].tolist()}
            for name, kind in kinds.items()
        ]

    @staticmethod
    def _ok(answer: Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _same(self, answer: dict[str, Any]) -> None:
        given = answer["predictions"]
        if isinstance(self.wanted, pd.DataFrame):
            pd.testing.assert_frame_equal(pd.DataFrame(given), self.wanted.reset_index(drop=True), check_dtype=False)
        else:
            _equal(np.array(given), np.asarray(self.wanted))

    def _same_tensors(self, outputs: list[dict[str, Any]]) -> None:
        if isinstance(self.wanted, pd.DataFrame):
            assert [one["name"] for one in outputs] == list(self.wanted.columns)
            for one in outputs:
                _equal(np.array(one["data"]), self.wanted[one["name"]].to_numpy())
            return
        wanted = np.asarray(self.wanted)
        assert len(outputs) == 1
        _equal(np.array(outputs[0]["data"]).reshape(wanted.shape), wanted)


def _equal(given: Any, wanted: Any) -> None:
    if wanted.dtype.kind == "f":
        np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-6)
    else:
        assert given.tolist() == wanted.tolist()


@contextmanager
def served(folder: Path, *names: str) -> Iterator[Client]:
    """The service over a real registry in which these were registered."""
    uri, before = f"sqlite:///{folder}/mlflow.db", (mlflow.get_tracking_uri(), mlflow.get_registry_uri())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            logged_flavours.register(name, uri, folder / "artifacts" / name)
    app = build_app(
        Settings(home=folder / "home"),
        MlflowRegistry(uri, folder / "cache"),
        FakeDocuments,  # type: ignore[arg-type]
    )
    try:
        with serve(app) as address, Client(base_url=address, timeout=60, trust_env=False) as client:
            yield client
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with served(tmp_path_factory.mktemp("flavours"), *COMPILED, *AS_THEY_ARE) as client:
        yield client


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.rare) for name in COMPILED]
)
def test_the_answers_are_the_models_own_before_and_after_it_is_compiled(client: Client, name: str) -> None:
    """Through MLflow's protocol, the Open Inference Protocol and our own route, for 200 rows."""
    asker = Asker(client, name)
    assert "compiled" not in asker.how()  # loads it, and starts compiling beside
    asker.check()
    eventually(lambda: "compiled" in asker.how(), seconds=100)
    asker.check()


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_what_is_not_compiled_is_answered_too(client: Client, name: str) -> None:
    """A pipeline that takes text, and a model of a team's own code."""
    asker = Asker(client, name)
    asker.check()
    assert asker.how() == "on data frames"


def keras_is_served(folder: Path) -> None:
    """For a process whose engine of Keras is set."""
    with served(folder, "keras") as client:
        Asker(client, "keras").check()


_KERAS = (
    "import sys, pathlib; from tests.serving import test_flavours as t; t.keras_is_served(pathlib.Path(sys.argv[1]))"
)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("keras") is None, reason="the extra keras is not installed")
def test_keras(tmp_path: Path) -> None:
    """In a process of its own: Keras chooses its engine when it is imported."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _KERAS, str(tmp_path)],
        env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
