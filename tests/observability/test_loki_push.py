"""Lines to Loki: what is sent, and that nobody waits for a Loki that is away."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from observability import loki_push
from observability.loki_push import LABELS, LokiPush, labels_of
from sluice.settings import LogSettings, Settings
from tests.receiver import Receiver, receiver

TRACE = "0af7651916cd43dd8448eb211c80319c"
FIELDS = {"level": "INFO", "trace_id": TRACE, "flow_run_id": "f1", "span_id": None, "model": "movies", "msg": "x"}


@pytest.fixture
def loki() -> Iterator[Receiver]:
    with receiver() as taken:
        yield taken


def push_to(loki: Receiver, **settings: Any) -> LokiPush:
    given = Settings(env="test", logs=LogSettings(loki_url=loki.url, push=True, **settings))
    return LokiPush(given.logs, labels_of(given, "serving"))


def test_labels_and_metadata_are_the_agreed_ones(loki: Receiver) -> None:
    """Six labels, ids as structured metadata, the text as it is on the console."""
    push = push_to(loki, loki_auth="u:p", loki_tenant="t")
    push(1700000000.123456, FIELDS, '{"msg": "x"}')
    push.close(5)
    (line,) = loki.lines
    assert tuple(line.labels) == LABELS
    assert line.labels == {
        "cluster": "local",
        "env": "test",
        "namespace": "sluice",
        "service_name": "serving",
        "container": "serving",
        "level": "INFO",
    }
    assert line.metadata.pop("pod")
    assert line.metadata == {"trace_id": TRACE, "flow_run_id": "f1", "model": "movies"}
    assert (line.at, line.text) == (1700000000123456000, '{"msg": "x"}')
    assert loki.headers[0]["content-encoding"] == "gzip"
    assert (loki.headers[0]["authorization"], loki.headers[0]["x-scope-orgid"]) == ("Basic dTpw", "t")


def test_outage_is_waited_for_and_nothing_lost(loki: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 and 5xx are tried again, in order; each line arrives once."""
    monkeypatch.setattr(loki_push, "_FIRST_PAUSE", 0.01)
    loki.status = [429, 500, 503, 204]
    push = push_to(loki)
    for number in range(10):
        push(time.time(), FIELDS, str(number))
    loki.until(lambda: len(loki.lines) == 10)
    assert [line.text for line in loki.lines] == [str(number) for number in range(10)]
    push.close(1)


def test_refusal_is_dropped_and_said_once(loki: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Loki will never take is not sent again, and does not hold up what comes after."""
    monkeypatch.setattr(loki_push, "BATCH_SECONDS", 0.01)
    loki.status = [400, 400, 204]
    said: list[str] = []
    sink = loki_push.logger.add(lambda message: said.append(str(message)), level="ERROR")
    push = push_to(loki)
    for number in range(3):
        push(time.time(), FIELDS, str(number))
        loki.until(lambda: len(loki.bodies) == number + 1)  # noqa: B023 used at once
    loki.until(lambda: loki.lines)
    loki_push.logger.remove(sink)
    assert [line.text for line in loki.lines] == ["2"]
    assert push.refused == 2
    assert len(said) == 1
    push.close(1)


def test_queue_is_bounded_and_the_caller_never_waits(loki: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a Loki that hangs, logging takes microseconds, the oldest lines go, and they are counted."""
    monkeypatch.setattr(loki_push, "MOST_WAITING", 1_000)
    loki.hangs.set()
    push = push_to(loki)
    begun = time.monotonic()
    for number in range(20_000):
        push(time.time(), FIELDS, str(number))
    assert time.monotonic() - begun < 5
    assert push.dropped >= 20_000 - 2_000 - 1_000
    begun = time.monotonic()
    push.close(0.3)
    assert time.monotonic() - begun < 2


def test_the_queue_is_bounded_in_bytes_too(loki: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty thousand lines of the longest would be gigabytes; the newest are kept."""
    monkeypatch.setattr(loki_push, "MOST_WAITING_BYTES", 10_000)
    monkeypatch.setattr(loki_push, "BATCH_SECONDS", 60)
    push = push_to(loki)
    for number in range(100):
        push(time.time(), FIELDS, f"{number:>1000}")
    assert 85 < push.dropped < 100
    push.close(5)
    assert [int(line.text) for line in loki.lines] == list(range(push.dropped, 100))


def test_whatever_is_wrong_with_a_batch_the_next_one_is_sent(loki: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing more would come from this process, silently."""
    monkeypatch.setattr(loki_push, "BATCH_SECONDS", 0.01)
    said: list[str] = []
    sink = loki_push.logger.add(lambda message: said.append(str(message)), level="ERROR")
    push = push_to(loki)
    push._headers["X-Scope-OrgID"] = "müller"
    for number in range(2):
        push(time.time(), FIELDS, "lost")
        loki.until(lambda: push.refused == number + 1)  # noqa: B023 used at once
    push._headers["X-Scope-OrgID"] = "one"
    push(time.time(), FIELDS, "sent")
    push.close(5)
    loki_push.logger.remove(sink)
    assert [line.text for line in loki.lines] == ["sent"]
    assert len(said) == 1


@pytest.mark.parametrize("wrong", [{"loki_tenant": "müller"}, {"loki_auth": "tökens"}, {"loki_auth": "two\nlines"}])
def test_what_no_header_takes_is_refused_at_the_start(wrong: dict[str, str]) -> None:
    """A user and a password are encoded, and may be anything."""
    assert LogSettings.model_validate({"loki_auth": "müller:geheim"})
    with pytest.raises(ValueError, match="ASCII"):
        LogSettings.model_validate(wrong)


WORKER = """
import os, sys
from loguru import logger
from deployments.local import worker

worker.end_lost_runs = lambda settings: logger.warning("these runs were lost")
worker.sweep_once = lambda settings: None
sys.argv = ["worker"]
os.execv = lambda *command: os._exit(7)
worker.main()
"""


def test_what_a_worker_says_before_prefect_takes_its_place_arrives(loki: Receiver) -> None:
    """A process that is replaced runs none of its exit functions."""
    assert run(loki, "", WORKER).returncode == 7
    assert "these runs were lost" in [json.loads(line.text)["msg"] for line in loki.lines]


PROGRAM = """
import os, signal, sys
from loguru import logger
from observability.process import configure_process
from sluice.settings import Settings

configure_process(Settings.load(), service="tested")
with logger.contextualize(flow_run_id="f1", deployment="train/movies"):
    logger.error("the password is {}", sys.argv[2])
if sys.argv[1] == "SIGTERM":
    os.kill(os.getpid(), signal.SIGTERM)
elif sys.argv[1] == "SIGINT":
    os.kill(os.getpid(), signal.SIGINT)
"""


def run(loki: Receiver, how: str, program: str = "") -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "SLUICE_LOGS__LOKI_URL": loki.url,
        "SLUICE_LOGS__PUSH": "true",
        "SLUICE_LOG_FORMAT": "text",
        "SLUICE_PREFECT__AUTH": "sluice:a-long-password",
    }
    command = [sys.executable, "-c", program or PROGRAM, how, "a-long-password"]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)


@pytest.mark.parametrize("how", ["end", "SIGTERM", "SIGINT"])
def test_last_lines_arrive_however_the_process_ends(loki: Receiver, how: str) -> None:
    """Within seconds; the line is JSON without secrets though the console has text."""
    done = run(loki, how)
    assert done.returncode in {"end": (0,), "SIGTERM": (-15,), "SIGINT": (1, -2)}[how], done.stderr
    (line,) = [line for line in loki.lines if line.labels["level"] == "ERROR"]
    found = json.loads(line.text)
    assert (found["msg"], found["service"]) == ("the password is **********", "tested")
    assert line.metadata["deployment"] == "train/movies"
    assert "a-long-password" not in done.stderr


def test_end_is_bounded_while_loki_hangs(loki: Receiver) -> None:
    """The process does not wait for it longer than its bound."""
    loki.hangs.set()
    begun = time.monotonic()
    assert run(loki, "end").returncode == 0
    assert time.monotonic() - begun < 15  # 3 s of them are the bound; the imports take the rest on a busy machine


def test_own_lines_about_loki_are_not_sent_to_it(loki: Receiver) -> None:
    """Else an outage would feed itself."""
    push = push_to(loki)
    push(time.time(), FIELDS, "first")
    loki.until(lambda: loki.lines)
    thread = push._thread
    push._thread = __import__("threading").current_thread()
    push(time.time(), FIELDS, "from within")
    push._thread = thread
    push.close(2)
    assert [line.text for line in loki.lines] == ["first"]
