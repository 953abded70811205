"""What the pages tell a reader to type works."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from deployments.cli import app
from deployments.commands.run import check_params
from tests.conftest import Stack
from tests.docs.pages import ROOT, commands, spans

COMMANDS = commands()
SPANS = spans()
CHANGES_THE_CHAMPION = "changes the champion that other tests of the session look at"
ENDS_THE_STACK = "ends the stack of the session, which does it itself"
CI = "a step of .ci/run"
EXAMPLE = "the example use case runs in test_use_case"
FOLLOWS = "goes on until Ctrl-C; tests/deployments/commands/test_logs.py does it"
RENDERS = "writes into the checkout; make check compares"
TUTORIAL = "test_tutorial runs it"
LATER = "returns at once, and every later run of the session would wait for the one it started"
NO_RUN = "no run has that id"
WINDOWS = "many runs; tests/flows/test_versions.py runs a backfill"
REPLAY = "it wants a file that somebody corrected; tests/deployments/commands/test_data.py does it"
KEY = "it wants a key of that name; tests/deployments/commands/test_keys.py does it"
PIPELINE = "the whole pipeline has just run"
SCORES = "tests/flows scores tables; the page's first line of it is run"
RULES = "tests/observability/test_rules.py does it with all of them"
RUNS = "http://127.0.0.1:8000/runs"
ONE_RUN = f"{RUNS}/7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11"
TRAINS = "the stage runs through prefect's own command; what differs is the command line, which is parsed"
RELEASES = (
    'curl -X POST http://127.0.0.1:8000/models/movies/promote -H "Authorization: Bearer $KEY" '
    '-d \'{"version": 2, "reason": "agreed with the editors"}\'',
    'curl -X POST http://127.0.0.1:8000/models/movies/rollback -H "Authorization: Bearer $KEY" '
    '-d \'{"reason": "recommends what is sold out"}\'',
    'curl -X POST http://127.0.0.1:8000/models/movies/rollback -H "Authorization: Bearer $KEY" -d \'{"to": 2}\'',
)
ENVIRONMENT = "it wants a second MLflow; tests/deployments/commands/test_models.py has one"
CONTAINERS = "it wants an engine; tests/deployments/test_image_builds.py builds and runs the images"
SERVER = "it wants a server with Docker; tests/deployments/test_compose.py reads what it is about"
# Every other command is run. Those of `make` need the target to exist, those of `sluice` a command line that parses.
NOT_RUN = {
    "make install": CI,
    "make demo": CI,
    "make test": CI,
    "make check": CI,
    "make format": "it changes files",
    "make images": CONTAINERS,
    "make images ENGINE=podman": CONTAINERS,
    "make images-deep": CONTAINERS,
    'make images BUILD_OPTIONS="--build-arg PYTHON_IMAGE=mirror.example.com/python:3.11.16-slim-bookworm"': CONTAINERS,
    "make images compose-passwords": CONTAINERS,
    "make sboms": CONTAINERS,
    "source .venv/bin/activate": "the tests run in this environment",
    "sluice down": ENDS_THE_STACK,
    "sluice down && sluice up": ENDS_THE_STACK,
    "sluice demo": CI,
    "sluice demo --keep": CI,
    "sluice run movies --inline": EXAMPLE,
    "sluice run movies --as-of 0 --fresh": "as test_versions does with a use case that is quicker",
    "sluice backfill movies ingest --from 1996-01-01 --to 2016-11-01 --every 1y": WINDOWS,
    "sluice backfill movies ingest --from 1996-01-01 --to 2016-11-01 --parallel 4": WINDOWS,
    "sluice data replay movies refused.jsonl": REPLAY,
    "sluice data show movies --version 2026-11-21T09:30": "the session's versions are younger",
    "sluice data diff movies 0 3 --table features": "the session has no version 3",
    "sluice keys rotate web-shop": KEY,
    "sluice keys rotate web-shop --grace 0h": KEY,
    "sluice keys revoke web-shop": KEY,
    "sluice run movies --json | jq -r .state": PIPELINE,
    "sluice run movies --no-watch": LATER,
    "sluice logs serving -f": FOLLOWS,
    "sluice logs pipeline-movies -f": "tests/deployments/commands/test_logs.py follows a run",
    "sluice watch 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11": NO_RUN,
    "sluice cancel 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11": NO_RUN,
    "sluice runs 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11": NO_RUN,
    "sluice retry 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11": NO_RUN,
    "sluice retry 7c1f8a52-51a2-4d0c-9d8c-0b1f6f0f7d11 --watch": NO_RUN,
    f"curl {ONE_RUN}": NO_RUN,
    f"curl '{ONE_RUN}/logs?level=WARNING&limit=50'": NO_RUN,
    f"curl -N -H 'Accept: text/event-stream' {ONE_RUN}/logs": NO_RUN,
    f"curl -X POST {ONE_RUN}/cancel": NO_RUN,
    f"curl -X POST {ONE_RUN}/retry": NO_RUN,
    f'curl -i {RUNS} -d \'{{"deployment": "pipeline/movies", "parameters": {{"fresh": true}}}}\'': LATER,
    f"curl {RUNS} -H 'Idempotency-Key: nightly-2026-11-21' -d '{{\"deployment\": \"score/movies\"}}'": LATER,
    "promtool check rules observability/rules/*.yaml": RULES,
    "promtool test rules observability/rules/tests/flows.yaml": RULES,
    "sluice run flats": EXAMPLE,
    "sluice check flats": EXAMPLE,
    "sluice new churn --kind classifier": TUTORIAL,
    "sluice new rents --kind regressor --from rents.csv --target rent": TUTORIAL,
    ".uv/bin/uv pip install --python .venv ./flats": EXAMPLE,
    "sluice run movies --flow train": TRAINS,
    "sluice run movies --flow score -p table=raw/movies -p model_version=champion --as-of 0": SCORES,
    "prefect deployment run score/movies --param 'predict_params={\"k\": 20}' --watch": SCORES,
    "sluice run movies --flow train -p k=20 -p 'search={l2: [200, 400]}'": TRAINS,
    "sluice run movies --flow train -p min_support=5": TRAINS,
    "prefect deployment run pipeline/movies": LATER,
    "sluice deploy --render && git diff prefect.yaml": RENDERS,
    "sluice deploy --check": RENDERS,
    "sluice deploy --pool kubernetes": "the session's runs would wait in a pool that nobody serves",
    'sluice promote movies 2 --reason "agreed with the editors"': CHANGES_THE_CHAMPION,
    'sluice promote movies 3 --reason "agreed with the editors"': CHANGES_THE_CHAMPION,
    'sluice rollback movies --reason "recommends what is sold out"': CHANGES_THE_CHAMPION,
    "sluice promote movies 3 --to-env prod": ENVIRONMENT,
    "sluice promote movies 3 --to-env prod --json | jq -r .to_version": ENVIRONMENT,
    "sluice rollback movies --to 2": CHANGES_THE_CHAMPION,
    **dict.fromkeys(RELEASES, CHANGES_THE_CHAMPION),
}
NOT_RUN |= {text: SERVER for text in COMMANDS if text.startswith(("docker ", "ssh ", "cloud-init "))}
RUN = [
    text
    for text, page in COMMANDS.items()
    if text not in NOT_RUN and "model=flats" not in text and page != "docs/tutorial.md"
]

Runner = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def shell(stack: Stack) -> Runner:
    """Runs a command as a reader does who has this stack up; a command that was run already is not run again."""
    bash = shutil.which("bash")
    record = stack.record
    ports = {
        "8000": str(record.serving_port),
        "4200": record.prefect_ui.rpartition(":")[2],
        "5000": record.mlflow_uri.rpartition(":")[2],
        "8787": record.dask_dashboard.rpartition(":")[2],
        "9200": str(record.exporter_port),
    }
    env = {**stack.env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran: dict[str, subprocess.CompletedProcess[str]] = {}

    def run(command: str) -> "subprocess.CompletedProcess[str]":
        if command not in ran:
            here = re.sub(r"127\.0\.0\.1:(\d+)", lambda m: f"127.0.0.1:{ports.get(m[1], m[1])}", command)
            ran[command] = subprocess.run(
                [str(bash), "-c", f'curl() {{ command curl -sS --fail-with-body "$@"; }}; {here}'],
                cwd=stack.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=240, check=False,
            )  # fmt: skip
        return ran[command]

    return run


@pytest.fixture(scope="module")
def trained(shell: Runner) -> None:
    """The state a reader has after the first steps: movies has a champion."""
    done = shell("sluice run movies")
    assert done.returncode == 0, done.stdout


@pytest.mark.integration
@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("command", RUN)
def test_command_works(shell: Runner, command: str) -> None:
    """A command of a page ends with 0 on a stack whose movies pipeline has run."""
    for program in ("curl", "jq"):
        if re.search(rf"\b{program} ", command) and shutil.which(program) is None:
            pytest.skip(f"{program} is not installed here")
    done = shell(command)
    assert done.returncode == 0, f"{COMMANDS[command]}: {command}\n{done.stdout}"


def test_exceptions_are_still_shown() -> None:
    """A command is excused from being run only while a page shows it."""
    assert NOT_RUN.keys() <= COMMANDS.keys()


@pytest.mark.parametrize("command", [text for text in [*COMMANDS, *SPANS] if text.startswith("make ")])
def test_make_targets_exist(command: str) -> None:
    """A target that a page names is one of the Makefile's."""
    target = command.split()[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def sluice_lines() -> list[list[str]]:
    """The arguments of each ``sluice`` on the pages, also behind variables and ``&&``."""
    found = []
    for text in COMMANDS:
        lexer = shlex.shlex(text, posix=True, punctuation_chars="&|;>")
        lexer.whitespace_split = True
        words = " ".join("\n" if word in {"&&", "|", ";", ">"} else shlex.quote(word) for word in lexer)
        lines = [shlex.split(line) for line in words.splitlines()]
        found += [line[line.index("sluice") + 1 :] for line in lines if "sluice" in line]
        # The command line in a container of compose.yaml.
        found += [line[line.index("cli") + 1 :] for line in lines if line[0] == "docker" and "cli" in line]
    return found


@pytest.mark.parametrize("arguments", sluice_lines(), ids=" ".join)
def test_command_lines_parse(arguments: list[str]) -> None:
    """Also what is not run here has options that exist, and parameters that the use case takes."""
    command: Any = get_command(app).commands[arguments[0]]  # type: ignore[attr-defined]
    context = command.make_context(arguments[0], arguments[1:])
    if context.params.get("param") and context.params["use_case"] == "movies":
        pairs = (item.partition("=") for item in context.params["param"])
        check_params("movies", {name: yaml.safe_load(value) for name, _, value in pairs}, context.params["flow"])


@pytest.mark.parametrize("text", [text for text in SPANS if text.startswith("sluice ")])
def test_mentions_exist(text: str) -> None:
    """A command or an option that is named in running text is one of the command line's."""
    _, name, *rest = text.split()
    command: Any = get_command(app).commands[name]  # type: ignore[attr-defined]
    if rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest[0]]
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in rest if word.startswith("-")} <= known
