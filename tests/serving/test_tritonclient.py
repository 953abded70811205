"""NVIDIA's own HTTP client gets right answers through the Open Inference Protocol."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.serving.conftest import Service
from tests.serving.fakes import FakeRegistry

NAMES = list("abcdefgh")
ROWS = np.random.default_rng(0).normal(size=(40, 8))
FRAME = pd.DataFrame(ROWS, columns=NAMES)
FOREST = RandomForestClassifier(5, random_state=0).fit(FRAME, ROWS[:, 0] > 0)


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real classifier of eight numbers."""
    folder = tmp_path_factory.mktemp("models") / "forest"
    mlflow.sklearn.save_model(
        FOREST,
        str(folder),
        signature=infer_signature(FRAME, FOREST.predict(FRAME)),
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,
        pip_requirements=["scikit-learn"],
    )
    return folder


@pytest.fixture
def client(service: Service, registry: FakeRegistry, forest: Path) -> Iterator[InferenceServerClient]:
    """A client of a service that has version 1 of the forest, and of numbers: x and label give y and label."""
    registry.add("forest", "1", forest)
    with service(models=("forest", "numbers")) as http:
        client = InferenceServerClient(f"{http.base_url.host}:{http.base_url.port}")
        yield client
        client.close()


def column(name: str, datatype: str, values: list[Any], binary: bool = True) -> InferInput:
    """A column as [rows, 1]."""
    array = np.array(values, dtype=object if datatype == "BYTES" else None).reshape(-1, 1)
    given = InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def matrix(rows: int, dtype: type, datatype: str, binary: bool) -> InferInput:
    given = InferInput("input", [rows, 8], datatype)
    given.set_data_from_numpy(ROWS[:rows].astype(dtype), binary_data=binary)
    return given


@pytest.mark.parametrize("version", ["", "1"])
@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize("binary", [True, False])
def test_a_matrix_is_answered(client: InferenceServerClient, binary: bool, rows: int, version: str) -> None:
    """Binary or JSON, one row or many, with a version or without: the classes are the model's own."""
    result = client.infer("forest", [matrix(rows, np.float64, "FP64", binary)], model_version=version, request_id="7")
    np.testing.assert_array_equal(result.as_numpy("output-1"), FOREST.predict(FRAME[:rows]))
    assert {"id": "7", "model_name": "forest", "model_version": "1"}.items() <= result.get_response().items()


@pytest.mark.parametrize("binary", [True, False])
def test_a_tensor_a_column_is_answered(client: InferenceServerClient, binary: bool) -> None:
    """Columns in any order, and outputs in JSON where the client asks for that."""
    columns = [column(name, "FP64", FRAME[name].tolist(), binary) for name in reversed(NAMES)]
    result = client.infer("forest", columns, outputs=[InferRequestedOutput("output-1", binary_data=binary)])
    np.testing.assert_array_equal(result.as_numpy("output-1"), FOREST.predict(FRAME))


@pytest.mark.parametrize("wanted", [None, True, False])
def test_text_comes_and_goes(client: InferenceServerClient, wanted: bool | None) -> None:
    """BYTES in and out, of two outputs in one answer."""
    inputs = [column("x", "FP64", [1.5, 2.0]), column("label", "BYTES", ["grün", "b"])]
    outputs = None if wanted is None else [InferRequestedOutput(name, binary_data=wanted) for name in ("label", "y")]
    result = client.infer("numbers", inputs, outputs=outputs)
    assert result.as_numpy("y").tolist() == [[3.0], [4.0]]
    got = [one.decode() if isinstance(one, bytes) else one for one in result.as_numpy("label").ravel()]
    assert got == ["grün", "b"]


def test_missing_numbers_come_through(client: InferenceServerClient) -> None:
    """The client writes NaN as NaN in JSON and reads null as NaN."""
    outputs = [InferRequestedOutput("y", binary_data=False)]
    for binary in (True, False):
        inputs = [column("x", "FP64", [np.nan, 1.0], binary), column("label", "BYTES", ["a", "b"], binary)]
        np.testing.assert_array_equal(client.infer("numbers", inputs, outputs=outputs).as_numpy("y"), [[np.nan], [2.0]])


def test_parameters_reach_the_model(client: InferenceServerClient) -> None:
    """What the client calls custom parameters are the model's params, and nothing of the protocol's own is."""
    inputs = [column("x", "FP64", [1.0]), column("label", "BYTES", ["a"])]
    assert client.infer("numbers", inputs, parameters={"sleep": 0.01}, priority=1).as_numpy("y").tolist() == [[2.0]]


def test_what_the_model_raises_on_is_the_clients_to_know(client: InferenceServerClient) -> None:
    """A model that refuses a value is no failure of the service: 400 with what it said, as in MLflow's protocol."""
    with pytest.raises(InferenceServerException, match="no negative numbers") as raised:
        client.infer("numbers", [column("x", "FP64", [-1.0]), column("label", "BYTES", ["a"])])
    assert raised.value.status() == "400"


def test_server_and_models_tell_what_they_are(client: InferenceServerClient) -> None:
    """Health, metadata and the repository's index are where the client looks for them."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("forest")
    assert client.is_model_ready("forest", "1")
    assert not client.is_model_ready("forest", "9")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = client.get_model_metadata("forest")
    assert [one["name"] for one in metadata["inputs"]] == NAMES
    assert client.get_model_metadata("forest", "1") == metadata
    assert {"name": "forest", "version": "1", "state": "READY", "reason": ""} in client.get_model_repository_index()


def test_the_client_shows_why_it_was_refused(client: InferenceServerClient) -> None:
    """The sentence of a problem document is the exception's message, whatever is wrong."""
    with pytest.raises(InferenceServerException) as raised:
        client.infer("forest", [column("a", "FP64", [1.0])])
    assert raised.value.status() == "400"
    assert raised.value.message().startswith("inputs.b: is missing")
    with pytest.raises(InferenceServerException, match="There is no model 'nobody'"):
        client.get_model_metadata("nobody")
    with pytest.raises(InferenceServerException, match="There is nothing at /v2/logging"):
        client.get_log_settings()
