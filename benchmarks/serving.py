"""Our service beside its peers: one row a request, the same models, each server one process with one model."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.closed_loop import wrk
from benchmarks.peer import Peer
from benchmarks.peer_environment import KEPT
from benchmarks.result import Result
from benchmarks.serving_ours import our_recommendations, ours
from benchmarks.serving_peers import bentoml, constants, environment, litserve, mlflow, mlserver
from benchmarks.serving_rounds import Plan, measure
from benchmarks.serving_side import FOREST, LOGISTIC, Made, Side
from benchmarks.serving_tables import details, notes, tables, targets

TITLE = "Serving: ours, mlflow models serve, MLServer, BentoML and LitServe, one row a request"
PLAN = Plan(rounds=3, seconds=10, warm=1, open_seconds=10)
QUICK = Plan(rounds=1, seconds=3, warm=1, open_seconds=3)


def run(bench: Bench) -> Result:
    """Raises RuntimeError where wrk is missing, and where a server gives another answer than the model."""
    wrk()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-", ignore_cleanup_errors=True) as root:
        made = _made(bench, Path(root))
        bench.say("Environments of the peers")
        measured = measure(bench, _sides(made), made.folder, QUICK if bench.quick else PLAN, _environment())
    return Result(
        benchmark="serving",
        title=TITLE,
        quick=bench.quick,
        targets=targets(measured),
        tables=tables(measured),
        notes=notes(measured),
        details=details(measured),
    )


def _made(bench: Bench, root: Path) -> Made:
    bench.say("Models")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    with Peer("benchmarks.serving_models", _environment(), root / "models.log") as peer:
        made = peer.ask(folder=str(root), uri=uri, recommender=str(KEPT / "recommender"))
    return Made(folder=root, uri=uri, **made)


def _sides(made: Made) -> Sequence[Side]:
    return [
        *constants(made),
        our_recommendations(made),
        *(
            side
            for model in (FOREST, LOGISTIC)
            for side in (
                ours(model, made, on=True),
                ours(model, made, on=False),
                mlflow(model, made),
                mlserver(model, made),
                bentoml(model, made),
                litserve(model, made),
            )
        ),
    ]


def _environment() -> dict[str, str]:
    """Of our own processes that belong to the measurement."""
    return environment(more={"PYTHONPATH": str(Path(__file__).parents[1]), "PATH": os.environ["PATH"]})
