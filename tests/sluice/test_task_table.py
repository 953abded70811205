"""Tasks as CSV."""

import csv
import io
import json
from typing import Any

import pytest

from sluice.task_runs import TaskRun
from sluice.task_table import csv_of
from tests.fakes.prefect_history import START


def rows(**fields: Any) -> list[dict[str, str]]:
    given = {"name": "train.fit", "task": "fit", "run": "r1", "state": "Completed", "state_type": "COMPLETED", **fields}
    text = csv_of([TaskRun(id="t1", received=START, timestamp=START, **given)])
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_line_has_what_the_json_has() -> None:
    """Also texts with commas, quotes and line breaks; what is missing is empty."""
    error = 'ValueError: "a", b\n  at line 2'
    (row,) = rows(error=error, children=["t2", "t3"], arguments={"plan": "é, x"}, runtime=1.5)
    assert (row["error"], row["children"], row["runtime"]) == (error, "t2 t3", "1.5")
    assert json.loads(row["arguments"]) == {"plan": "é, x"}
    assert (row["received"], row["started"]) == ("2026-11-21T05:00:00Z", "")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@x", "'@x"),
        ("-x", "'-x"),
        ("-1.5", "-1.5"),
        ("+7", "+7"),
        ("movies@7", "movies@7"),
    ],
)
def test_a_text_is_no_formula(text: str, cell: str) -> None:
    """A spreadsheet must not calculate what a task gave; a number stays one."""
    assert rows(result=text)[0]["result"] == cell


def test_no_task_is_a_header() -> None:
    """A script always finds the columns."""
    assert csv_of([]).startswith("id,name,run,deployment,worker,parent,children,arguments,state,")
