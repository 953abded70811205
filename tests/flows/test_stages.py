"""The stages on the real engines: Prefect deployments, Dask workers, MLflow."""

import json
from pathlib import Path

import pytest

from sluice.documents import open_documents
from sluice.lake import Lake
from sluice.models import open_registry
from sluice.promotions import PromotionHistory
from sluice.runs import FlowRun, PrefectRuns
from tests import runs
from tests.conftest import Stack

pytestmark = [pytest.mark.integration, pytest.mark.waits]

ROWS = 480_000  # four partitions, with some room: a partition has at least 100,000


def test_pipeline_goes_from_source_to_champion_on_dask_workers(stack: Stack) -> None:
    """Each stage runs its tasks on workers, fans partitions out there, and the gate's champion is in the history."""
    with runs.counting(stack) as executed:
        ended = runs.run(stack, "pipeline/tiny", offset=10_000_000, rows=ROWS, partitions=4)
    assert ended.completed, ended.message
    of_pipeline = runs.stages(stack, ended.id)
    assert set(of_pipeline) == {"ingest", "features", "train", "evaluate"}
    for stage, tasks in {
        "ingest": {"plan", "read", "validate", "quarantine", "compare", "write"},
        "features": {"plan", "build", "write"},
        "train": {"plan", "split", "search", "fit", "log"},
        "evaluate": {"plan", "score challenger", "score champion", "score baseline", "gate", "report", "promote"},
    }.items():
        states = runs.task_states(stack, of_pipeline[stage].id)
        assert set(states) == tasks
        assert set(states.values()) == {"Completed"}
    lake = Lake.from_settings(stack.settings)
    # Features are built of all rows that the session has ingested.
    partitions = len(lake.dataset(lake.latest_or_raise("raw/tiny")).partitions())
    assert partitions >= 4
    fan_out = {"scatter": 4, "check_partition": 4, "apply": partitions, "distance": 3}
    assert {name: executed[name] for name in fan_out} == fan_out, executed
    coarse = {"read": 1, "validate": 1, "quarantine": 1, "build": 1, "write": 2, "fit": 1, "log": 1, "promote": 1}
    assert {name: executed[name] for name in coarse} == coarse, executed

    history = PromotionHistory(open_documents(stack.settings), open_registry(stack.settings))
    champion = history.champion("tiny")
    assert champion is not None
    assert champion.by == f"flow run {of_pipeline['evaluate'].id}"
    assert champion.metrics["error"] < 1e-6


@pytest.mark.rare
@pytest.mark.slow
def test_unchanged_stages_are_skipped(stack: Stack) -> None:
    """A second run does no work on partitions, writes no version, registers no model."""
    params = {"offset": 20_000_000}
    assert runs.run(stack, "pipeline/tiny", **params).completed
    before = _versions(stack)
    with runs.counting(stack) as executed:
        again = runs.run(stack, "pipeline/tiny", **params)
    assert again.completed
    of_pipeline = runs.stages(stack, again.id)
    for stage in ("ingest", "features", "train"):
        states = runs.task_states(stack, of_pipeline[stage].id)
        assert {state for task, state in states.items() if task != "plan"} == {"Cached"}, (stage, states)
    assert not {"check_partition", "apply", "distance"} & set(executed)
    assert _versions(stack) == before
    assert "unchanged, skipped" in runs.log(stack, again.id, needle="train: ")


def test_refused_rows_are_quarantined_with_reasons(stack: Stack) -> None:
    """Every row is either in the raw table or in quarantine, with its reason and as it came."""
    ended = runs.run(stack, "ingest/tiny", offset=30_000_000, rows=200, bad_rows=4)
    assert ended.completed, ended.message
    lake = Lake.from_settings(stack.settings)
    raw = lake.dataset(lake.latest_or_raise("raw/tiny")).read()
    assert raw.filter(raw["id"].is_between(30_000_000, 30_000_199)).height == 196
    refused = lake.dataset(lake.latest_or_raise("quarantine/tiny")).read().sort("at").tail(4)
    assert set(refused["reason"]) == {"id: greater_than_or_equal_to(0)"}
    assert sorted(json.loads(row)["id"] for row in refused["row"]) == [-4, -3, -2, -1]


@pytest.mark.slow
def test_too_many_refused_rows_stop_the_run_and_leave_the_champion(stack: Stack) -> None:
    """Above the share that is allowed the pipeline fails in ingest and says so; nothing later ran."""
    lake = Lake.from_settings(stack.settings)
    assert runs.run(stack, "pipeline/tiny", offset=40_000_000).completed
    registry = open_registry(stack.settings)
    champion, raw = registry.get("tiny", alias="champion").version, lake.latest("raw/tiny")
    ended = runs.run(stack, "pipeline/tiny", offset=41_000_000, bad_rows=300)
    assert ended.state_type == "FAILED"
    assert "300 of 1000 rows (30.00%)" in ended.message
    assert set(runs.stages(stack, ended.id)) == {"ingest"}
    assert lake.latest("raw/tiny") == raw
    assert registry.get("tiny", alias="champion").version == champion


@pytest.mark.slow
def test_a_failed_pipeline_goes_on_from_the_stage_that_failed(stack: Stack, tmp_path: Path) -> None:
    """After the cause is mended, the run that failed in train skips ingest, features, split and search."""
    flag = runs.marker(tmp_path / "fail")
    params = {"offset": 50_000_000, "fail_while": flag}
    failed = runs.run(stack, "pipeline/tiny", **params)
    assert failed.state_type == "FAILED"
    assert "train was told to fail" in failed.message
    Path(flag).unlink()
    again = runs.run(stack, "pipeline/tiny", **params)
    assert again.completed, again.message
    of_pipeline = runs.stages(stack, again.id)
    assert runs.task_states(stack, of_pipeline["features"].id)["write"] == "Cached"
    states = runs.task_states(stack, of_pipeline["train"].id)
    assert (states["search"], states["fit"], states["log"]) == ("Cached", "Completed", "Completed")


@pytest.mark.rare
@pytest.mark.slow
def test_what_steps_log_on_workers_reaches_the_run(stack: Stack) -> None:
    """Lines of a task and of its fan-out, on whatever worker, are in the log of their run."""
    ended = runs.run(stack, "pipeline/tiny", offset=60_000_000)
    of_pipeline = runs.stages(stack, ended.id)
    assert "building features of" in runs.log(stack, of_pipeline["features"].id, needle="building features of")
    found = runs.log(stack, of_pipeline["train"].id, needle="candidate 3.0")
    assert [f"candidate {c}" in found for c in (1.0, 2.0, 3.0)] == [True] * 3


@pytest.mark.slow
def test_scoring_a_table_fans_out_and_is_skipped_the_second_time(stack: Stack) -> None:
    """The champion predicts on workers for every row of the features; again there is nothing to do."""
    assert runs.run(stack, "pipeline/tiny", offset=80_000_000).completed
    with runs.counting(stack) as executed:
        first = _score(stack)
    lake = Lake.from_settings(stack.settings)
    features, scores = (lake.dataset(lake.latest_or_raise(f"{kind}/tiny")) for kind in ("features", "scores"))
    assert executed["score"] == len(features.partitions()), executed
    assert executed["predict"] == 1
    joined = features.read().join(scores.read(), on="id")
    assert joined.height == features.rows == scores.rows
    assert (joined["prediction"] - joined["y"]).abs().max() < 1e-6
    assert joined["error"].null_count() == joined.height
    registry = open_registry(stack.settings)
    assert set(joined["model_version"]) == {registry.get("tiny", alias="champion").version}
    assert "without an answer" in runs.log(stack, first.id, needle="without an answer")

    again = _score(stack)
    assert {state for task, state in runs.task_states(stack, again.id).items() if task != "plan"} == {"Cached"}
    assert lake.latest_or_raise("scores/tiny") == scores.ref


def test_a_wrong_parameter_is_one_clear_line(stack: Stack) -> None:
    """A typo names the file, the key and the allowed ones, in the state and without a traceback in the log."""
    ended = runs.run(stack, "features/tiny", slop=3.0)
    assert ended.state_type == "FAILED"
    assert "params.slop: there is no such key. Did you mean 'slope'?" in ended.message
    assert "Allowed here: bad_rows, " in ended.message


def _score(stack: Stack) -> FlowRun:
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        started = prefect.start("score/tiny", {})
    ended = runs.wait(stack, started.id)
    assert ended.completed, ended.message
    return ended


def _versions(stack: Stack) -> tuple[object, ...]:
    lake = Lake.from_settings(stack.settings)
    tables = [lake.latest(f"{kind}/tiny") for kind in ("raw", "features", "quarantine")]
    return (*tables, len(open_registry(stack.settings).versions("tiny")))
