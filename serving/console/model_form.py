"""What a page needs to ask a model something: the fields of its signature, an example, and what a recommender has."""

from typing import Any, Literal

import orjson
import pandas as pd
from mlflow.types import DataType
from pydantic import BaseModel

from serving.served import ServedModel

Kind = Literal["integer", "number", "boolean", "text"]
_KINDS: dict[DataType, Kind] = {
    DataType.boolean: "boolean",
    DataType.integer: "integer",
    DataType.long: "integer",
    DataType.float: "number",
    DataType.double: "number",
    DataType.string: "text",
    DataType.datetime: "text",
}


class Input(BaseModel):
    """One column of the signature. ``example`` is of the model's own example; null if it has none."""

    name: str
    kind: Kind
    required: bool
    example: Any = None


class ModelForm(BaseModel):
    """``inputs`` is null for a model whose input is no table of plain columns: it takes JSON, and no form.

    Attributes:
        recommends: whether it is asked for a user's items.
        catalogue: whether items can be searched by their title, and recommended from a list of liked ones.
    """

    model: str
    version: str
    inputs: list[Input] | None
    recommends: bool
    catalogue: bool
    genres: list[str]


def model_form(served: ServedModel) -> ModelForm:
    """Of the version that answers."""
    known = served.recommender
    return ModelForm(
        model=served.name,
        version=served.version.version,
        inputs=_inputs(served),
        recommends=served.user_type is not None,
        catalogue=known is not None,
        genres=known.catalogue.by_genre.names if known is not None else [],
    )


def _inputs(served: ServedModel) -> list[Input] | None:
    schema = served.signature.inputs
    if schema.is_tensor_spec() or not schema.has_input_names():
        return None
    example = _example(served)
    made = []
    for column in schema:
        kind = _KINDS.get(column.type) if isinstance(column.type, DataType) else None
        if kind is None:
            return None
        made.append(Input(name=column.name, kind=kind, required=column.required, example=example.get(column.name)))
    return made


def _example(served: ServedModel) -> dict[str, Any]:
    """The first row of the model's example, as JSON has it. It is the model's own, and no prediction is made."""
    example = served.model.input_example
    if not isinstance(example, pd.DataFrame) or example.empty:
        return {}
    # Through text and back: NumPy's numbers, times and missing values have one form then.
    rows: list[dict[str, Any]] = orjson.loads(example.head(1).to_json(orient="records", date_format="iso"))
    return rows[0]
