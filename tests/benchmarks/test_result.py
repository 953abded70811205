"""What a benchmark leaves behind: medians with their range, verdicts on targets, a table and a JSON file."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.result import Result, Table, Target, ratio
from benchmarks.spread import Spread


def _result() -> Result:
    return Result(
        benchmark="example",
        title="An example",
        tables=[
            Table(title="t", columns=["what", "seconds"], rows=[["ours", Spread.of([3.0, 1.0, 2.0])], ["n", None]])
        ],
        targets=[Target(name="quick", measured=1.0, below=1.5), Target(name="small", measured=3.0, below=2)],
    )


def test_spread_is_the_median_and_the_range() -> None:
    """One outlier moves the range, not the figure that is compared."""
    measured = Spread.of([1.0, 2.0, 90.0])
    assert (measured.median, measured.lowest, measured.highest, measured.runs) == (2.0, 1.0, 90.0, 3)
    assert ratio(measured, Spread.of([4.0])) == 0.5
    assert str(Spread.of([4.0])) == "4.00"


def test_a_missed_target_says_so() -> None:
    """Nobody has to compare two numbers to see it, and the bound itself is not met."""
    met, missed = map(str, _result().targets)
    assert met.startswith("met")
    assert missed.startswith("MISSED")
    assert not Target(name="equal", measured=2.0, below=2.0).met


def test_the_file_has_the_machine_and_every_measurement(tmp_path: Path) -> None:
    """A committed figure can be judged later: cores, memory, versions, date; verdicts and spreads are in it too."""
    found = json.loads(_result().write(tmp_path).read_text())
    assert {"cores", "memory_gib", "python", "versions", "date"} <= set(found["machine"])
    assert [target["met"] for target in found["targets"]] == [True, False]
    assert found["tables"][0]["rows"][0][1] == {"median": 2.0, "lowest": 1.0, "highest": 3.0, "runs": 3}


def test_the_table_is_printed_with_range_and_verdict() -> None:
    """What is on the terminal says the same as the file."""
    out = io.StringIO()
    _result().print(Console(file=out, width=100))
    assert "2.00 (1.00 to 3.00)" in out.getvalue()
    assert "MISSED" in out.getvalue()


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "benchmarks/results").glob("*.json")), ids=str)
def test_committed_results_were_not_measured_on_little_data(path: Path) -> None:
    """`--quick` must never end in the repository."""
    found = json.loads(path.read_text())
    assert found["quick"] is False
    assert found["machine"]["cores"] > 0
