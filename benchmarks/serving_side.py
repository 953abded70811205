"""What the serving benchmark compares: servers, and the lines of its tables, each one kind of request to a server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.raw_request import Body, raw_request

FOREST, LOGISTIC, MOVIES, NO_MODEL = "forest", "logistic", "movies", "no model"
# Items that are asked for.
BEST = 10


@dataclass(frozen=True)
class Made:
    """What `benchmarks.serving_models.make` made."""

    columns: list[str]
    rows: list[list[float]]
    users: list[int]
    models: Mapping[str, Mapping[str, Any]]
    folder: Path
    uri: str


@dataclass(frozen=True)
class Line:
    """Attributes:
    requests: as they go onto the wire.
    label: reads what was predicted out of an answer's JSON; none where the answer is a constant.
    expected: what the model itself predicts, for each request.
    open: asked in an open loop too.
    """

    name: str
    model: str
    requests: Sequence[bytes]
    label: Callable[[Any], Any] | None = None
    expected: Sequence[Any] = ()
    open: bool = False


@dataclass(frozen=True)
class Side:
    """A server for one model, and the lines that ask it."""

    name: str
    model: str
    command: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    port: int
    lines: Sequence[Line] = field(default=())


def unlogged(name: str) -> str:
    """The same model registered with a serving policy that logs no prediction."""
    return f"{name}-unlogged"


def scored(
    name: str,
    made: Made,
    model: str,
    path: str,
    body: Callable[[list[float]], Body],
    label: Callable[[Any], Any],
    headers: Mapping[str, str] | None = None,
    open: bool = False,
) -> Line:
    """A line whose answers are compared with scikit-learn's."""
    requests = [raw_request(path, body(row), headers) for row in made.rows]
    return Line(name, model, requests, label, made.models[model]["expected"], open)


def dataframe_split(made: Made) -> Callable[[list[float]], Body]:
    """MLflow's protocol, which ours, MLflow's server and the constants are asked in."""
    return lambda row: {"dataframe_split": {"columns": made.columns, "data": [row]}}


def open_inference(made: Made) -> Callable[[list[float]], Body]:
    """The Open Inference Protocol V2, a tensor a column, as MLServer reads a data frame."""
    return lambda row: {
        "inputs": [
            {"name": name, "datatype": "FP64", "shape": [1, 1], "data": [value]}
            for name, value in zip(made.columns, row, strict=True)
        ]
    }
