"""How the service asks a recommender, and reads its answer.

A recommender is any model whose input is a column ``user_id`` and whose output has one row a user with the columns
item_ids, titles, scores (lists, best first) and known.
"""

import re
from typing import Any

import pandas as pd
from mlflow.types import DataType

from serving.schemas import Item, Recommendations
from serving.served import ServedModel
from sluice.errors import InputInvalidError, PredictionFailedError

USER = "user_id"
COUNT = "k"
# Signed bits of the integer types that a signature can give the user id.
BITS = {DataType.integer: 32, DataType.long: 64}
WHOLE = re.compile(r"-?[0-9]{1,40}")
ANSWER = {"item_ids", "titles", "scores", "known"}


def question(served: ServedModel, user_id: str, k: int) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """The model's input for one user, and its parameters.

    Raises:
        InputInvalidError: the user id is not of the signature's type, or the model takes no users.
    """
    inputs = served.signature.inputs
    if inputs.is_tensor_spec() or inputs.input_names() != [USER]:
        raise InputInvalidError(
            field="model", problem=f"{served.name!r} is not a recommender: its input is not a {USER}."
        )
    user = _typed(user_id, inputs.input_types()[0])
    return pd.DataFrame({USER: [user]}), {COUNT: k} if served.accepts(COUNT) else None


def answer(served: ServedModel, frame: pd.DataFrame, output: Any, k: int) -> Recommendations:
    """Read the model's row for the one user that was asked for.

    Raises:
        PredictionFailedError: the output is not a recommender's.
    """
    if not isinstance(output, pd.DataFrame) or not set(output.columns) >= ANSWER or len(output) != 1:
        raise PredictionFailedError(
            name=served.name,
            version=served.version.version,
            problem=f"its output is not one row with {', '.join(sorted(ANSWER))}.",
        )
    row = output.iloc[0]
    try:
        found = list(zip(row["item_ids"], row["titles"], row["scores"], strict=True))[:k]
        items = [Item(item_id=_plain(item), title=title, score=float(score)) for item, title, score in found]
    except (TypeError, ValueError) as error:
        raise PredictionFailedError(
            name=served.name, version=served.version.version, problem=f"its output is malformed: {error}"
        ) from error
    return Recommendations(
        model=served.name,
        version=served.version.version,
        user_id=_plain(frame[USER].iloc[0]),
        known=bool(row["known"]),
        items=items,
    )


def _typed(user_id: str, type_: Any) -> int | str:
    if type_ not in BITS:
        return user_id
    limit = 2 ** (BITS[type_] - 1)
    if not WHOLE.fullmatch(user_id):
        raise InputInvalidError(field=USER, problem="must be a whole number.")
    user = int(user_id)
    if not -limit <= user < limit:
        raise InputInvalidError(field=USER, problem=f"must be between {-limit} and {limit - 1}.")
    return user


def _plain(value: Any) -> Any:
    """A Python number for a NumPy one."""
    return value.item() if hasattr(value, "item") else value
