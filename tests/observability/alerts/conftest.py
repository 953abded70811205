"""One stack that is watched, for all tests of alerts: the real programs, in a hurry."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from deployments.local.environment import stack_environment
from deployments.local.record import read_record
from deployments.local.supervisor import Supervisor
from deployments.local.watching import missing_packages
from sluice.settings import Settings
from tests.conftest import INSTALLED, Stack, clean_environment, sluice
from tests.observability.alerts.listeners import Heard, listeners
from tests.observability.alerts.models import LIMIT_SECONDS

# Minutes become seconds, more or less. With two seconds between scrapes no window is under eight seconds.
HURRY, SCRAPE_SECONDS = 30, 2


@dataclass(frozen=True)
class Watched:
    """A stack with Prometheus and Alertmanager, and those whom they tell."""

    stack: Stack
    heard: Heard
    supervisor: Supervisor

    def answers(self) -> bool:
        """Whether Prometheus does."""
        try:
            return bool(self.query("up == 1"))
        except httpx.HTTPError:
            return False

    def query(self, expression: str) -> list[dict[str, dict[str, str]]]:
        """What Prometheus answers now."""
        address = f"{self.stack.record.prometheus_url}/api/v1/query"
        answer = httpx.get(address, params={"query": expression}, trust_env=False, timeout=20)
        found: list[dict[str, dict[str, str]]] = answer.raise_for_status().json()["data"]["result"]
        return found


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Up for all of them; whoever stops a service starts it again."""
    if (missing := missing_packages()) and not os.environ.get("CI"):
        pytest.skip(f"not installed here: {', '.join(missing)}")
    root = tmp_path_factory.mktemp("watched")
    with listeners() as heard:
        for name, text in {
            "webhook": f"http://127.0.0.1:{heard.web_port}/hook",
            "token": "letmein",
            "slack": f"http://127.0.0.1:{heard.web_port}/services/T0/B0/x",
            "heartbeat": f"http://127.0.0.1:{heard.web_port}/beat",
        }.items():
            (root / name).write_text(text + "\n")
        env = clean_environment(root / ".sluice") | {
            "SLUICE_OBSERVE__HURRY": str(HURRY),
            "SLUICE_OBSERVE__SCRAPE_SECONDS": str(SCRAPE_SECONDS),
            "SLUICE_OBSERVE__WEBHOOK_URL_FILE": str(root / "webhook"),
            "SLUICE_OBSERVE__WEBHOOK_TOKEN_FILE": str(root / "token"),
            "SLUICE_OBSERVE__SLACK_URL_FILE": str(root / "slack"),
            "SLUICE_OBSERVE__EMAIL_TO": '["on-call@example.org"]',
            "SLUICE_OBSERVE__SMTP_SERVER": f"127.0.0.1:{heard.mail_port}",
            "SLUICE_OBSERVE__SMTP_TLS": "false",
            "SLUICE_OBSERVE__HEARTBEAT_URL_FILE": str(root / "heartbeat"),
            "SLUICE_OBSERVE__GRAFANA_URL": "http://grafana.example.org",
            "SLUICE_OBSERVE__RUNBOOKS_URL": "https://runbooks.example.org",
            "SLUICE_SERVING__LIMITS__SECONDS": str(LIMIT_SECONDS),
            "SLUICE_EXPORTER__SECONDS": "2",
            "SLUICE_EXPORTER__SLOW_SECONDS": "2",
        }
        (root / INSTALLED).mkdir()
        done = sluice("up", "--free-ports", "--observe", cwd=root, env=env, timeout=400)
        assert done.returncode == 0, done.stdout
        record = read_record(root / ".sluice")
        assert record is not None
        stack = Stack(record, record.applied_to(Settings(home=record.home)), {**env, **stack_environment(record)}, root)
        try:
            yield Watched(stack, heard, Supervisor(record.home, record.root))
        finally:
            assert stack.sluice("down").returncode == 0
            shutil.rmtree(record.home, ignore_errors=True)
