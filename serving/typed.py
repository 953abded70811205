"""A model's own request and answer, from its signature: what `/models/{name}/predict` takes, and its documentation."""

from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from mlflow.types import DataType, Schema
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from serving.exchange import read_json
from serving.invocations import Asked
from serving.served import ServedModel
from sluice.errors import RowsInvalidError

_TYPES: dict[DataType, Any] = {
    DataType.boolean: bool,
    DataType.integer: int,
    DataType.long: int,
    DataType.float: float,
    DataType.double: float,
    DataType.string: str,
    DataType.binary: str,
    DataType.datetime: datetime,
}
_BOUNDS = {DataType.integer: (-(2**31), 2**31 - 1), DataType.long: (-(2**63), 2**63 - 1)}
_MOST_ERRORS = 20


class TypedModel:
    """The pydantic models of one version's request and answer."""

    def __init__(self, served: ServedModel) -> None:
        title = "".join(part.capitalize() for part in served.name.split("_"))
        self.row = _row(f"{title}Row", served.signature.inputs)
        self._form = "inputs" if served.signature._is_signature_from_type_hint else "dataframe_records"
        params = _params(f"{title}Params", served)
        fields: dict[str, Any] = {"rows": (list[self.row], Field(min_length=1))}  # type: ignore[name-defined]
        if params is not None:
            fields["params"] = (params | None, None)
        strict = ConfigDict(extra="forbid")
        self.request = create_model(f"{title}Request", __config__=strict, **fields)
        answer: Any = list[Any]
        outputs = served.signature.outputs
        if outputs is not None and not outputs.is_tensor_spec() and all(column.name for column in outputs):
            answer = list[_row(f"{title}Prediction", outputs)]  # type: ignore[misc]
        self.answer = create_model(
            f"{title}Answer",
            prediction_id=(str, ...),
            model=(str, ...),
            version=(str, ...),
            predictions=(answer, Field(description="one a row, in their order")),
        )

    @classmethod
    def of(cls, served: ServedModel) -> "TypedModel":
        """Made once for a version."""
        typed = _known.get(served)
        if typed is None:
            typed = _known[served] = cls(served)
        return typed

    def read(self, body: bytes) -> Asked:
        """The rows as the scoring protocol's records.

        Raises:
            InputInvalidError: the body is no JSON object.
            RowsInvalidError: naming each field that is wrong.
        """
        payload = read_json(body)
        if type(payload) is dict and payload.keys() == {"rows"} and payload["rows"]:
            # Numbers need no second look; what they are not, `check` tells.
            return Asked(self._form, payload["rows"], None, lambda: self._check(body))
        self._check(body)
        return Asked(self._form, payload["rows"], payload.get("params"))

    def _check(self, body: bytes) -> None:
        try:
            self.request.model_validate_json(body, strict=True)
        except ValidationError as error:
            problems = _problems(error)
            said = "; ".join(f"{one['field']}: {one['message']}" for one in problems)
            raise RowsInvalidError(said=said, problems=problems) from None


_known: "WeakKeyDictionary[ServedModel, TypedModel]" = WeakKeyDictionary()


def _row(title: str, schema: Schema) -> Any:
    if schema.is_tensor_spec():
        return list[Any] if len(list(schema)) == 1 else dict[str, Any]
    if not schema.has_input_names():  # a type hint's: a row is one value
        types = [_TYPES.get(column.type, Any) if isinstance(column.type, DataType) else Any for column in schema]
        return types[0] if len(types) == 1 else list[Any]
    fields: dict[str, Any] = {}
    for column in schema:
        kind = _TYPES.get(column.type, Any) if isinstance(column.type, DataType) else Any
        low, high = _BOUNDS.get(column.type, (None, None)) if isinstance(column.type, DataType) else (None, None)
        told = Field(alias=str(column.name), ge=low, le=high) if low is not None else Field(alias=str(column.name))
        fields[f"column_{len(fields)}"] = (kind, told) if column.required else (kind | None, told)
        if not column.required:
            fields[f"column_{len(fields) - 1}"] = (kind | None, Field(None, alias=str(column.name)))
    return create_model(title, __config__=ConfigDict(extra="ignore"), **fields)


def _params(title: str, served: ServedModel) -> type[BaseModel] | None:
    schema = served.signature.params
    if schema is None:
        return None
    fields: dict[str, Any] = {}
    for param in schema:
        kind: Any = _TYPES.get(param.dtype, Any) if isinstance(param.dtype, DataType) else Any
        kind = kind if param.shape is None else list[kind]
        fields[f"param_{len(fields)}"] = (kind | None, Field(param.default, alias=param.name))
    return create_model(title, __config__=ConfigDict(extra="forbid"), **fields)


def _problems(error: ValidationError) -> list[dict[str, str]]:
    found = error.errors(include_url=False, include_input=False, include_context=False)[:_MOST_ERRORS]
    return [{"field": ".".join(map(str, one["loc"])) or "body", "message": one["msg"]} for one in found]
