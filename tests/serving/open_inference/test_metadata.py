"""What the protocol tells of a server and of its models."""

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array

import sluice
from serving.open_inference.metadata import model_metadata, repository_index, server_metadata

COLUMNS = Schema(
    [
        ColSpec("double", "number"),
        ColSpec("integer", "whole"),
        ColSpec("boolean", "flag"),
        ColSpec("string", "text"),
        ColSpec("binary", "raw"),
        ColSpec("datetime", "time"),
        ColSpec(Array(DataType.double), "list"),
    ]
)


def test_the_server_says_what_it_is() -> None:
    """Name, version and the extensions it has."""
    assert server_metadata() == {"name": "sluice", "version": sluice.__version__, "extensions": ["binary_tensor_data"]}


def test_columns_are_tensors_of_their_own() -> None:
    """As MLServer shows an MLflow signature: name, datatype, shape, and what a client makes of it."""
    signature = ModelSignature(inputs=COLUMNS, outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 2))]))
    shown = model_metadata("m", ["1", "2"], signature)
    assert (shown["name"], shown["versions"], shown["platform"]) == ("m", ["1", "2"], "mlflow_pyfunc")
    assert [(one["name"], one["datatype"], one["parameters"]["content_type"]) for one in shown["inputs"]] == [
        ("number", "FP64", "np"),
        ("whole", "INT32", "np"),
        ("flag", "BOOL", "np"),
        ("text", "BYTES", "str"),
        ("raw", "BYTES", "base64"),
        ("time", "BYTES", "datetime"),
        ("list", "BYTES", "pd_json"),
    ]
    assert {tuple(one["shape"]) for one in shown["inputs"]} == {(-1, 1)}
    assert shown["outputs"] == [
        {"name": "output-1", "datatype": "FP32", "shape": [-1, 2], "parameters": {"content_type": "np"}}
    ]


def test_what_a_signature_does_not_say_is_left_open() -> None:
    """Names are made up by position; a signature without outputs shows none."""
    unnamed = Schema([ColSpec("long"), ColSpec("float")])
    shown = model_metadata("m", [], ModelSignature(inputs=unnamed))
    assert [one["name"] for one in shown["inputs"]] == ["input-1", "input-2"]
    assert shown["outputs"] == []
    texts = ModelSignature(
        inputs=Schema(
            [
                TensorSpec(np.dtype(str), (-1,)),
            ]
        )
    )
    assert model_metadata("m", [], texts)["inputs"][0]["datatype"] == "BYTES"


def test_the_index_says_who_can_answer() -> None:
    """Triton's states, with the reason where a model cannot."""
    assert repository_index([("a", "1", ""), ("b", "", "it has no champion")]) == [
        {"name": "a", "version": "1", "state": "READY", "reason": ""},
        {"name": "b", "version": "", "state": "UNAVAILABLE", "reason": "it has no champion"},
    ]
