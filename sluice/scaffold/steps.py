"""What goes into the template of steps.py."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from sluice.scaffold.columns import Column, columns_of
from sluice.scaffold.guesses import Guess, inputs_of, is_time_like, key_of, roles_of, target_of
from sluice.scaffold.refusal import ScaffoldRefusedError

_WIDTH = 110


@dataclass(frozen=True)
class Steps:
    """Attributes:
    values: for the template, by placeholder.
    promote_if: a line of YAML.
    guesses: one line each, for the person who runs the command.
    """

    values: dict[str, str]
    promote_if: str
    guesses: tuple[str, ...]


def steps_of(
    kind: str, name: str, frame: pl.DataFrame, *, origin: str, target: str | None, key: tuple[str, ...]
) -> Steps:
    """
    Raises:
        ScaffoldRefusedError: a column that is not there, or none that this kind needs.
    """
    for wanted in (*key, *([target] if target else [])):
        if wanted not in frame.columns:
            hint = f"It has: {', '.join(frame.columns)}"
            raise ScaffoldRefusedError(name=name, problem=f"{origin} has no column {wanted!r}", hint=hint)
    if kind == "recommender":
        return _recommender(name, frame, origin)
    return _predictor(kind, name, frame, origin, target, key)


def _predictor(
    kind: str, name: str, frame: pl.DataFrame, origin: str, target: str | None, key: tuple[str, ...]
) -> Steps:
    columns = columns_of(frame)
    by_source = {column.source: column.name for column in columns}
    keys = Guess(tuple(by_source[each] for each in key), "given") if key else key_of(columns)
    wanted = Guess((by_source[target],), "given") if target else target_of(columns, kind, name, keys)
    if wanted is None:
        needed = "2 to 20 different values" if kind == "classifier" else "numbers"
        problem = f"no column of {origin} has {needed}, so there is nothing to predict"
        raise ScaffoldRefusedError(name=name, problem=problem, hint="Name the column: --target COLUMN")
    (label,) = wanted.names
    single_key = keys.names if len(keys.names) == 1 else ()
    numbers, texts = inputs_of(columns, without=(label, *(single_key if not key else keys.names)))
    time = next((column for column in columns if column.is_time), None)
    classes = next(column.distinct for column in columns if column.name == label)
    values = {
        "name": name,
        "origin": origin,
        "key": _tuple(keys.names),
        "key_reason": _comment(keys.reason),
        "target": label,
        "target_reason": _comment(wanted.reason),
        "time": _time(time),
        "numbers": _list("NUMBERS", numbers),
        "texts": _list("TEXTS", texts),
        "schema": _schema(columns, keys.names),
        **_renaming({column.source: column.name for column in columns}),
    }
    gate = {
        "classifier": f"balanced_accuracy: {{min: {1 / classes:.2g}, beat_champion_by: 0}}",
        "regressor": "r2: {min: 0}\n  mean_error: {beat_champion_by: 0, higher_is_better: false}",
    }
    guesses = [f"KEY = {_tuple(keys.names)}: {keys.reason}", f"TARGET = {label}: {wanted.reason}"]
    guesses += [f"TIME = {time.name}: the first column of times"] if time else []
    return Steps(values, gate[kind], tuple(guesses))


def _recommender(name: str, frame: pl.DataFrame, origin: str) -> Steps:
    roles = roles_of(columns_of(frame))
    if not {"user_id", "item_id"} <= roles.keys():
        hint = "A recommender learns from rows of a user and an item each; name these columns user_id and item_id"
        problem = f"{origin} has no column for {' and '.join(sorted({'user_id', 'item_id'} - roles.keys()))}"
        raise ScaffoldRefusedError(name=name, problem=problem, hint=hint)
    renamed = {source: role for role, source in roles.items()}
    columns = columns_of(frame.select(list(renamed)), renamed)
    pair = ["user_id", "item_id"]
    by_role = frame.rename(renamed).drop_nulls(pair)
    key = next(
        (
            one
            for one in (pair, [*pair, "timestamp"])
            if set(one) <= set(renamed.values()) and _identifies(by_role, one)
        ),
        pair,
    )
    values = {
        "name": name,
        "origin": origin,
        "key": _tuple(key),
        "key_reason": _comment(
            "each of these is there once" if _identifies(by_role, key) else "repeated rows are refused"
        ),
        "time": 'TIME = "timestamp"\n' if "timestamp" in roles else "",
        "schema": _schema(columns, pair),
        "title": 'pl.col("title").min()' if "title" in roles else "pl.lit(None, pl.String)",
        **_renaming(renamed),
    }
    guesses = tuple(f"{role} is the column {source}" for role, source in roles.items())
    return Steps(values, "ndcg: {min: 0.01, beat_champion_by: 0}", (*guesses, f"KEY = {_tuple(key)}"))


def _identifies(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    return not frame.select(key).is_duplicated().any()


def _schema(columns: Sequence[Column], key: Sequence[str]) -> str:
    return "\n".join(f"    {_line(column, column.name in key)}" for column in columns)


def _line(column: Column, is_key: bool) -> str:
    checks: dict[str, object] = dict(column.bounds())
    if is_key or is_time_like(column):
        checks.pop("le", None)  # ids and times grow
    if column.nullable and not is_key:
        checks["nullable"] = True
    field = f" = pa.Field({', '.join(f'{name}={value}' for name, value in checks.items())})" if checks else ""
    return f"{column.name}: pl.{column.dtype}{field}{_comment(column.seen(), '')}"


def _comment(text: str, mark: str = "GUESS: ") -> str:
    return f"  # {mark}{' '.join(text.split())}"


def _tuple(names: Sequence[str]) -> str:
    return "(" + ", ".join(f'"{name}"' for name in names) + ("," if len(names) == 1 else "") + ")"


def _list(name: str, items: Sequence[str]) -> str:
    """An assignment, on several lines if it is long."""
    quoted = [f'"{item}"' for item in items]
    one = f"{name} = [{', '.join(quoted)}]"
    if len(one) <= _WIDTH:
        return one
    return "\n".join([f"{name} = [", *(f"    {item}," for item in quoted), "]"])


def _renaming(names: dict[str, str]) -> dict[str, str]:
    """The constant and the line of ingest that bring a file's names to those of Python, if any differ."""
    changed = {source: name for source, name in names.items() if source != name}
    if not changed:
        return {"renamed": "", "ingest": "    return source.read(since)"}
    lines = "".join(f"    {source!r}: {name!r},\n".replace("'", '"') for source, name in changed.items())
    ingest = "    for batch in source.read(since):\n        yield batch.rename(RENAMED, strict=False)"
    return {"renamed": f"RENAMED = {{\n{lines}}}\n", "ingest": ingest}


def _time(column: Column | None) -> str:
    if column is None:
        return ""
    return f'TIME = "{column.name}"{_comment("when it happened, for sluice backfill")}\n'
