"""What the protocol tells of the server and of a model."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

import sluice
from serving.open_inference import output
from serving.open_inference.datatype import BYTES, datatype_of

# https://github.com/triton-inference-server/server/tree/main/docs/protocol
EXTENSIONS = ("binary_tensor_data",)
# The protocol's form is <project>_<format>.
PLATFORM = "mlflow_pyfunc"

_CONTENT_TYPES = {DataType.string: output.TEXT, DataType.binary: output.BASE64, DataType.datetime: output.TIMES}


def server_metadata() -> dict[str, Any]:
    return {"name": "sluice", "version": sluice.__version__, "extensions": list(EXTENSIONS)}


def model_metadata(name: str, versions: Sequence[str], signature: ModelSignature) -> dict[str, Any]:
    """A model's inputs and outputs by its signature; a column is a tensor of shape [-1, 1], as in MLServer."""
    inputs, outputs = signature.inputs, signature.outputs
    return {
        "name": name,
        "versions": list(versions),
        "platform": PLATFORM,
        "inputs": _tensors(inputs, [one.name or f"input-{number}" for number, one in enumerate(inputs.inputs, 1)]),
        "outputs": _tensors(outputs, output.names(outputs)) if outputs is not None else [],
    }


def repository_index(models: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Triton's index, from names, versions ("" for none) and why a model cannot answer ("" if it can)."""
    return [
        {"name": name, "version": version, "state": "UNAVAILABLE" if reason else "READY", "reason": reason}
        for name, version, reason in models
    ]


def _tensors(schema: Schema, names: Sequence[str]) -> list[dict[str, Any]]:
    return [_tensor(name, spec) for name, spec in zip(names, schema.inputs, strict=True)]


def _tensor(name: str, spec: ColSpec | TensorSpec) -> dict[str, Any]:
    shape = list(spec.shape) if isinstance(spec, TensorSpec) else [-1, 1]
    type_ = spec.type
    if isinstance(type_, DataType):
        known, content_type = datatype_of(type_.to_numpy()), _CONTENT_TYPES.get(type_, output.ARRAY)
    elif isinstance(type_, np.dtype):
        known = datatype_of(type_)
        content_type = output.TEXT if known is None or known.name == BYTES else output.ARRAY
    else:
        known, content_type = None, output.DOCUMENTS
    datatype = known.name if known else BYTES
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"content_type": content_type}}
