"""What a fan-out inside a stage costs: `Compute.map` against plain ``client.map`` on the same cluster."""

from benchmarks.bench import Bench
from benchmarks.result import Result, Table, Target, ratio
from benchmarks.spread import Spread

TITLE = "Fan-out: partition tasks inside a stage, against client.map of the same function on the same cluster"
TASKS = 1_000
PREFECT_TASKS = 50
REPETITIONS = 7
_WHAT = {"aggregate": "read and group 25,000 rows", "nothing": "an empty function"}


def run(bench: Bench) -> Result:
    tasks, repetitions = (200, 2) if bench.quick else (TASKS, REPETITIONS)
    with bench.stack().peer("benchmarks.fan_out_flow") as peer:
        compute: dict[str, Spread] = {}
        plain: dict[str, Spread] = {}
        for work, what in _WHAT.items():
            seconds: dict[str, list[float]] = {"compute": [], "map": []}
            for repetition in range(repetitions + 1):
                for side, measured in seconds.items():
                    took = peer.ask(what=side, work=work, count=tasks)
                    if repetition:  # the first one warms up
                        measured.append(took)
            compute[work], plain[work] = Spread.of(seconds["compute"]), Spread.of(seconds["map"])
            bench.say(f"{what}: in a stage {compute[work]} s, client.map {plain[work]} s")
        each = Spread.of(peer.ask(what="prefect", count=PREFECT_TASKS) / PREFECT_TASKS for _ in range(3))
    rows = [
        [
            f"{tasks:,} × {what}",
            plain[work],
            compute[work],
            ratio(compute[work], plain[work]),
            1000 * plain[work].median / tasks,
            1000 * compute[work].median / tasks,
        ]
        for work, what in _WHAT.items()
    ]
    prefect_row = [f"{PREFECT_TASKS} × one Prefect task, empty", None, None, None, None, 1000 * each.median]
    columns = ["tasks", "client.map, s", "in a stage, s", "ratio", "client.map, ms a task", "in a stage, ms a task"]
    over = 100 * (ratio(compute["aggregate"], plain["aggregate"]) - 1)
    return Result(
        benchmark="fan_out",
        title=TITLE,
        quick=bench.quick,
        tables=[Table(title="Median (and range)", columns=columns, rows=[*rows, prefect_row])],
        targets=[Target(name=f"{tasks:,} partition tasks, over client.map", measured=over, below=20, unit=" %")],
        notes=[
            f"One Prefect task for each item costs {1000 * each.median:.0f} ms a task (measured on {PREFECT_TASKS})."
        ],
        details={"compute": compute, "map": plain, "prefect_task": each},
    )
