"""prefect.yaml: rendered from the use cases, true to them, and checked."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments import prefect_yaml
from deployments.errors import RenderedStaleError
from sluice.limits import Limits
from sluice.schedule import Schedule
from sluice.use_case import Resources, UseCaseConfig

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def config() -> UseCaseConfig:
    return UseCaseConfig(
        name="tides",
        title="Tide tables: north",
        owner="harbour@example.org",
        source={"kind": "file"},
        promote_if={},
        schedules={"pipeline": Schedule(cron="0 3 * * *", timezone="Europe/Berlin"), "ingest": Schedule(interval=600)},
        resources=Resources(cpu=1.5, memory="3Gi", gpu=1, timeout=600),
    )


def rendered(config: UseCaseConfig, pool_type: Any = "process") -> dict[str, dict[str, Any]]:
    """The file's deployments by flow."""
    content = yaml.safe_load(prefect_yaml.render([config], pool_type))
    return {entry["entrypoint"].split(".")[1]: entry for entry in content["deployments"]}


def test_committed_files_match_the_use_cases() -> None:
    """What is committed is what the use cases that ship say now."""
    prefect_yaml.check_all(REPOSITORY)


def test_every_flow_is_a_deployment_of_its_own(config: UseCaseConfig) -> None:
    """Each stage can be run, scheduled and scaled alone, under the use case's name."""
    found = rendered(config)
    assert list(found) == ["ingest", "features", "train", "evaluate", "pipeline", "score", "monitor"]
    assert {entry["name"] for entry in found.values()} == {"tides"}
    assert all(entry["parameters"] == {"use_case": "tides"} for entry in found.values())
    assert all(entry["work_pool"]["name"] == "sluice" for entry in found.values())


def test_entrypoints_are_flows() -> None:
    """Every entrypoint can be imported, so a run does not fail at its first line."""
    from prefect import Flow
    from prefect.utilities.importtools import import_object

    content = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())
    for entry in content["deployments"]:
        assert isinstance(import_object(entry["entrypoint"]), Flow), entry["entrypoint"]


def test_no_code_is_copied_to_a_run(config: UseCaseConfig) -> None:
    """Without an explicit empty pull, Prefect would copy the folder for each run."""
    assert yaml.safe_load(prefect_yaml.render([config], "process"))["pull"] == []


def test_schedules_come_from_the_use_case(config: UseCaseConfig) -> None:
    """Cron in its time zone, intervals from a fixed moment, each with the policy; a flow without one clears it."""
    found = rendered(config)
    cron = {"cron": "0 3 * * *", "timezone": "Europe/Berlin"}
    assert found["pipeline"]["schedules"] == [{**cron, "active": True, "parameters": {"schedule": cron}}]
    every = {"interval": 600, "anchor_date": "2020-01-01T00:00:00+00:00"}
    assert found["ingest"]["schedules"] == [{**every, "active": True, "parameters": {"schedule": {"interval": 600}}}]
    assert found["train"]["schedules"] == []


def test_pipelines_of_a_use_case_queue(config: UseCaseConfig) -> None:
    """One pipeline at a time; the next waits. Stages must not count here: the pipeline waits for them."""
    found = rendered(config)
    assert found["pipeline"]["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert "concurrency_limit" not in found["train"]


def test_kubernetes_gets_the_resources(config: UseCaseConfig) -> None:
    """The same use case for a cluster: another pool, and each stage a pod with the resources of use_case.yaml."""
    found = rendered(config, "kubernetes")
    assert found["train"]["work_pool"] == {
        "name": "sluice-kubernetes",
        "job_variables": {
            "cpu_request": "1.5",
            "memory_request": "3Gi",
            "memory_limit": "3Gi",
            "active_deadline_seconds": 900,
            "gpu_limit": "1",
        },
    }


def test_kubernetes_pipeline_outlives_its_stages(config: UseCaseConfig) -> None:
    """The pipeline's pod only waits, so it is small, but its deadline covers all four stages; it takes no GPU."""
    found = rendered(config, "kubernetes")
    variables = found["pipeline"]["work_pool"]["job_variables"]
    assert (
        variables["active_deadline_seconds"]
        >= 4 * found["train"]["work_pool"]["job_variables"]["active_deadline_seconds"] - 4 * 300
    )
    assert variables["memory_limit"] == "512Mi"
    assert "gpu_limit" not in variables


def test_stale_file_is_found_with_the_difference(tmp_path: Path) -> None:
    """A file that somebody edited, or that a use case left behind, is named, with the difference and the way out."""
    shutil.copytree(REPOSITORY / "deployments" / "kubernetes", tmp_path / "deployments" / "kubernetes")
    text = (REPOSITORY / "prefect.yaml").read_text()
    (tmp_path / "prefect.yaml").write_text(text.replace("0 3 * * *", "0 4 * * *"))
    with pytest.raises(RenderedStaleError) as caught:
        prefect_yaml.check_all(tmp_path)
    assert caught.value.paths == "prefect.yaml"
    assert "-  - cron: 0 4 * * *" in caught.value.diff
    assert "+  - cron: 0 3 * * *" in caught.value.diff
    assert "sluice deploy --render" in str(caught.value)


def test_missing_files_are_stale(tmp_path: Path) -> None:
    """Nothing rendered yet is stale too, for every kind of pool."""
    with pytest.raises(RenderedStaleError, match=r"prefect.yaml, deployments/kubernetes/prefect.yaml"):
        prefect_yaml.check_all(tmp_path)


def test_written_files_pass_the_check(tmp_path: Path) -> None:
    """Rendering twice gives the same, so the check can be trusted."""
    prefect_yaml.write_all(tmp_path)
    prefect_yaml.check_all(tmp_path)


def test_limits_travel_with_the_deployment(config: UseCaseConfig) -> None:
    """As a parameter, which each of its runs gets; how many go at a time is Prefect's own limit, and they queue."""
    limited = config.model_copy(
        update={"limits": {"train": Limits(soft_seconds=60, rate="2/m", concurrency=2), "pipeline": Limits(retries=1)}}
    )
    found = rendered(limited)
    own = {"soft_seconds": 60.0, "rate": "2/m", "concurrency": 2}
    assert found["train"]["parameters"] == {"use_case": "tides", "limits": own}
    assert found["train"]["concurrency_limit"] == {"limit": 2, "collision_strategy": "ENQUEUE"}
    assert found["pipeline"]["parameters"] == {"use_case": "tides", "limits": {"retries": 1}}
    assert found["pipeline"]["concurrency_limit"]["limit"] == 1
    assert found["ingest"]["parameters"] == {"use_case": "tides"}


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({"hard_seconds": 100}, 400),
        ({"hard_seconds": 100, "retries": 2, "retry_delay_seconds": 30}, 660),
        ({"soft_seconds": 100}, 900),
        ({"hard_seconds": 100, "rate": "2/m", "expires": 50}, 450),
    ],
)
def test_kubernetes_ends_a_pod_after_the_hard_limit(
    config: UseCaseConfig, limits: dict[str, Any], seconds: int
) -> None:
    """The last line of defence: when all tries and waits are over, and five minutes more, whatever the pod does."""
    found = rendered(config.model_copy(update={"limits": {"train": Limits(**limits)}}), "kubernetes")
    assert found["train"]["work_pool"]["job_variables"]["active_deadline_seconds"] == seconds
