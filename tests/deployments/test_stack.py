"""The local stack as a user has it: the real services, through the command line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from deployments.guard import MARKER
from deployments.local.health import Health
from deployments.local.record import read_record, record_path
from sluice.runs import PrefectRuns
from tests.conftest import Stack, clean_environment, sluice, start_stack

pytestmark = [pytest.mark.integration, pytest.mark.waits]


def eventually(true: Callable[[], bool], seconds: float = 40) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process of the stack in this home: services and what they started, guards, supervisord."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARKER, "").startswith(f"{home}:")
            if (marked or f"{home}/run/" in " ".join(process.cmdline())) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def service(home: Path, name: str) -> psutil.Process:
    """The service's own process: the only child of its guard."""
    for process in processes_of(home):
        if any(argument.endswith(f"/run/{name}.json") for argument in process.cmdline()):
            (child,) = process.children()
            return child
    raise AssertionError(f"no guard of {name} is running")


def prefect(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=stack.root,
        env=dict(stack.env),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_status_shows_every_service_healthy(stack: Stack) -> None:
    """After `up` each service is seen to work, and status says so by its exit code."""
    done = stack.sluice("status")
    assert done.returncode == 0, done.stdout
    for name in stack.record.services:
        assert name in done.stdout
    assert " no " not in done.stdout


def test_status_tells_scripts(stack: Stack) -> None:
    """--json has health, states and addresses, and nothing else is printed."""
    told = json.loads(stack.sluice("status", "--json").stdout)
    assert told["healthy"] is True
    assert {service["name"] for service in told["services"]} == set(stack.record.services)
    assert told["addresses"]["serving"] == stack.record.serving_url


def test_second_up_says_it_is_up(stack: Stack) -> None:
    """`up` where a stack is up starts nothing, and shows how it is and where."""
    done = stack.sluice("up")
    assert done.returncode == 0
    assert "already up" in done.stdout
    assert "prefect-server" in done.stdout
    assert stack.record.serving_url in done.stdout


def test_doctor_finds_no_problem(stack: Stack) -> None:
    """On a healthy stack doctor is content, the versions on the Dask workers included."""
    done = stack.sluice("doctor")
    assert done.returncode == 0, done.stdout
    assert "2 workers, with the same versions" in done.stdout


def test_plain_prefect_commands_work(stack: Stack) -> None:
    """What Prefect's own client asks is understood by this server: a newer FastAPI refuses the nulls it sends."""
    for arguments in (
        ("deployment", "ls"),
        ("flow-run", "ls"),
        ("automation", "ls"),
        ("global-concurrency-limit", "ls"),
    ):
        done = prefect(stack, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "pipeline/movies" in prefect(stack, "deployment", "ls").stdout


def test_schedules_make_runs(stack: Stack) -> None:
    """A cron schedule creates runs ahead of time: with SQLAlchemy 2.1 Prefect's scheduler fails at that."""

    def scheduled() -> bool:
        query = {
            "deployments": {"name": {"any_": ["movies"]}},
            "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        }
        found = httpx.post(f"{stack.record.prefect_url}/flow_runs/filter", json=query, trust_env=False)
        return found.is_success and any(run["auto_scheduled"] for run in found.json())

    assert eventually(scheduled)


def test_prefect_yaml_can_be_deployed(stack: Stack, tmp_path: Path) -> None:
    """The committed prefect.yaml is one that `prefect deploy --all` takes as it is."""
    committed = Path(__file__).parents[2] / "prefect.yaml"
    done = prefect(stack, "--no-prompt", "deploy", "--all", "--prefect-file", str(committed))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'pipeline/movies' successfully created" in " ".join(done.stdout.split())


def test_unknown_flow_names_the_known(stack: Stack) -> None:
    """A typo is one line with what there is, and no traceback."""
    done = stack.sluice("run", "movies", "--flow", "pipelin")
    assert done.returncode == 1
    assert "pipeline/movies" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.rare
@pytest.mark.slow
def test_run_can_be_left_and_found_again(stack: Stack) -> None:
    """--no-watch gives an id at once; `watch` ends with the run, and says what was skipped when it runs again."""
    started = json.loads(stack.sluice("run", "tiny", "--flow", "ingest", "--no-watch", "--json").stdout)
    watched = stack.sluice("watch", started["id"])
    assert watched.returncode == 0, watched.stdout
    assert "Completed" in watched.stdout
    again = stack.sluice("run", "tiny", "--flow", "ingest", "--json").stdout
    # The progress, on standard error, comes first.
    again = json.loads(again[again.index("{") :])
    assert again["state"] == "Completed"
    assert again["unchanged"] == ["ingest"]


@pytest.mark.slow
def test_ctrl_c_leaves_the_run_going(stack: Stack, tmp_path: Path) -> None:
    """Ctrl-C ends the watching only, and says how to watch again and how to end the run; `cancel` then ends it."""
    flag = tmp_path / "sleep"
    flag.touch()
    command = ["run", "tiny", "-p", f"sleep_while={flag}", "-p", "offset=990000000"]
    with subprocess.Popen(
        [sys.executable, "-m", "deployments.cli", *command],
        cwd=stack.root,
        env={**stack.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout
        assert "Running" in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        said = watching.stdout.read()
        assert watching.wait(20) == 130
    (run_id,) = re.findall(r"sluice watch (\S+)\.", said)
    assert f"sluice cancel {run_id}" in said
    assert stack.sluice("cancel", run_id).returncode == 0
    ended = stack.sluice("watch", run_id)
    flag.unlink()
    assert ended.returncode == 1
    assert "Cancelled" in ended.stdout


@pytest.mark.chaos
def test_killed_service_comes_back(stack: Stack) -> None:
    """kill -9 of MLflow: it is started again by itself."""
    service(stack.record.home, "mlflow").kill()

    def answers() -> bool:
        try:
            return httpx.get(f"{stack.record.mlflow_uri}/health", trust_env=False).is_success
        except httpx.HTTPError:
            return False

    assert eventually(lambda: not answers(), seconds=5)
    assert eventually(answers)


@pytest.mark.chaos
def test_killed_dask_worker_comes_back(stack: Stack) -> None:
    """kill -9 of one Dask worker process: its nanny starts another."""
    workers = [
        process
        for process in service(stack.record.home, "dask-workers").children()
        if "spawn_main" in " ".join(process.cmdline())
    ]
    assert len(workers) == 2
    workers[0].kill()
    with Health(stack.record, stack.settings) as health:
        assert eventually(lambda: health.dask_workers() < 2, seconds=10)
        assert eventually(lambda: health.dask_workers() == 2)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a stack of its own; whatever a failing test leaves there is ended."""
    yield tmp_path
    for process in processes_of(tmp_path / ".sluice"):
        process.kill()


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.rare
def test_crash_of_the_supervisor_leaves_nothing(folder: Path) -> None:
    """kill -9 of supervisord ends every process of the stack; the stale record does not hinder the next `up`."""
    stack = start_stack(folder)
    home = stack.record.home
    assert len(processes_of(home)) > 12
    os.kill(stack.record.pid, signal.SIGKILL)
    assert eventually(lambda: not processes_of(home))
    assert record_path(home).exists()
    assert stack.sluice("status").returncode == 1
    again = start_stack(folder)
    assert again.sluice("status").returncode == 0
    done = again.sluice("down")
    assert done.returncode == 0
    assert not processes_of(home)


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.rare
def test_life_in_an_awkward_folder(tmp_path: Path, stack: Stack) -> None:
    """A deep path with blanks and a per cent sign, a folder ``flows`` of the user's own, and another stack beside it.

    `sluice up` is killed with -9 in the middle, so the next one starts anew; `sluice down` comes in the middle of a
    run, which ends as Crashed with what to do, and is completed by running it again.
    """
    root = tmp_path / "50% of a path with blanks" / ("d" * 90)
    (root / "flows").mkdir(parents=True)
    (root / "flows" / "__init__.py").write_text("raise RuntimeError('the folder of the user was imported')\n")
    home = root / ".sluice"
    env = clean_environment(home)
    command = [str(Path(sys.executable).parent / "sluice")]  # -m would put the folder first on the path

    def call(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], cwd=root, env=env, capture_output=True, text=True, timeout=240)
        assert "Traceback" not in done.stderr, done.stderr
        return f"{done.returncode} {done.stdout}{done.stderr}"

    try:
        assert "own flows" in call("doctor")
        with subprocess.Popen([*command, "up", "--free-ports"], cwd=root, env=env, stdout=subprocess.PIPE) as killed:
            assert eventually(lambda: len(processes_of(home)) > 8)
            killed.kill()
        assert "only partly up" in call("status")
        assert call("up", "--free-ports").startswith("0 ")
        flag = root / "sleep"
        flag.touch()
        started = call("run", "tiny", "--no-watch", "-p", f"sleep_while={flag}")
        (run_id,) = re.findall(r"sluice watch (\S+)\.", started)
        record = read_record(home)
        assert record
        with PrefectRuns(record.prefect_url) as prefect:
            assert eventually(lambda: any(r.name == "train-tiny" for r in prefect.children(run_id)), seconds=120)
        stopped = call("down")
        assert "pipeline/tiny" in stopped
        assert not processes_of(home)
        flag.unlink()
        assert call("up", "--free-ports").startswith("0 ")
        ended = call("watch", run_id)
        assert ended.startswith("1 ")
        assert "sluice down" in ended
        again = call("run", "tiny", "-p", f"sleep_while={flag}")
        assert again.startswith("0 "), again
        assert "ingest    Completed, unchanged" in again
        assert stack.sluice("status").returncode == 0
        assert call("down").startswith("0 ")
        assert not processes_of(home)
    finally:
        for process in processes_of(home):
            process.kill()


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.rare
def test_interrupted_demo_leaves_nothing(folder: Path) -> None:
    """Ctrl-C, twice, while the demo's pipeline runs: the stack that it had started is stopped, all of it."""
    home = folder / ".sluice"
    command = [sys.executable, "-m", "deployments.cli", "demo"]
    env = clean_environment(home) | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        assert any("pipeline  Running" in line for line in demo.stdout)
        demo.send_signal(signal.SIGINT)
        time.sleep(1)
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
        assert demo.wait(60) == 130
    assert not processes_of(home)
    assert not record_path(home).exists()


@pytest.mark.chaos
@pytest.mark.slow
def test_interrupted_up_leaves_nothing(folder: Path) -> None:
    """Ctrl-C while services start stops what was started, and a new `up` is possible."""
    home = folder / ".sluice"
    command = [sys.executable, "-m", "deployments.cli", "up", "--free-ports"]
    with subprocess.Popen(command, cwd=folder, env=clean_environment(home), stdout=subprocess.PIPE) as starting:
        assert eventually(lambda: len(processes_of(home)) > 8)
        starting.send_signal(signal.SIGINT)
        assert starting.wait(60) != 0
    assert not processes_of(home)
    assert not record_path(home).exists()


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.rare
def test_closed_terminal_leaves_nothing(folder: Path) -> None:
    """When nobody reads what `up` prints any more, and it is told to hang up, it still stops what it had started."""
    home = folder / ".sluice"
    command = [sys.executable, "-m", "deployments.cli", "up", "--free-ports"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, env=clean_environment(home), **pipes) as starting:
        assert eventually(lambda: len(processes_of(home)) > 8)
        assert starting.stdout
        starting.stdout.close()
        starting.send_signal(signal.SIGHUP)
        assert starting.wait(60) != 0
    assert not processes_of(home)
    assert not record_path(home).exists()


def test_taken_port_is_named(folder: Path, stack: Stack) -> None:
    """A port that another stack has is found before anything is started; the message names its owner and a way out."""
    env = clean_environment(folder / ".sluice") | {"SLUICE_PREFECT__URL": stack.record.prefect_url}
    done = sluice("up", cwd=folder, env=env)
    assert done.returncode == 1
    text = " ".join(done.stdout.split())
    assert "for the Prefect server is taken by process" in text
    assert "SLUICE_PREFECT__URL" in text
    assert "--free-ports" in text
    assert not processes_of(folder / ".sluice")


def test_down_without_a_stack_says_so(folder: Path) -> None:
    """Nothing to stop is said in one line, with exit code 1."""
    done = sluice("down", cwd=folder, env=clean_environment(folder / ".sluice"))
    assert done.returncode == 1
    assert "sluice up" in done.stdout


@pytest.mark.slow
def test_failing_service_shows_its_log(folder: Path) -> None:
    """A service that cannot start ends `up` with the end of its log; everything else is stopped again."""
    home = folder / ".sluice"
    env = clean_environment(home) | {"SLUICE_DASK__MEMORY_LIMIT": "much"}
    done = sluice("up", "--free-ports", cwd=folder, env=env)
    assert done.returncode == 1
    assert "dask-workers" in done.stdout
    assert "much" in done.stdout
    assert not processes_of(home)
