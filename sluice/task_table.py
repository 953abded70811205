"""Tasks as CSV (RFC 4180), for a spreadsheet or a script."""

import csv
import io
import json
from collections.abc import Iterable

from sluice.task_runs import TaskRun

_COLUMNS = (
    *("id", "name", "run", "deployment", "worker", "parent", "children", "arguments", "state", "state_type"),
    *("received", "started", "succeeded", "failed", "result", "error", "timestamp", "runtime", "retries"),
)
# What makes a spreadsheet take a cell for a formula (https://owasp.org/www-community/attacks/CSV_Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TEXTS = frozenset({"name", "deployment", "result", "error"})


def csv_of(tasks: Iterable[TaskRun]) -> str:
    """A header and a line a task. Children are apart by blanks, arguments are JSON, times ISO 8601.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for task in tasks:
        row = task.model_dump(mode="json") | {
            "children": " ".join(task.children),
            "arguments": json.dumps(task.arguments, ensure_ascii=False),
        }
        writer.writerow([_cell(name, row[name]) for name in _COLUMNS])
    return text.getvalue()


def _cell(name: str, value: object) -> object:
    if name in _TEXTS and isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
