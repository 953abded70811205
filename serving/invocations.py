"""MLflow's scoring protocol: from a body's bytes to a model's input, and from its output to bytes.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input
"""

import json
import re
from collections.abc import Callable
from io import BytesIO, StringIO
from typing import Any, NamedTuple

import numpy as np
import orjson
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc.scoring_server import infer_and_parse_data, parse_csv_input, parse_parquet_input
from mlflow.pyfunc.utils.serving_data_parser import SUPPORTED_LLM_FORMATS
from mlflow.utils.proto_json_utils import NumpyEncoder, _get_jsonable_obj

from serving.served import summary
from sluice.errors import MediaTypeUnsupportedError, PayloadInvalidError, SluiceError

JSON = "application/json"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
PARAMS = "params"
# The form of a body that is the model's input itself, as chat models take it.
PLAIN = "body"
# What may be a whole number beyond 64 bits.
_LONG = re.compile(rb"\d{20}")
_NUMPY = orjson.OPT_SERIALIZE_NUMPY


class Asked(NamedTuple):
    """A body that was read.

    Attributes:
        form: the part of it that the data came from, for messages.
        check: raises for what is wrong with it, where it is more than numbers that fit.
    """

    form: str
    data: Any
    params: Any
    check: Callable[[], None] | None = None


def read(body: bytes, content_type: str) -> Asked:
    """What a body asks, not yet held against a model.

    Raises:
        MediaTypeUnsupportedError: neither JSON, CSV nor Parquet, or not UTF-8.
        PayloadInvalidError: naming the part of the body that is wrong.
    """
    if content_type != JSON:
        media_type, parameters = _media_type(content_type)
        unknown = parameters.keys() - {"charset"} or parameters.get("charset", "utf-8").strip('"') != "utf-8"
        if media_type not in (JSON, CSV, PARQUET) or unknown:
            raise MediaTypeUnsupportedError(media_type=content_type, supported=f"{JSON}, {CSV} (UTF-8), {PARQUET}")
        if media_type != JSON:
            return Asked(media_type, body, None)
    payload = _object(body)
    if not SUPPORTED_LLM_FORMATS.isdisjoint(payload):
        return Asked(PLAIN, payload, None)
    found = [form for form in FORMS if form in payload]
    if len(found) != 1:
        got = ", ".join(found) or "none of them"
        raise PayloadInvalidError(field="body", problem=f"must have exactly one of {', '.join(FORMS)}; it has {got}.")
    return Asked(found[0], payload[found[0]], payload.get(PARAMS))


def settled(asked: Asked, body: bytes, signature: ModelSignature) -> Asked:
    """The same held against the model, for what is not numbers only.

    Raises:
        PayloadInvalidError: the parameters of a model that has some are no object.
    """
    if asked.form == PLAIN:
        names = {param.name for param in signature.params or ()}
        data = {key: value for key, value in asked.data.items() if key not in names}
        return asked._replace(data=data, params={key: asked.data[key] for key in asked.data.keys() & names})
    if asked.form in FORMS and _LONG.search(body):
        # orjson reads those as floats, which would be other numbers.
        payload = json.loads(body)
        if asked.form in payload:
            asked = asked._replace(data=payload[asked.form], params=payload.get(PARAMS))
    if asked.params is None or isinstance(asked.params, dict):
        return asked
    if signature.params is None:
        return asked._replace(params=None)
    raise PayloadInvalidError(field=PARAMS, problem="must be an object of parameters and values.")


def model_input(asked: Asked, signature: ModelSignature) -> Any:
    """The model's input, cast to its signature where the form cannot say the type.

    Raises:
        PayloadInvalidError: naming the part of the body that is wrong.
    """
    schema = signature.inputs
    if asked.form == PLAIN:
        return asked.data
    if asked.form in FORMS and signature._is_signature_from_type_hint:  # MLflow has no public name for it
        if asked.form != "inputs":
            raise PayloadInvalidError(field=asked.form, problem="this model takes inputs, by its type hint.")
        return asked.data
    try:
        if asked.form == CSV:
            return parse_csv_input(StringIO(asked.data.decode()), schema)
        if asked.form == PARQUET:
            return parse_parquet_input(BytesIO(asked.data))
        return infer_and_parse_data({asked.form: asked.data}, schema)
    except Exception as error:  # MLflow's parsers raise whatever the value leads them to
        raise PayloadInvalidError(field=_field(asked), problem=_reason(error)) from None


def refusal(asked: Asked, error: BaseException) -> PayloadInvalidError:
    """What the scoring protocol answers when ``predict`` raised: the input's fault, status 400."""
    if isinstance(error, SluiceError) and "field" in error.fields:
        return PayloadInvalidError(field=error.field, problem=error.fields.get("problem", str(error)))
    if isinstance(error, MlflowException) and "Failed to enforce schema" not in error.message:
        return PayloadInvalidError(field=PARAMS, problem=summary(error))
    return PayloadInvalidError(field=_field(asked), problem=_reason(error))


def encode(prediction: Any) -> bytes:
    """A prediction as JSON. Missing and infinite numbers become null, which JSON can say.

    Raises:
        TypeError, ValueError: the output holds something that JSON has no form for.
    """
    # Of single precision, MLflow writes what the number is in double precision.
    if isinstance(prediction, np.ndarray) and prediction.dtype.kind in "fiub" and prediction.dtype != np.float32:
        return orjson.dumps(prediction if prediction.flags.c_contiguous else prediction.copy(), option=_NUMPY)
    body = _get_jsonable_obj(prediction)
    try:
        return orjson.dumps(body, default=_encodable, option=_NUMPY | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits and lone surrogates, which the standard library can write.
        return json.dumps(body, cls=NumpyEncoder, allow_nan=False).encode()


def _media_type(content_type: str) -> tuple[str, dict[str, str]]:
    # Without a header it is taken for JSON: there is nothing else it is likely to be.
    media_type, *parameters = (part.strip().lower() for part in (content_type or JSON).split(";"))
    return media_type, dict(parameter.partition("=")[::2] for parameter in parameters if parameter)


def _object(body: bytes) -> dict[str, Any]:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        payload = _lenient(body)
    if not isinstance(payload, dict):
        raise PayloadInvalidError(field="body", problem=f"must be a JSON object, with one of {', '.join(FORMS)}.")
    return payload


def _lenient(body: bytes) -> Any:
    """Python's JSON, with NaN and Infinity: MLflow's own clients send those."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PayloadInvalidError(field="body", problem=f"is not JSON: {summary(error, 200)}") from None


def _field(asked: Asked) -> str:
    return asked.form if asked.form in FORMS else "body"


def _reason(error: BaseException) -> str:
    """MLflow puts the cause last, after a copy of the data."""
    text = summary(error, limit=100_000)
    if isinstance(error, MlflowException):
        text = error.message.rpartition("Error: ")[2]
    text = " ".join(text.split())
    return text if len(text) <= 500 else f"{text[:500]}…"


def _encodable(value: Any) -> Any:
    encoded, converted = NumpyEncoder().try_convert(value)
    if not converted:
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return encoded
