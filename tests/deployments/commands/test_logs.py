"""`sluice logs`: of services from their files, of runs from Prefect."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import runs
from tests.conftest import Stack, clean_environment, sluice


def write(home: Path, service: str, *messages: str) -> None:
    folder = home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{service}.log").open("a") as file:
        for number, message in enumerate(messages):
            level = "ERROR" if message == "broken" else "INFO"
            line = {"ts": f"2026-11-21T12:00:{number:02d}Z", "level": level, "logger": "l", "msg": message}
            file.write(json.dumps(line) + "\n")


def logs(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return sluice("logs", *arguments, cwd=home.parent, env=clean_environment(home))


def test_a_service_s_log_is_shown_oldest_first(tmp_path: Path) -> None:
    """Without a stack too, to see why it ended; the least level, a text and a number of lines choose."""
    home = tmp_path / ".sluice"
    write(home, "serving", "first", "[bold]broken[/bold]", "broken", "last")
    shown = logs(home, "serving").stdout.splitlines()
    assert [line.split()[-1] for line in shown] == ["first", "[bold]broken[/bold]", "broken", "last"]
    assert "ERROR" in shown[2]
    found = logs(home, "--level", "error", "--json").stdout
    assert [json.loads(line)["message"] for line in found.splitlines()] == ["broken"]
    assert [line.split()[-1] for line in logs(home, "serving", "-n", "1", "--contains", "T").stdout.splitlines()] == [
        "last"
    ]


@pytest.mark.parametrize(("arguments", "said"), [(["../serving"], "serving"), (["--level", "LOUD"], "WARNING")])
def test_a_mistake_is_one_line_and_exit_code_1(tmp_path: Path, arguments: list[str], said: str) -> None:
    """It names what there is."""
    write(tmp_path / ".sluice", "serving", "first")
    done = logs(tmp_path / ".sluice", *arguments)
    assert done.returncode == 1
    assert "error" in done.stdout
    assert said in done.stdout
    assert "Traceback" not in done.stdout


def test_a_run_is_found_by_its_id_without_prefect(tmp_path: Path) -> None:
    """What its processes logged is there though all of them are gone, and Prefect does not answer."""
    home, run = tmp_path / ".sluice", "3933d744-715e-489e-ad6a-50abd11d79d1"
    for service, message in (("prefect-worker", "train begins"), ("dask-workers", "1 row refused")):
        write(home, service)
        line = {"ts": "2026-11-21T12:00:00Z", "level": "INFO", "logger": "l", "msg": message, "flow_run_id": run}
        (home / "logs" / f"{service}.log").write_text(json.dumps(line) + "\n")
    write(home, "serving", "of something else")
    env = {**clean_environment(home), "SLUICE_PREFECT__URL": "http://127.0.0.1:9/api"}
    done = sluice("logs", run, "--json", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stdout
    assert {json.loads(line)["message"] for line in done.stdout.splitlines()} == {"train begins", "1 row refused"}
    other = sluice("logs", run.replace("3", "4"), cwd=tmp_path, env=env)
    assert other.returncode == 1
    assert "Prefect" in other.stdout


def test_following_goes_on_until_ctrl_c(tmp_path: Path) -> None:
    """What comes is shown; Ctrl-C ends it with 130."""
    home = tmp_path / ".sluice"
    write(home, "serving", "before")
    command = [sys.executable, "-m", "deployments.cli", "logs", "serving", "-f", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=tmp_path, env=clean_environment(home), text=True, **pipes) as following:
        assert following.stdout
        assert json.loads(following.stdout.readline())["message"] == "before"
        write(home, "serving", "one", "two")
        assert [json.loads(following.stdout.readline())["message"] for _ in range(2)] == ["one", "two"]
        following.send_signal(signal.SIGINT)
        assert following.stdout.read() == ""
        assert following.wait(20) == 130


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.waits
def test_a_run_s_log_has_its_stages_lines_and_ends_with_it(stack: Stack) -> None:
    """Followed from its start by id; read afterwards by name, where a filter chooses; each line once."""
    run_id = runs.start(stack, "ingest/tiny", offset=770_000_000)
    followed = stack.sluice("logs", run_id, "-f", "--json")
    assert followed.returncode == 0, followed.stdout
    lines = [json.loads(line) for line in followed.stdout.splitlines()]
    assert {line["run"] for line in lines} == {run_id}
    assert lines[-1]["service"] == "ingest-tiny"  # its name from when it began, not the one that Prefect had made up
    assert any("Finished in state Completed" in line["message"] for line in lines)
    assert len({(line["at"], line["message"]) for line in lines}) == len(lines)
    again = stack.sluice("logs", lines[-1]["service"], "--contains", "finished IN state", "-n", "1")
    assert again.returncode == 0, again.stdout
    assert "Finished in state Completed" in again.stdout


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.rare
def test_a_followed_run_that_fails_says_so_by_the_exit_code(stack: Stack, tmp_path: Path) -> None:
    """The stage's error is among the pipeline's lines; reading the same log without -f is no failure."""
    run_id = runs.start(stack, "pipeline/tiny", fail_while=runs.marker(tmp_path / "fail"), offset=780_000_000)
    followed = stack.sluice("logs", run_id, "-f", "--level", "ERROR")
    assert followed.returncode == 1, followed.stdout
    assert "train was told to fail" in followed.stdout
    assert "train-tiny" in followed.stdout
    assert stack.sluice("logs", run_id).returncode == 0


@pytest.mark.integration
def test_every_service_of_a_stack_has_a_log_with_times(stack: Stack) -> None:
    """What each project writes is understood: nearly all lines of a stack say when they were written."""
    services = set(stack.record.services)
    found = stack.sluice("logs", "prefect-worker", "--json", "-n", "5")
    assert found.returncode == 0
    for line in map(json.loads, found.stdout.splitlines()):
        assert line["service"] in services
        assert line["at"].endswith("Z")
