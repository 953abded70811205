"""How the service asks a recommender, and reads its answer.

A recommender is any model whose input is a column ``user_id`` and whose output has one row a user with the columns
item_ids, titles, scores (lists, best first) and known. One of our own is asked without the data frames in between.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd
from mlflow.types import DataType

from serving.served import ServedModel
from sluice.errors import InputInvalidError, PredictionFailedError
from sluice.recommenders.model import RecommenderModel

USER = "user_id"
COUNT = "k"
MOST_ITEMS = 1000
MOST_EXCLUDED = 1000
# Signed bits of the integer types that a signature can give the user id.
BITS = {DataType.integer: 32, DataType.long: 64}
WHOLE = re.compile(r"-?[0-9]{1,18}")
ANSWER = {"item_ids", "titles", "scores", "known"}
_PARAMETERS = {COUNT, "exclude", "genre", "model", "version", "alias"}
_LONGEST = 256

Item = dict[str, Any]


class Question(NamedTuple):
    """``exclude`` are item ids as text."""

    k: int = 10
    exclude: tuple[str, ...] = ()
    genre: str | None = None

    @classmethod
    def of(cls, user_id: str, params: Mapping[str, str]) -> "Question":
        """From a query's parameters.

        Raises:
            InputInvalidError: naming the one that is wrong.
        """
        if len(user_id) > _LONGEST:
            raise InputInvalidError(field=USER, problem=f"must have at most {_LONGEST} characters.")
        if not params:
            return _PLAIN
        k = params.get(COUNT, "10")
        if not WHOLE.fullmatch(k) or not 1 <= int(k) <= MOST_ITEMS:
            raise InputInvalidError(field=COUNT, problem=f"must be a whole number from 1 to {MOST_ITEMS}.")
        excluded = params.get("exclude", "")
        exclude = tuple(part.strip() for part in excluded.split(",")) if excluded else ()
        if len(exclude) > MOST_EXCLUDED:
            raise InputInvalidError(field="exclude", problem=f"must name at most {MOST_EXCLUDED} items.")
        genre = params.get("genre")
        if genre is not None and not 0 < len(genre) <= _LONGEST:
            raise InputInvalidError(field="genre", problem=f"must have 1 to {_LONGEST} characters.")
        return cls(int(k), exclude, genre)


_PLAIN = Question()


def user_of(served: ServedModel, user_id: str) -> int | str:
    """The user's id in the type of the signature.

    Raises:
        InputInvalidError: it is not of that type, or the model takes no users.
    """
    type_ = served.user_type
    if type_ is None:
        raise InputInvalidError(
            field="model", problem=f"{served.name!r} is not a recommender: its input is not a {USER}."
        )
    return _typed(user_id, type_, USER)


def quick(model: RecommenderModel, user: int | str, asked: Question) -> tuple[bool, list[Item]]:
    """Whether the user is known, and the best items, from a recommender of our own.

    Raises:
        InputInvalidError: no item is of that genre.
    """
    found = model.recommend_one(user, asked.k, exclude=asked.exclude, genre=asked.genre)
    items = [
        {"item_id": item, "title": title, "score": score}
        for item, title, score in zip(found.item_ids, found.titles, found.scores, strict=True)
    ]
    return found.known, items


def general(
    served: ServedModel, user: int | str, asked: Question, predict: Callable[..., Any]
) -> tuple[bool, list[Item]]:
    """The same from any recommender. Excluded items are left out of a longer answer.

    Raises:
        PredictionFailedError: the output is not a recommender's.
        InputInvalidError: a genre is asked of one that tells none.
    """
    if asked.genre is not None:
        raise InputInvalidError(field="genre", problem=f"{served.name!r} cannot be asked for a genre.")
    params = {COUNT: asked.k + len(asked.exclude)} if served.accepts(COUNT) else None
    output = predict(served, pd.DataFrame({USER: [user]}), params)
    if not isinstance(output, pd.DataFrame) or not set(output.columns) >= ANSWER or len(output) != 1:
        raise PredictionFailedError(
            name=served.name,
            version=served.version.version,
            problem=f"its output is not one row with {', '.join(sorted(ANSWER))}.",
        )
    row, excluded = output.iloc[0], set(asked.exclude)
    try:
        found = [
            {"item_id": _plain(item), "title": title, "score": float(score)}
            for item, title, score in zip(row["item_ids"], row["titles"], row["scores"], strict=True)
            if str(item) not in excluded
        ]
    except (TypeError, ValueError) as error:
        raise PredictionFailedError(
            name=served.name, version=served.version.version, problem=f"its output is malformed: {error}"
        ) from error
    return bool(row["known"]), found[: asked.k]


def _typed(text: str, type_: Any, field: str) -> int | str:
    if type_ not in BITS:
        return text
    limit = 2 ** (BITS[type_] - 1)
    if not re.fullmatch(r"-?[0-9]{1,40}", text):
        raise InputInvalidError(field=field, problem="must be a whole number.")
    value = int(text)
    if not -limit <= value < limit:
        raise InputInvalidError(field=field, problem=f"must be between {-limit} and {limit - 1}.")
    return value


def _plain(value: Any) -> Any:
    """A Python number for a NumPy one."""
    return value.item() if hasattr(value, "item") else value
