"""POST /invocations: MLflow's scoring protocol, its forms and its refusals."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from httpx import Client
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel
from mlflow.types import ColSpec, Schema, TensorSpec

from serving.app import build_app
from sluice.embedded_documents import EmbeddedDocuments
from sluice.settings import Settings
from tests.serving import fakes
from tests.serving.conftest import Service, serve
from tests.serving.fakes import FakeRegistry
from tests.serving.scored_models import Lengths

ANSWER = {"predictions": [{"y": 3.0, "label": "a"}, {"y": 5.0, "label": "b"}]}
SPLIT = {"columns": ["x", "label"], "data": [[1.5, "a"], [2.5, "b"]]}
RECORDS = [{"x": 1.5, "label": "a"}, {"x": 2.5, "label": "b"}]
COLUMNS = {"x": [1.5, 2.5], "label": ["a", "b"]}


class Sums(PythonModel):
    """Sums of rows, of a table or of an array."""

    def predict(self, context: Any, model_input: pd.DataFrame) -> Any:
        return np.asarray(model_input).sum(axis=1)


class Years(PythonModel):
    def predict(self, model_input: list[datetime]) -> list[int]:
        return [time.year for time in model_input]


def invoke(client: Client, body: Any, media: str = "application/json", model: str = "numbers") -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": media} if media else {}
    return client.post("/invocations", params={"model": model} if model else {}, content=content, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": SPLIT},
        {"dataframe_split": {**SPLIT, "index": [7, 8]}},
        {"dataframe_records": RECORDS},
        {"instances": RECORDS},
        {"inputs": COLUMNS},
        {"dataframe_split": SPLIT, "params": {"sleep": 0.0}},
        {"dataframe_split": SPLIT, "params": None},
        {"dataframe_split": SPLIT, "params": {"unheard_of": 1}},
        {"dataframe_split": SPLIT, "something_else": 1},
    ],
)
def test_each_form_gives_the_same_predictions(service: Service, body: dict[str, Any]) -> None:
    """All input forms of the protocol mean the same rows."""
    with service() as client:
        answer = invoke(client, body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == ANSWER


def test_a_value_that_is_no_list_is_one_row(service: Service) -> None:
    """MLflow takes a column's only value without its list, and so do we."""
    with service() as client:
        answer = invoke(client, {"instances": {"x": 1.5, "label": "a"}})
    assert answer.json() == {"predictions": ANSWER["predictions"][:1]}


def test_csv_gives_the_same_predictions(service: Service) -> None:
    """The protocol's CSV form is understood."""
    with service() as client:
        answer = invoke(client, b"x,label\n1.5,a\n2.5,b\n", "text/csv; charset=utf-8")
    assert answer.json() == ANSWER


def test_missing_content_type_is_taken_for_json(service: Service) -> None:
    """A client that sends no content type is understood."""
    with service() as client:
        assert invoke(client, {"dataframe_split": SPLIT}, media="").json() == ANSWER


def test_headers_name_model_and_version(service: Service) -> None:
    """The protocol's body has no room for it, so headers say who answered."""
    with service() as client:
        headers = invoke(client, {"dataframe_split": SPLIT}).headers
    assert headers["x-sluice-model"] == "numbers"
    assert headers["x-sluice-model-version"] == "1"


def test_params_reach_the_model(service: Service) -> None:
    """Parameters of the signature change the prediction."""
    body = {"dataframe_records": [{"user_id": 1}], "params": {"k": 2}}
    with service() as client:
        answer = invoke(client, body, model="movies")
    assert answer.json()["predictions"][0]["item_ids"] == [1, 2]


def test_missing_numbers_become_null(service: Service) -> None:
    """What JSON cannot say does not make the answer invalid JSON."""
    body = b'{"dataframe_split": {"columns": ["x", "label"], "data": [[NaN, "a"], [Infinity, "b"]]}}'
    with service() as client:
        answer = invoke(client, body)
    assert answer.status_code == 200
    assert [row["y"] for row in json.loads(answer.text, parse_constant=pytest.fail)["predictions"]] == [None, None]


def test_only_model_needs_no_name(service: Service) -> None:
    """MLflow's own clients name no model; with one configured, that one is meant."""
    body = {"dataframe_records": [{"user_id": 1}], "params": {"k": 1}}
    with service(models=("movies",)) as client:
        answer = invoke(client, body, model="")
    assert answer.headers["x-sluice-model"] == "movies"


def test_with_several_models_the_name_is_asked_for(service: Service) -> None:
    """An ambiguous request is a 422 that names the parameter and the choice."""
    with service(models=("movies", "numbers")) as client:
        answer = invoke(client, {"dataframe_split": SPLIT}, model="")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "model"
    assert "numbers" in answer.json()["detail"]


BAD_BODIES: list[Any] = [
    b"",
    b" ",
    b"\xff\xfe",
    b"\x00" * 100,
    b"{",
    b"[",
    b"null",
    b"true",
    b"1",
    b'"text"',
    b"[]",
    b"{}",
    b"[" * 100_000,
    b'{"inputs":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"dataframe_split": {"columns": ["x", "label"], "data": [[' + b"9" * 5_000 + b', "a"]]}}',
    b'{"dataframe_split": {"columns": ["x", "label"], "data": [[1e400, "a"]}}',
    b'{"dataframe_split": NaN}',
    b'{"dataframe_records": [{"x": -1.0, "label": "\\ud800"}]}',
    b'{"\\ud800": 1}',
    {"data": [1]},
    {"columns": ["x"], "data": [[1]]},
    {"messages": [{"role": "user", "content": "hello"}]},
    {"prompt": "hello"},
    {"dataframe_split": SPLIT, "dataframe_records": RECORDS},
    {"instances": RECORDS, "inputs": COLUMNS},
    {"dataframe_split": None},
    {"dataframe_split": []},
    {"dataframe_split": 1},
    {"dataframe_split": "text"},
    {"dataframe_split": {}},
    {"dataframe_split": {"columns": ["x", "label"]}},
    {"dataframe_split": {"columns": ["x", "label"], "data": 5}},
    {"dataframe_split": {"columns": ["x", "label"], "data": [1, 2]}},
    {"dataframe_split": {"columns": ["x", "label"], "data": [[1.5]]}},
    {"dataframe_split": {"columns": ["x", "label"], "data": [[1.5, "a", 3]]}},
    {"dataframe_split": {"columns": ["x", "label"], "data": [[1.5, "a"], [2.5, "b"]], "index": [1, 2, 3]}},
    {"dataframe_split": {"columns": ["x", "label"], "data": [[1.5, "a"]], "extra": 1}},
    {"dataframe_split": {"columns": ["x"], "data": [[1.5]]}},
    {"dataframe_split": {"columns": ["wrong", "label"], "data": [[1.5, "a"]]}},
    {"dataframe_split": {"columns": ["x", "x"], "data": [[1.5, 2.5]]}},
    {"dataframe_split": {"columns": [["x"], ["label"]], "data": [[1.5, "a"]]}},
    {"dataframe_split": {"columns": {"x": 1}, "data": [[1.5, "a"]]}},
    {"dataframe_split": {"columns": ["x", "label"], "data": [["text", "a"]]}},
    {"dataframe_split": {"columns": ["x", "label"], "data": [[{"a": 1}, "a"]]}},
    {"dataframe_split": {"columns": ["x", "label"], "data": [[[1, 2], "a"]]}},
    {"dataframe_split": {"columns": ["x", "label"], "data": [[-1.0, "a"]]}},
    {"dataframe_records": None},
    {"dataframe_records": {}},
    {"dataframe_records": "text"},
    {"dataframe_records": [1, 2]},
    {"dataframe_records": [None]},
    {"dataframe_records": [[1.5, "a"]]},
    {"dataframe_records": [{}]},
    {"dataframe_records": []},
    {"dataframe_records": [{"x": 1.5}]},
    {"dataframe_records": [{"x": "text", "label": "a"}]},
    {"dataframe_records": [{"x": {"deep": [1]}, "label": "a"}]},
    {"instances": None},
    {"instances": 1},
    {"instances": "text"},
    {"instances": []},
    {"instances": {}},
    {"instances": [1, "a", None]},
    {"instances": [[1, 2], [3]]},
    {"instances": [{"x": 1.5, "label": "a"}, {"x": 2.5}]},
    {"instances": [{"x": 1.5, "label": "a"}, 5]},
    {"inputs": None},
    {"inputs": 1},
    {"inputs": "text"},
    {"inputs": {}},
    {"inputs": [[1.5, "a", 2, 3], 4]},
    {"inputs": {"x": [1.5, 2.5], "label": ["a"]}},
    {"inputs": {"x": "text", "label": "a"}},
    {"inputs": {"x": {"y": {"z": 1}}, "label": ["a"]}},
    {"inputs": {"wrong": [1]}},
    {"dataframe_split": SPLIT, "params": 5},
    {"dataframe_split": SPLIT, "params": []},
    {"dataframe_split": SPLIT, "params": "text"},
    {"dataframe_split": SPLIT, "params": {"sleep": "long"}},
    {"dataframe_split": SPLIT, "params": {"sleep": [1]}},
    {"dataframe_split": SPLIT, "params": {"sleep": None}},
    {"dataframe_split": SPLIT, "params": {"sleep": -1.0}},
]


def test_bad_bodies_never_fail_the_service(service: Service) -> None:
    """Whatever is sent, the answer is a client error that names a field, and serving goes on."""
    wrong = {}
    with service() as client:
        for number, body in enumerate(BAD_BODIES):
            answer = invoke(client, body)
            problem = answer.json()
            if answer.status_code != 400 or not problem["errors"][0]["field"] or len(problem["detail"]) > 1000:
                wrong[number] = (str(body)[:80], answer.status_code, answer.text[:200])
        assert invoke(client, {"dataframe_split": SPLIT}).json() == ANSWER
    assert wrong == {}


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"dataframe_split": {"columns": ["x"], "data": [[1.5]]}}, "dataframe_split", "label"),
        ({"dataframe_records": [{"x": "text", "label": "a"}]}, "dataframe_records", "x"),
        ({"dataframe_split": SPLIT, "params": {"sleep": "long"}}, "params", "sleep"),
        ({"dataframe_split": SPLIT, "params": 5}, "params", "object"),
        ({"dataframe_records": [{"x": -1.0, "label": "a"}]}, "dataframe_records", "no negative numbers"),
        (b"{", "body", "JSON"),
    ],
)
def test_refusal_names_part_and_column(service: Service, body: Any, field: str, says: str) -> None:
    """The error leads to what is wrong: the part of the body, and the column or parameter in it."""
    with service() as client:
        problem = invoke(client, body).json()
    assert problem["errors"][0]["field"] == field
    assert says in problem["errors"][0]["message"]


@pytest.mark.parametrize(
    "media",
    ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin-1", ";", "x" * 3000, "é"],
)
def test_other_media_types_are_refused(service: Service, media: str) -> None:
    """What the protocol does not read is a 415 that says what it does read."""
    with service() as client:
        answer = client.post("/invocations?model=numbers", content=b"{}", headers={b"content-type": media.encode()})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"x\n", b"\xff", b"wrong,label\n1,a\n", b"x,label\ntext,a\n", b'x,label\n"1,a'])
def test_bad_csv_never_fails_the_service(service: Service, body: bytes) -> None:
    """CSV that does not fit is a client error too."""
    with service() as client:
        assert invoke(client, body, "text/csv").status_code == 400


def test_field_that_the_model_refuses_is_named(service: Service) -> None:
    """A model that says which field is wrong is passed on, and has not failed."""
    with service() as client:
        answer = invoke(client, {"dataframe_records": [{"user_id": 1}], "params": {"k": 0}}, model="movies")
        metrics = client.get("/metrics").text
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"field": "k", "message": "it must be at least 1"}]
    assert 'sluice_prediction_failures_total{model="movies",model_version="1"} 0.0' in metrics


def test_model_failures_are_counted(service: Service) -> None:
    """An input that fits the signature and makes the model raise is told apart from one that does not fit."""
    with service() as client:
        invoke(client, {"dataframe_records": [{"x": -1.0, "label": "a"}]})
        invoke(client, {"dataframe_records": [{"x": "text", "label": "a"}]})
        metrics = client.get("/metrics").text
    assert 'sluice_prediction_failures_total{model="numbers",model_version="1"} 1.0' in metrics


@pytest.mark.parametrize("number", [2**64, -(10**30)])
def test_a_whole_number_beyond_64_bits_is_refused(service: Service, number: int) -> None:
    """And not answered for another number, which is what it would be as a float."""
    with service() as client:
        answer = invoke(client, {"dataframe_records": [{"user_id": number}]}, model="movies")
    assert answer.status_code == 400, answer.text
    assert "too large" in answer.text


def test_a_body_without_a_form_is_the_models_input(service: Service) -> None:
    """MLflow takes a body with the keys of a chat so, whatever else is in it; a model of columns refuses that."""
    with service() as client:
        answer = invoke(client, {"dataframe_split": SPLIT, "messages": "hello"})
    assert answer.status_code == 400


def test_what_only_a_tensor_model_takes_is_answered(service: Service, registry: FakeRegistry, tmp_path: Path) -> None:
    """A single number is refused, and a table that has a column's name twice is answered: by their places."""
    signature = ModelSignature(Schema([TensorSpec(np.dtype(np.float64), (-1, 2))]))
    registry.add("tensor", "1", fakes.save(tmp_path / "tensor", Sums(), signature, None))
    with service() as client:
        number = invoke(client, {"inputs": 1}, model="tensor")
        twice = invoke(client, {"dataframe_split": {"columns": ["a", "a"], "data": [[1.0, 2.0]]}}, model="tensor")
    assert number.status_code == 400, number.text
    assert twice.json() == {"predictions": [3.0]}


@pytest.mark.parametrize("params", [5, [], "text", {}, None])
def test_params_of_a_model_without_any_are_passed_over(
    service: Service, registry: FakeRegistry, tmp_path: Path, params: Any
) -> None:
    """Whatever they are, as MLflow does; a model that has some refuses what is no object."""
    signature = ModelSignature(Schema([ColSpec("double", "x")]))
    registry.add("sums", "1", fakes.save(tmp_path / "sums", Sums(), signature, None))
    with service() as client:
        assert invoke(client, {"inputs": {"x": [1.0]}, "params": params}, model="sums").status_code == 200


def test_a_model_whose_signature_is_its_type_hint_is_answered(
    service: Service, registry: FakeRegistry, tmp_path: Path
) -> None:
    """It takes ``inputs`` as they are in the body, and no other form."""
    registry.add("hinted", "1", fakes.save(tmp_path / "hinted", Lengths(), None, None))
    with service() as client:
        assert invoke(client, {"inputs": ["one", "three"]}, model="hinted").json() == {"predictions": [3, 5]}
        assert invoke(client, {"instances": ["one"]}, model="hinted").status_code == 400
        answer = client.post("/models/hinted/predict", json={"rows": ["one", "three"]})
        wrong = client.post("/models/hinted/predict", json={"rows": ["one", 3]})
    assert answer.json()["predictions"] == [3, 5]
    assert [error["field"] for error in wrong.json()["errors"]] == ["rows.1"]


def test_times_of_a_type_hint_are_read_from_text(service: Service, registry: FakeRegistry, tmp_path: Path) -> None:
    """In its input example, which it must answer to be served, and in a body."""
    registry.add("years", "1", fakes.save(tmp_path / "years", Years(), None, [datetime(2025, 1, 1, tzinfo=UTC)]))
    with service() as client:
        answer = invoke(client, {"inputs": ["2026-02-03T04:05:06"]}, model="years")
    assert answer.json() == {"predictions": [2026]}


@pytest.mark.parametrize("body", [{"inputs": [[1.0, 2.0]]}, {"inputs": [[1.0, 2.0]], "params": {"unheard": 1}}])
def test_predictions_of_a_model_without_column_names_are_logged(tmp_path: Path, body: dict[str, Any]) -> None:
    """With their features, whether they were read quickly or by MLflow."""
    registry = FakeRegistry()
    signature = ModelSignature(Schema([TensorSpec(np.dtype(np.float64), (-1, 2))]))
    registry.add("tensor", "1", fakes.save(tmp_path / "tensor", Sums(), signature, None))
    store = EmbeddedDocuments(str(tmp_path / "documents.db"))
    app = build_app(Settings(home=tmp_path), registry, lambda: store)  # type: ignore[arg-type]
    with serve(app) as address, Client(base_url=address, timeout=30, trust_env=False) as client:
        id = invoke(client, body, model="tensor").headers["x-sluice-prediction-id"]
        fakes.eventually(lambda: store.find("tensor_predictions", {"id": id}))
        (document,) = store.find("tensor_predictions", {"id": id})
    assert (document["features"], document["output"]) == ([[1.0, 2.0]], [3.0])
