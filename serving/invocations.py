"""MLflow's scoring protocol: from a body's bytes to a model's input, and from its output to bytes.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#json-input
"""

import json
from dataclasses import dataclass
from io import StringIO
from typing import Any, NoReturn

import orjson
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.scoring_server import infer_and_parse_data, parse_csv_input
from mlflow.types import Schema
from mlflow.utils.proto_json_utils import NumpyEncoder, _get_jsonable_obj

from serving.served import summary
from sluice.errors import MediaTypeUnsupportedError, PayloadInvalidError, SluiceError

JSON = "application/json"
CSV = "text/csv"
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
PARAMS = "params"


@dataclass(frozen=True)
class Invocation:
    """``form`` names the part of the body that the data came from, for messages."""

    form: str
    data: Any
    params: dict[str, Any] | None


def parse(body: bytes, content_type: str, schema: Schema) -> Invocation:
    """Read a body as the model's input, cast to its signature where JSON cannot say the type.

    Raises:
        MediaTypeUnsupportedError: neither JSON nor CSV, or not UTF-8.
        PayloadInvalidError: naming the part of the body that is wrong.
    """
    media_type, charset = _media_type(content_type)
    if media_type not in (JSON, CSV) or charset != "utf-8":
        raise MediaTypeUnsupportedError(media_type=content_type, supported=f"{JSON}, {CSV} (UTF-8)")
    if media_type == CSV:
        return Invocation("body", _csv(body, schema), None)
    payload = _object(body)
    params = payload.get(PARAMS)
    if params is not None and not isinstance(params, dict):
        raise PayloadInvalidError(field=PARAMS, problem="must be an object of parameters and values.")
    found = [form for form in FORMS if form in payload]
    if len(found) != 1:
        got = ", ".join(found) or "none of them"
        raise PayloadInvalidError(field="body", problem=f"must have exactly one of {', '.join(FORMS)}; it has {got}.")
    form = found[0]
    try:
        data = infer_and_parse_data({form: payload[form]}, schema)
    except Exception as error:  # MLflow's parsers raise whatever the value leads them to
        _refuse(form, error)
    return Invocation(form, data, params)


def refusal(invocation: Invocation, error: BaseException) -> PayloadInvalidError:
    """What the scoring protocol answers when ``predict`` raised: the input's fault, status 400."""
    if isinstance(error, SluiceError) and "field" in error.fields:
        return PayloadInvalidError(field=error.field, problem=error.fields.get("problem", str(error)))
    if isinstance(error, MlflowException) and "Failed to enforce schema" not in error.message:
        return PayloadInvalidError(field=PARAMS, problem=summary(error))
    return PayloadInvalidError(field=invocation.form, problem=_reason(error))


def encode(prediction: Any) -> bytes:
    """``{"predictions": …}`` as JSON. Missing and infinite numbers become null, which JSON can say.

    Raises:
        TypeError, ValueError: the output holds something that JSON has no form for.
    """
    body = {"predictions": _get_jsonable_obj(prediction)}
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(body, default=_encodable, option=options)
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits and lone surrogates, which the standard library can write.
        return json.dumps(body, cls=NumpyEncoder, allow_nan=False).encode()


def _media_type(content_type: str) -> tuple[str, str]:
    # Without a header it is taken for JSON: there is nothing else it is likely to be.
    media_type, *parameters = (part.strip().lower() for part in (content_type or JSON).split(";"))
    values = dict(parameter.partition("=")[::2] for parameter in parameters)
    return media_type, values.get("charset", "utf-8").strip('"')


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


def _csv(body: bytes, schema: Schema) -> Any:
    try:
        return parse_csv_input(StringIO(body.decode()), schema)
    except Exception as error:  # pandas, as above
        _refuse("body", error)


def _refuse(form: str, error: Exception) -> NoReturn:
    raise PayloadInvalidError(field=form, problem=_reason(error)) from None


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
