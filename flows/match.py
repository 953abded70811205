"""A model against the table that it is to score, before any row is read."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import PyFuncModel
from mlflow.types import DataType, ParamSpec, Schema

from flows.question import Question
from sluice.errors import InputInvalidError, ModelExampleFailedError, TableUnfitError
from sluice.references import ModelRef, TableRef
from sluice.score_options import ScoreOptions

_TYPES: dict[DataType, pl.DataType] = {
    DataType.boolean: pl.Boolean(),
    DataType.integer: pl.Int32(),
    DataType.long: pl.Int64(),
    DataType.float: pl.Float32(),
    DataType.double: pl.Float64(),
    DataType.string: pl.String(),
    DataType.binary: pl.Binary(),
    DataType.datetime: pl.Datetime("ns"),
}


def match_table(
    signature: ModelSignature,
    schema: pl.Schema,
    key: Sequence[str],
    options: ScoreOptions,
    table: TableRef,
    model: ModelRef,
) -> Question:
    """What the signature reads, from a table with this schema.

    The table's columns that are kept are the key. Where the model reads a part of the key and nothing else, such as
    user_id of (user_id, item_id), that part is kept, and each combination of its values is one row.

    Raises:
        TableUnfitError: naming a column that is missing or of another type, or what the signature lacks.
    """

    def unfit(problem: str) -> TableUnfitError:
        return TableUnfitError(table=str(table), model=str(model), problem=problem)

    inputs: Schema = signature.inputs
    reads, matrix = (
        _of_matrix(inputs, options, unfit) if inputs.is_tensor_spec() else _of_columns(inputs, schema, unfit)
    )
    part_of_key = set(reads) < set(key)
    keeps = options.keep or tuple(reads if part_of_key else key)
    needed = {**dict.fromkeys(keeps), **reads}
    if missing := [repr(name) for name in needed if name not in schema]:
        hint = "the model reads some, and keep says which others stand beside the predictions"
        raise unfit(f"it has no column {', '.join(missing)}, only {', '.join(schema)}; {hint}")
    for name, dtype in reads.items():
        if dtype is not None and not _fits(schema[name], dtype):
            raise unfit(f"its column {name!r} is {schema[name]}, and the model reads {dtype}")
    return Question(reads, matrix, keeps, distinct=set(needed) < set(key))


def _of_columns(inputs: Schema, schema: pl.Schema, unfit: Any) -> tuple[dict[str, pl.DataType | None], None]:
    if not inputs.has_input_names():
        raise unfit("the model's signature has no names of columns; log it with a data frame as input example")
    types = inputs.input_dict()
    read = [str(name) for name in types if name in schema or name in inputs.required_input_names()]
    return {name: _type(types[name].type) for name in read}, None


def _type(wanted: Any) -> pl.DataType | None:
    """None for arrays and objects: what is in those is the model's to judge."""
    return _TYPES.get(wanted) if isinstance(wanted, DataType) else None


def _of_matrix(inputs: Schema, options: ScoreOptions, unfit: Any) -> tuple[dict[str, pl.DataType | None], str]:
    tensor: Any = inputs.inputs[0]
    shape, dtype = tensor.shape, tensor.type
    if len(inputs.inputs) != 1 or inputs.has_input_names() or len(shape) != 2:
        raise unfit(
            "the model's signature has tensors that are no rows of a table; log it with a data frame as example"
        )
    if not options.columns or shape[1] not in (-1, len(options.columns)):
        wanted = "some" if shape[1] == -1 else shape[1]
        raise unfit(f"the model reads a matrix of {wanted} columns without names; say which with columns, in order")
    each = pl.Float64() if dtype.kind == "f" else pl.Int64() if dtype.kind in "iu" else None
    return dict.fromkeys(options.columns, each), str(dtype.name)


def _fits(have: pl.DataType, want: pl.DataType) -> bool:
    """Whether a column of this type holds such values at all; single ones that do not are found row by row."""
    if have in (want, pl.Null):
        return True
    if want.is_numeric():
        return have.is_numeric()
    if want == pl.String:
        return have in (pl.Categorical, pl.Enum)
    return want.is_temporal() and have in (pl.Datetime, pl.Date)


def check_params(signature: ModelSignature, params: Mapping[str, Any], model: ModelRef) -> None:
    """MLflow would only warn of a parameter that the signature does not have, at each call.

    Raises:
        InputInvalidError: naming the parameter, and those that there are.
    """
    known = {spec.name: spec for spec in signature.params or ()}
    for name, value in params.items():
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise InputInvalidError(field=f"predict_params.{name}", problem=f"{model} has no such parameter; {takes}")
        try:
            ParamSpec.validate_param_spec(value, known[name])
        except MlflowException:
            problem = f"{model} takes {known[name].dtype!r} for it, not {value!r}"
            raise InputInvalidError(field=f"predict_params.{name}", problem=problem) from None


def check_example(model: PyFuncModel, params: Mapping[str, Any], ref: ModelRef) -> None:
    """A model that does not answer its own example would raise on every row of the table, one by one.

    Raises:
        ModelExampleFailedError: with what it said.
        InputInvalidError: by the model itself, of a parameter.
    """
    if model.input_example is None:
        return
    try:
        model.predict(model.input_example, params=dict(params) or None)
    except InputInvalidError:
        raise
    except Exception as error:  # whatever a model raises
        problem = f"{type(error).__name__}: {error}"
        raise ModelExampleFailedError(name=ref.name, version=ref.version, problem=problem) from error
