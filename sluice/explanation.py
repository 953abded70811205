"""A wrong configuration as a person wants to read it: the key, what is wrong with it, what is allowed there."""

import difflib
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """The first problem that ``error`` found in a ``model``; ``prefix`` goes before its key."""
    # A wrong name is the cause when a name is missing as well.
    first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    path, model_there = _walk(model, first["loc"])
    where = prefix + ".".join(path)
    if first["type"] != "extra_forbidden":
        said = first["msg"].removeprefix("Value error, ")
        return f"{where.removesuffix('.')}: {said}"
    allowed = sorted(model_there.model_fields) if model_there else []
    close = difflib.get_close_matches(str(first["loc"][-1]), allowed, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return f"{where}: there is no such key.{meant} Allowed here: {', '.join(allowed)}"


def _walk(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[str], type[BaseModel] | None]:
    """The keys of ``loc``, and the model in which the last one is looked up.

    The names in a mapping are anybody's choice, so those are stepped over; the tag of a union is no key of the file.
    """
    path: list[str] = []
    current: Any = model
    for number, part in enumerate(loc):
        if part == "[key]":
            continue
        members = _members(current)
        if len(members) > 1 and number < len(loc) - 1 and (tagged := _tagged(members, part)) is not None:
            current = tagged
            continue
        path.append(str(part))
        if number == len(loc) - 1:
            break
        current = _below(members, part)
    models = [member for member in _members(current) if isinstance(member, type) and issubclass(member, BaseModel)]
    return path, models[0] if models else None


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in {Union, type(int | str)}:
        return [member for part in get_args(annotation) for member in _members(part) if member is not type(None)]
    return [annotation]


def _tagged(members: list[Any], tag: int | str) -> Any:
    """The member of a tagged union whose field has the literal ``tag``."""
    for member in members:
        fields = getattr(member, "model_fields", {})
        if any(tag in get_args(field.annotation) for field in fields.values()):
            return member
    return None


def _below(members: list[Any], part: int | str) -> Any:
    for member in members:
        if get_origin(member) in {dict, list, tuple}:
            return get_args(member)[-1]
        field = getattr(member, "model_fields", {}).get(str(part))
        if field is not None:
            return field.annotation
    return None
