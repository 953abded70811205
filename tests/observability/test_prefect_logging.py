"""Interception beside the real Prefect's logging."""

import json
import subprocess
import sys

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
