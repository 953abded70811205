"""Every secret setting is a marker, everything fails, and no marker is in any log, trace, metric or answer."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import clean_environment
from tests.observability.secret_settings import leaked, secret_variables
from tests.receiver import Receiver, receiver

LOGS_EVERYTHING = """
import logging, sys
from loguru import logger
from observability.process import configure_process
from observability.redaction import secrets_of
from observability.tracing import span
from sluice.settings import Settings

import prefect.logging.handlers
sent = []
prefect.logging.handlers.APILogHandler.emit = lambda self, record: sent.append(self.format(record))
from prefect.logging.configuration import setup_logging
setup_logging(incremental=False)

settings = Settings.load()
configure_process(settings, service="tested")
for secret in set(secrets_of(settings)):
    for name in ("prefect.flow_runs", "prefect.task_runs", "mlflow", "uvicorn.error", "distributed.worker"):
        logging.getLogger(name).error("stdlib %s", secret)
        try:
            raise OSError("connecting with " + secret)
        except OSError:
            logging.getLogger(name).exception("broke")
    for level in ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"):
        try:
            with span("work with " + secret, address=secret):
                logger.bind(secret=secret, nested={"a": [secret]}).log(level, "says {}", secret)
                raise OSError("connecting with " + secret)
        except OSError as error:
            logger.opt(exception=error).log(level, "broke: {}", error)
print("\\n".join(sent))
print("DONE", len(sent))
"""


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiver() as taken:
        yield taken


def environment(home: Path, collector: Receiver) -> dict[str, str]:
    address = collector.url.replace("http://", "http://user:{marker}@")
    given = {
        "SLUICE_LOGS__LOKI_URL": address,
        "SLUICE_TRACES__OTLP_URL": address,
        "SLUICE_PREFECT__URL": "http://user:{marker}@127.0.0.1:9/api",
        "SLUICE_LAKE__URI": "s3://user:{marker}@bucket/lake",
        "SLUICE_DASK__ADDRESS": "tcp://user:{marker}@127.0.0.1:9",
    }
    variables = secret_variables(given)
    assert len(variables) >= 12  # of which none is named in this test, but for addresses of servers
    return {
        **clean_environment(home),
        **variables,
        "SLUICE_MLFLOW__USERNAME": "user",
        "SLUICE_LOGS__PUSH": "true",
        "SLUICE_LOG_LEVEL": "TRACE",
        "SLUICE_LOG_FORMAT": "json",
        "SLUICE_TRACES__SAMPLE": "1",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_LOGGING_SETTINGS_PATH": str(Path(__file__).parents[2] / "observability" / "prefect_logging.yaml"),
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }


def test_no_log_line_and_no_span_has_a_secret(tmp_path: Path, collector: Receiver) -> None:
    """Lines of every level and logger, exceptions, spans; to the console, Loki, the collector, Prefect."""
    env = environment(tmp_path / ".sluice", collector)
    done = subprocess.run(
        [sys.executable, "-c", LOGS_EVERYTHING], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "DONE" in done.stdout
    assert len(collector.lines) > 100
    assert len(collector.spans) > 100
    assert leaked(env, done.stdout, done.stderr, *collector.bodies) == []


@pytest.mark.slow
def test_no_answer_metric_or_file_of_serving_has_a_secret(tmp_path: Path, collector: Receiver) -> None:
    """The real service, with nothing behind it that answers: its log, pages, metrics, spans and what it writes."""
    home = tmp_path / ".sluice"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**environment(home, collector), "SLUICE_SERVING__PORT": str(port), "SLUICE_SERVING__MODELS": '["movies"]'}
    url, texts = f"http://127.0.0.1:{port}", []
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "serving"], env=env, cwd=tmp_path, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=url, timeout=30) as client:
            deadline = time.monotonic() + 240
            while True:
                try:
                    client.get("/livez")
                    break
                except httpx.TransportError:
                    assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
            for path in ("/metrics", "/readyz", "/runs", "/logs", "/models", "/workers", "/tasks", "/deployments"):
                texts.append(client.get(path, headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}).text)
            texts.append(client.post("/invocations?model=movies", json={"inputs": [1]}).text)
            texts.append(client.post("/runs", json={"deployment": "ingest/movies"}).text)
            texts.append(client.get("/metrics", headers={"Accept": "application/openmetrics-text"}).text)
        collector.until(lambda: collector.spans)
    finally:
        process.terminate()
        process.wait(60)
    files = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert leaked(env, *texts, (tmp_path / "log").read_bytes(), *files, *collector.bodies) == []


@pytest.mark.parametrize("arguments", [("status",), ("run", "movies"), ("logs", "serving"), ("doctor",)])
def test_no_message_of_a_command_has_a_secret(tmp_path: Path, collector: Receiver, arguments: tuple[str, ...]) -> None:
    """Commands fail, since nothing answers, and say where without saying the password."""
    env = environment(tmp_path / ".sluice", collector)
    done = subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments],
        env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert leaked(env, done.stdout, done.stderr, *collector.bodies) == []
