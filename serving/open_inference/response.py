"""An inference response: from what a model answered to headers and a body's bytes."""

import base64
from typing import Any

import orjson
from mlflow.types import Schema

from serving.open_inference.byte_strings import pack
from serving.open_inference.datatype import BYTES
from serving.open_inference.output import BASE64, Output, OutputReader
from serving.open_inference.request import HEADER_LENGTH, InferRequest
from serving.open_inference.tensor import BINARY_SIZE
from sluice.errors import PayloadInvalidError

Headers = list[tuple[bytes, bytes]]

_JSON: Headers = [(b"content-type", b"application/json")]
_BINARY = (b"content-type", b"application/octet-stream")
_HEADER_LENGTH = HEADER_LENGTH.lower().encode()


class ResponseWriter:
    """Made once a model version; ``schema`` are the outputs of its signature, if it says any."""

    def __init__(self, name: str, version: str, schema: Schema | None) -> None:
        self._start = {"model_name": name, "model_version": version}
        self._reader = OutputReader(schema)

    def write(self, request: InferRequest, prediction: Any) -> tuple[Headers, bytes]:
        """The answer to ``request``: the outputs it asks for, in its order, each in JSON or in binary as it says.

        In JSON missing and infinite numbers are null, and bytes are base64; in binary both are themselves.

        Raises:
            PayloadInvalidError: the request asks for an output that is not there.
            TypeError, ValueError: the prediction holds something that the protocol cannot say.
        """
        content_type, outputs = self._reader.read(prediction)
        body: dict[str, Any] = dict(self._start)
        if request.id is not None:
            body["id"] = request.id
        body["parameters"] = {"content_type": content_type}
        wanted = [(one, request.binary) for one in outputs] if not request.outputs else _wanted(request, outputs)
        buffers: list[bytes] = []
        body["outputs"] = [_in_binary(one, buffers) if binary else _in_json(one) for one, binary in wanted]
        header = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        if not any(binary for _, binary in wanted):
            return _JSON, header
        headers = [_BINARY, (_HEADER_LENGTH, str(len(header)).encode())]
        return headers, b"".join((header, *buffers))


def _wanted(request: InferRequest, outputs: list[Output]) -> list[tuple[Output, bool]]:
    known = {one.name: one for one in outputs}
    wanted = []
    for index, one in enumerate(request.outputs):
        if one.name not in known:
            raise PayloadInvalidError(
                field=f"outputs[{index}].name", problem=f"the model has no such output. It has {', '.join(known)}."
            )
        wanted.append((known[one.name], request.binary if one.binary is None else one.binary))
    return wanted


def _in_json(output: Output) -> dict[str, Any]:
    data: Any = output.data.ravel()
    if output.datatype == BYTES:
        data = data.tolist()
        if output.content_type == BASE64:
            data = [base64.b64encode(element).decode() for element in data]
    described = _described(output, {"content_type": output.content_type} if output.content_type else {})
    described["data"] = data
    return described


def _in_binary(output: Output, buffers: list[bytes]) -> dict[str, Any]:
    if output.datatype == BYTES:
        elements = output.data.ravel().tolist()
        data = pack(elements if output.content_type == BASE64 else (element.encode() for element in elements))
    else:
        data = output.data.tobytes()
    buffers.append(data)
    parameters: dict[str, Any] = {BINARY_SIZE: len(data)}
    if output.content_type and output.content_type != BASE64:
        parameters["content_type"] = output.content_type
    return _described(output, parameters)


def _described(output: Output, parameters: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": output.data.shape}
    if parameters:
        described["parameters"] = parameters
    return described
