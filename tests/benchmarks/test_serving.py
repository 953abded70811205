"""What the serving benchmark says of what it measured, and that it refuses wrong answers."""

import json
from pathlib import Path

import pytest

from benchmarks.closed_loop import ClosedLoop
from benchmarks.raw_request import raw_request
from benchmarks.serving_ours import ON
from benchmarks.serving_peers import ASGI, BENTOML, FASTAPI, LITSERVE, MLFLOW
from benchmarks.serving_rounds import Measured, MeasuredLine, compare
from benchmarks.serving_side import FOREST, LOGISTIC, MOVIES, NO_MODEL, Line
from benchmarks.serving_tables import tables, targets
from tests.benchmarks.conftest import Listen


def _line(name: str, model: str, rates: list[float], failed: int = 0) -> MeasuredLine:
    rounds = [ClosedLoop(rate=rate, p50=1, p99=5, failed=failed) for rate in rates]
    line = Line(name, model, [])
    return MeasuredLine(line, None, Path(), rounds, [0.1] * len(rounds))  # type: ignore[arg-type]  # no server is asked


def _measured(ours: float) -> Measured:
    lines = [_line(FASTAPI, NO_MODEL, [900, 1000, 5000]), _line(ASGI, NO_MODEL, [3000])]
    for model in (FOREST, LOGISTIC):
        lines.append(_line(ON, model, [ours]))
        lines += [_line(MLFLOW, model, [10]), _line(BENTOML, model, [90]), _line(LITSERVE, model, [100])]
    return Measured(lines=[*lines, _line(ON, MOVIES, [ours / 2])])


def test_each_promise_is_judged_by_medians() -> None:
    """At least as quick as FastAPI's constant is met when equal; the better of two peers is the one that counts."""
    assert all(target.met for target in targets(_measured(1000)))
    missed = {target.name for target in targets(_measured(799)) if not target.met}
    assert missed == {
        f"forest, times {FASTAPI}",
        f"forest, times {MLFLOW}",
        f"forest, times {BENTOML} or {LITSERVE}",
        f"logistic, times {FASTAPI}",
        f"logistic, times {BENTOML} or {LITSERVE}",
        f"movies, times {FASTAPI}",
    }


def test_a_failed_request_of_ours_misses_a_target() -> None:
    """However quick the others were."""
    measured = _measured(1000)
    measured.lines.append(_line(ON, FOREST, [1000], failed=1))
    assert [target.name for target in targets(measured) if not target.met] == ["requests of ours that failed"]


def test_ratios_are_ours_over_the_peer() -> None:
    """In the table of each model, with the constants in each."""
    forest = tables(_measured(1000))[0]
    ratios = {row[0]: row[2] for row in forest.rows}
    assert ratios == {FASTAPI: 1, ASGI: 1000 / 3000, ON: 1, MLFLOW: 100, BENTOML: 1000 / 90, LITSERVE: 10}


@pytest.mark.parametrize(("said", "status"), [([0], 200), ([1], 500)])
def test_a_wrong_answer_ends_the_benchmark(listen: Listen, said: list[int], status: int) -> None:
    """The rate of a server that answers something else means nothing."""
    body = json.dumps({"predictions": said}).encode()
    port = listen(lambda _: b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
    line = Line("it", FOREST, [raw_request("/", {})], lambda answer: answer["predictions"][0], [said[0]])
    if status == 200:
        compare(port, line)
    wrong = Line("it", FOREST, line.requests, line.label, [1 - said[0]])
    with pytest.raises(RuntimeError, match=f"status {status}"):
        compare(port, wrong)
