"""What the Helm chart takes from elsewhere is written there, and a check says when it is stale."""

import shutil
from pathlib import Path

import pytest

from deployments import chart_files, chart_values

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / chart_files.CHART, tmp_path / chart_files.CHART)
    return tmp_path


def test_committed_files_are_true() -> None:
    """Rules, dashboards, logging, environment and schema in the chart are those of the code."""
    assert chart_files.stale(REPOSITORY) == []


def test_a_change_is_seen_and_undone(copy: Path) -> None:
    """A file that was changed, one that is missing and one too many are all told, and put right."""
    folder = copy / chart_files.ROOT
    changed, missing, surplus = (
        folder / "rules" / "dask.yaml",
        folder / "environment.json",
        folder / "rules" / "old.yaml",
    )
    changed.write_text("groups: []")
    missing.unlink()
    surplus.write_text("groups: []")
    assert chart_files.stale(copy) == sorted([changed, missing, surplus])
    assert set(chart_files.write(copy)) == {changed, missing, surplus}
    assert chart_files.stale(copy) == []


def test_addresses_of_a_laptop_are_not_in_it() -> None:
    """What the chart takes of the stack's environment is the same wherever a process runs."""
    for service, variables in chart_files.environments().items():
        for name, value in variables.items():
            assert "127.0.0.1" not in value, (service, name)
            assert str(Path.cwd()) not in value, (service, name)


def test_values_are_described_by_their_comments() -> None:
    """A table's line has the whole path, the default and the comment; a group has no default of its own."""
    text = "# First.\na: 1\n# A group,\n# of two.\nb:\n  # In | it.\n  c: []\n  d: 2\n# Free.\ne: {x: y}\n"
    assert list(chart_values.values(text)) == [
        ("a", "1", "First."),
        ("b", "", "A group, of two."),
        ("b.c", "[]", "In | it."),
        ("e", "{x: y}", "Free."),
    ]
    head = f"By hand.\n{chart_values.MARK}old"
    assert chart_values.readme(head, text).startswith(f"By hand.\n{chart_values.MARK}")
    assert "| `b.c` | `[]` | In \\| it. |" in chart_values.readme(head, text)
    assert "old" not in chart_values.readme(head, text)
