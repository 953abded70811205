"""Interception beside the real Prefect's logging."""

import json
import logging
import subprocess
import sys

import pytest

from observability.redaction import MASK
from observability.secret_filter import SecretFilter

PROGRAM = """
import logging
import prefect
from loguru import logger
from prefect.logging.configuration import setup_logging
from observability.logging import configure_logging
from sluice.settings import Settings

setup_logging()
configure_logging(Settings(env="test", log_format="json"), service="flow")
runs = logging.getLogger("prefect.flow_runs")
logging.getLogger("prefect.worker.test").info("polling")
logger.info("handlers " + ",".join(type(handler).__name__ for handler in runs.handlers))
logger.info("root " + ",".join(type(handler).__name__ for handler in logging.getLogger().handlers))
"""


def test_run_logs_still_go_to_prefect(tmp_path: object) -> None:
    """After configuring, Prefect's API handler is there and its console handlers are not."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    lines = {line["msg"]: line for line in map(json.loads, done.stderr.splitlines())}
    assert "handlers APILogHandler" in lines
    assert "root InterceptHandler" in lines
    assert lines["polling"]["logger"] == "prefect.worker.test"


@pytest.mark.parametrize("text", ["%d rows", "%s %s of hunter2-hunter2"])
def test_a_log_call_that_is_malformed_fails_nothing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments that do not fit are left out; the line arrives, and a secret in it does not."""
    monkeypatch.setenv("SLUICE_PREFECT__AUTH", "user:hunter2-hunter2")
    arrived: list[str] = []

    class Api(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            arrived.append(record.getMessage())

    handler = Api()
    handler.addFilter(SecretFilter())
    log = logging.Logger("a step's")
    log.addHandler(handler)
    log.info(text, "many")
    assert arrived == [text.replace("hunter2-hunter2", MASK)]
