"""``python -m deployments.reference``: the reference pages in docs/, from the code; ``--check`` compares."""

import difflib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from deployments.alerts_page import alerts_page

_HEAD = "<!-- Written by `python -m deployments.reference`; change the code's descriptions, not this file. -->\n"

_SETTINGS_INTRO = """\
# Settings

Everything is set in the environment: the prefix is `SLUICE_`, and a group's name is followed by two underscores. Each
process reads the settings once, when it starts. A value that does not fit ends the process with one line that names the
variable. Where nothing is set, the whole platform runs on this machine, with all of its state in `.sluice/`.

A list or a mapping is written as JSON, such as `SLUICE_SERVING__MODELS='["movies"]'`.

| variable | type | default | what it is |
| --- | --- | --- | --- |
"""

_TABLE = "| key | type | default | what it is |\n| --- | --- | --- | --- |\n"

_USE_CASE_INTRO = """\
# use_case.yaml

Every key that a use case's file may have; [use cases](use-cases.md) says what they are good for. A key that is not
here is refused when the file is read: the message names the file, the key and what is allowed there. `<name>` is a
metric of `evaluate`, `<flow>` one of ingest, features, train, evaluate, pipeline and score.

"""

_SOURCES_INTRO = """
## Sources

`source:` has a `kind` and the keys of that kind.
"""

_TYPES: dict[Any, str] = {
    str: "text", Path: "path", int: "whole number", float: "number", bool: "true or false", SecretStr: "secret",
    Any: "anything",
}  # fmt: skip

_SETTINGS_END = """
Two more are read outside of these: `SLUICE_DEBUG=1` makes the command line show the traceback of an error that it would
otherwise say in one line, and a use case's own values are not settings but live in its `use_case.yaml`
([use cases](use-cases.md)).

Addresses and the local stack: `sluice up` starts the engines whose address is on this machine and only uses those whose
address is elsewhere. While a stack is up in a folder, the addresses that it has chosen win over these variables for
every `sluice` command that is run in that folder.
"""

_CLI_INTRO = """\
# Command line

`make install` puts `sluice` into `.venv/bin`; `source .venv/bin/activate` puts that on the path. A command works on the
stack of the folder it is run in, unless `SLUICE_HOME` names another one's state. An error is one line that says what to
do next, with exit code 1; a wrong option exits with 2.
"""


def settings_page() -> str:
    """The table of all settings."""
    from sluice.settings import PREFIX, Settings

    return _HEAD + _SETTINGS_INTRO + _rows(Settings, lambda path: PREFIX + "__".join(path).upper()) + _SETTINGS_END


def use_case_page() -> str:
    """What use_case.yaml may say, and what each kind of source takes."""
    from sluice.sources.kinds import KINDS
    from sluice.use_case import UseCaseConfig

    parts = [_HEAD + _USE_CASE_INTRO, _TABLE, _rows(UseCaseConfig, ".".join), _SOURCES_INTRO]
    for kind, (module, source_name, options_name) in KINDS.items():
        if find_spec(f"sluice.sources.{module}") is None:
            continue  # named before it is written
        found = import_module(f"sluice.sources.{module}")
        parts.append(f"\n### kind: {kind}\n\n{_markdown(inspect.getdoc(getattr(found, source_name)) or '')}\n")
        if rows := _rows(getattr(found, options_name), ".".join):
            parts += ["\n", _TABLE, rows]
    return "".join(parts)


def _rows(model: type[BaseModel], name: Callable[[tuple[str, ...]], str], path: tuple[str, ...] = ()) -> str:
    """A line a field: its name, type, default and description. Fields of nested models come in their place."""
    lines = []
    for key, field in model.model_fields.items():
        here = (*path, key)
        nested, below = _nested(field.annotation)
        if nested is not None and nested is not model:
            if field.description:
                lines.append(f"| `{name(here)}` | | | {field.description} |\n")
            lines.append(_rows(nested, name, (*here, *below)))
            continue
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = "required" if field.is_required() else _default(default)
        lines.append(
            f"| `{name(here)}` | {_type(field.annotation)} | {shown} | {_markdown(field.description or '')} |\n"
        )
    return "".join(lines)


def _nested(annotation: Any) -> tuple[type[BaseModel] | None, tuple[str, ...]]:
    """The model that a field holds, and what its keys stand below when it is a mapping to models."""
    below: tuple[str, ...] = ()
    if get_origin(annotation) is dict:
        keys, annotation = get_args(annotation)
        below = ("<flow>",) if get_args(keys) else ("<name>",)
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return (annotation, below) if is_model else (None, ())


def _type(annotation: Any) -> str:
    """The type as a person would say it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None))
    if origin in (tuple, list, set, frozenset):
        return "list"
    if origin in (dict, Mapping):
        return "mapping"
    return _TYPES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "" if value in ("", (), {}, [], None) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def cli_page() -> str:
    """Every command: what it does, its arguments and options, its examples."""
    from typer.main import get_command

    from deployments.cli import app

    root: Any = get_command(app)
    return _HEAD + _CLI_INTRO + _commands(root.commands)


def _commands(commands: Mapping[str, Any], prefix: str = "") -> str:
    """A section a command; those of a group follow it, by what is typed."""
    text = ""
    for name, command in commands.items():
        text += _command(prefix + name, command)
        text += _commands(getattr(command, "commands", {}), f"{prefix}{name} ")
    return text


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    names = [p.metavar or p.name.upper() for p in arguments]
    parts = [f"\n## {' '.join(['sluice', name, *names])}\n", _help(command.help)]
    table = [(f"`{n}`", p.help) for n, p in zip(names, arguments, strict=True)] + [(_flags(p), p.help) for p in options]
    if table:
        parts.append("\n| | |\n| --- | --- |\n" + "".join(f"| {name} | {text} |\n" for name, text in table))
    return "".join(parts)


def _flags(option: Any) -> str:
    choices = "\\|".join(map(str, get_args(option.type_descriptor.annotation)))
    value = "" if option.is_flag else f" {option.metavar or choices or 'TEXT'}"
    default = f", else `{option.default}`" if option.default and not option.is_flag else ""
    return ", ".join(f"`{flag}{value}`" for flag in (*option.opts, *option.secondary_opts)) + default


def _markdown(docstring: str) -> str:
    return docstring.replace("``", "`")


def _help(text: str) -> str:
    """A command's docstring: paragraphs, and its indented examples as a block that the tests of the docs run."""
    body, _, examples = re.sub(r"\[/?bold\]", "**", text).partition("**Example")
    commands = [line.strip() for line in examples.splitlines()[1:] if line.strip()]
    block = "\n```bash\n" + "\n".join(re.sub(r" {3,}(?=\S)", "   # ", line) for line in commands) + "\n```\n"
    return f"\n{body.strip()}\n" + (block if commands else "")


PAGES: dict[Path, Callable[[], str]] = {
    Path("docs/settings.md"): settings_page,
    Path("docs/cli.md"): cli_page,
    Path("docs/use-case-yaml.md"): use_case_page,
    Path("docs/alerts.md"): lambda: _HEAD + alerts_page(),
}


def write_all(root: Path) -> list[Path]:
    """Write the pages below ``root``."""
    for path, page in PAGES.items():
        (root / path).write_text(page(), encoding="utf-8")
    return list(PAGES)


def stale(root: Path) -> str:
    """The difference between the pages below ``root`` and what the code says now; empty when there is none."""
    difference: list[str] = []
    for path, page in PAGES.items():
        there = (root / path).read_text(encoding="utf-8") if (root / path).exists() else ""
        now = page()
        difference += difflib.unified_diff(there.splitlines(True), now.splitlines(True), str(path), f"{path} (now)")
    return "".join(difference)


def main(arguments: list[str]) -> int:
    from rich.markup import escape

    from deployments.terminal import console, errors

    root = Path.cwd()
    if arguments == ["--check"]:
        if difference := stale(root):
            errors.print(
                f"The reference is stale. Write it again: python -m deployments.reference\n{escape(difference)}"
            )
            return 1
        console.print(f"{', '.join(map(str, PAGES))} match the code.")
        return 0
    for path in write_all(root):
        console.print(f"Wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
