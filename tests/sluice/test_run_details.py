"""All that is known of one run."""

from typing import Any

from sluice.embedded_documents import EmbeddedDocuments
from sluice.forgotten_runs import ForgottenRuns
from sluice.run_details import RunDetails, find
from sluice.run_names import RunNames
from sluice.run_summary import Run
from tests.fakes.prefect import FakePrefect, id_of


def read(prefect: FakePrefect, number: int = 1) -> Run:
    client = prefect.client()
    forgotten = ForgottenRuns(client, lambda: EmbeddedDocuments("nowhere"))
    return RunDetails(client, RunNames(client, "http://prefect"), forgotten).of(find(client, id_of(number)))


def task(prefect: FakePrefect, run: int, name: str, state: str) -> None:
    kind = {"Cached": "COMPLETED", "Running": "RUNNING"}.get(state, state.upper())
    id = str(len(prefect.tasks))
    told = {"id": id, "name": name, "state_name": state, "state_type": kind, "flow_run_id": id_of(run)}
    prefect.tasks.append(told)


def artifact(prefect: FakePrefect, run: int, kind: str, data: Any, created: int = 0) -> None:
    told = {"key": None if kind == "result" else f"{kind}-x", "type": kind, "description": "", "data": data}
    prefect.artifacts.append({**told, "flow_run_id": id_of(run), "created": str(created)})


def test_stages_tell_whether_they_had_anything_to_do() -> None:
    """All tasks but the plan from the cache: unchanged. Not known while tasks run, nor of what did not complete."""
    prefect = FakePrefect()
    prefect.run(1, state="RUNNING")
    for number, state in ((2, "COMPLETED"), (3, "COMPLETED"), (4, "COMPLETED"), (5, "FAILED")):
        prefect.run(number, number, state=state, parent=id_of(1))
        task(prefect, number, "plan-0", "Completed")
        task(prefect, number, "read-1", {2: "Cached", 3: "Completed", 4: "Running", 5: "Cached"}[number])
    run = read(prefect)
    assert [(stage.run, stage.unchanged) for stage in run.stages] == [
        (id_of(2), True), (id_of(3), False), (id_of(4), None), (id_of(5), None),
    ]  # fmt: skip
    assert run.unchanged is None
    assert run.tasks == {"Completed": 5, "Cached": 2, "Running": 1}
    assert read(prefect, 2).unchanged is True


def test_of_a_run_that_was_tried_again_the_newest_stages_count() -> None:
    """The others are what was tried before; GET /runs?parent= has them."""
    prefect = FakePrefect()
    run = prefect.run(1, state="FAILED")
    prefect.run(2, 2, state="FAILED", parent=id_of(1))
    prefect.run(3, 3, state="COMPLETED", parent=id_of(1))
    task(prefect, 2, "fit-0", "Failed")
    task(prefect, 3, "fit-0", "Completed")
    assert [stage.run for stage in read(prefect).stages] == [id_of(2), id_of(3)]
    run["run_count"] = 2
    assert [stage.run for stage in read(prefect).stages] == [id_of(3)]
    assert read(prefect).tasks == {"Completed": 1}


def test_the_result_is_the_flows_last_and_no_artifact() -> None:
    """What a stage gave is its own; tables come as rows, and what is no JSON as it is."""
    prefect = FakePrefect()
    prefect.run(1)
    prefect.run(2, 2, parent=id_of(1))
    artifact(prefect, 1, "result", '{"use_case": "movies"}', 2)
    artifact(prefect, 1, "result", "{}", 1)
    artifact(prefect, 2, "result", '{"stage": "ingest"}', 3)
    artifact(prefect, 2, "table", '[{"rows": 1}]', 4)
    artifact(prefect, 2, "table", "[", 5)
    artifact(prefect, 2, "markdown", "# a", 6)
    run = read(prefect)
    assert run.result == {"use_case": "movies"}
    assert [(one.key, one.data, one.run) for one in run.artifacts] == [
        ("table-x", [{"rows": 1}], id_of(2)), ("table-x", "[", id_of(2)), ("markdown-x", "# a", id_of(2)),
    ]  # fmt: skip


def test_a_run_has_its_names_and_links() -> None:
    """What a person looks for: the deployment, the use case, and the same run in Prefect's pages."""
    prefect = FakePrefect()
    prefect.run(1)
    run = read(prefect)
    assert (run.deployment, run.flow, run.use_case) == ("pipeline/movies", "pipeline", "movies")
    assert run.links == {"prefect": f"http://prefect/runs/flow-run/{id_of(1)}"}
