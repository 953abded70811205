"""What KServe's and MLServer's Python clients write gets the answers that they read.

Their packages are no dependency of ours, since they bring servers and pin what we have ourselves. The bodies are as
``kserve.InferRequest.to_rest`` and ``mlserver.codecs`` (PandasCodec, NumpyRequestCodec) make them.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from httpx import Client
from sklearn.ensemble import RandomForestClassifier

from tests.serving.conftest import Service
from tests.serving.fakes import FakeRegistry
from tests.serving.fuzzing.models import FRAME, NUMBERS, save_estimator

ROWS = FRAME.to_numpy()[:4]
FOREST = RandomForestClassifier(5, random_state=0)
ID = "8f14e45f-ceea-4e7a-9c5b-2f1d7f1c0a11"


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real classifier of three numbers."""
    folder = tmp_path_factory.mktemp("models") / "forest"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_estimator(folder, FOREST, FRAME)
    return folder


@pytest.fixture
def client(service: Service, registry: FakeRegistry, forest: Path) -> Iterator[Client]:
    registry.add("forest", "1", forest)
    with service(models=("forest", "numbers")) as client:
        yield client


def classes() -> list[bool]:
    found: list[bool] = FOREST.predict(FRAME[: len(ROWS)]).tolist()
    return found


def test_kserve_in_json(client: Client) -> None:
    """The name of the model is in the body too; values come flat, with the id and the parameters of the request."""
    given = {"name": "input-0", "shape": [4, 3], "datatype": "FP64", "data": ROWS.ravel().tolist()}
    body = {"id": ID, "model_name": "forest", "inputs": [given], "parameters": {"binary_data_output": False}}
    answer = client.post("/v2/models/forest/infer", json=body).json()
    assert {"id": ID, "model_name": "forest", "model_version": "1"}.items() <= answer.items()
    (output,) = answer["outputs"]
    assert (output["datatype"], output["data"]) == ("BOOL", classes())
    assert int(np.prod(output["shape"])) == 4


def test_kserve_in_binary(client: Client) -> None:
    """The tensor behind the JSON, and the answer's in the same way where the client asks for it."""
    raw = ROWS.astype("<f8").tobytes()
    given = {"name": "input-0", "shape": [4, 3], "datatype": "FP64", "parameters": {"binary_data_size": len(raw)}}
    asked = {"name": "output-1", "parameters": {"binary_data": True}}
    header = json.dumps({"id": ID, "model_name": "forest", "inputs": [given], "outputs": [asked]}).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(header))}
    answer = client.post("/v2/models/forest/infer", content=header + raw, headers=headers)
    length = int(answer.headers["inference-header-content-length"])
    (output,) = json.loads(answer.content[:length])["outputs"]
    assert output["parameters"]["binary_data_size"] == len(answer.content) - length == 4
    assert np.frombuffer(answer.content[length:], np.bool_).tolist() == classes()


def test_kserve_asks_for_health_and_metadata(client: Client) -> None:
    """Each question of its REST client has the answer that it looks at."""
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/forest/ready").json()["ready"] is True
    assert client.get("/v2/models/nobody/ready").status_code == 404


def test_mlserver_with_an_array(client: Client) -> None:
    """NumpyRequestCodec: one tensor and a content type at both levels."""
    kind = {"parameters": {"content_type": "np"}}
    given = {"name": "input-0", "shape": [4, 3], "datatype": "FP64", "data": ROWS.ravel().tolist(), **kind}
    answer = client.post("/v2/models/forest/infer", json={"inputs": [given], **kind}).json()
    assert answer["outputs"][0]["data"] == classes()
    assert answer["outputs"][0]["parameters"]["content_type"] == "np"


@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_mlserver_with_a_frame(client: Client, version: str) -> None:
    """PandasCodec: a tensor a column, of numbers; with a version in the path as well."""
    columns = [
        {"name": name, "shape": [4, 1], "datatype": "FP64", "data": ROWS[:, place].tolist()}
        for place, name in enumerate(NUMBERS)
    ]
    body = {"parameters": {"content_type": "pd"}, "inputs": columns}
    answer = client.post(f"/v2/models/forest{version}/infer", json=body).json()
    assert answer["outputs"][0]["data"] == classes()


def test_mlserver_with_text_in_a_frame(client: Client) -> None:
    """Text says so for itself; the answer's columns are a frame again, text and all."""
    text: dict[str, Any] = {"name": "label", "shape": [2, 1], "datatype": "BYTES", "data": ["grün", "b"]}
    text["parameters"] = {"content_type": "str"}
    number = {"name": "x", "shape": [2, 1], "datatype": "FP64", "data": [1.5, 2.0]}
    body = {"parameters": {"content_type": "pd"}, "inputs": [number, text]}
    answer = client.post("/v2/models/numbers/infer", json=body).json()
    assert answer["parameters"]["content_type"] == "pd"
    assert {one["name"]: one["data"] for one in answer["outputs"]} == {"y": [3.0, 4.0], "label": ["grün", "b"]}


def test_mlserver_sends_lists_as_they_are_nested(client: Client) -> None:
    """Its types take nested data too, and clients written by hand send that."""
    given = {"name": "input-0", "shape": [4, 3], "datatype": "FP64", "data": ROWS.tolist()}
    assert client.post("/v2/models/forest/infer", json={"inputs": [given]}).json()["outputs"][0]["data"] == classes()


def test_their_errors_are_read_where_they_look(client: Client) -> None:
    """Both take the member ``error`` of the body for the message."""
    given = {"name": "input-0", "shape": [4, 3], "datatype": "FLOAT", "data": []}
    answer = client.post("/v2/models/forest/infer", json={"inputs": [given]})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("inputs[0].datatype: must be one of BOOL")
