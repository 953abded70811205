"""The service starts again while its registry is gone."""

import time
from pathlib import Path

import httpx
import pytest

from tests.chaos.asked import ROW
from tests.chaos.conftest import StartService
from tests.chaos.service_process import Mlflow, Service

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.slow, pytest.mark.rare]

ASKED = ("/models/line/predict", "/models/forest/predict?version=2")


def test_restart_without_a_registry(mlflow: Mlflow, start_service: StartService, tmp_path: Path) -> None:
    """What was served before, a champion and a version by its number, answers from this machine's own files."""
    service = start_service("line")
    before = [told(service, path) for path in ASKED]
    try:
        mlflow.kill()
        time.sleep(3)  # the service looks, and finds nobody
        assert [told(service, path) for path in ASKED] == before
        service.stop()
        service.start()  # until it is ready
        assert service.get("/readyz").json()["models"][0]["version"] == "1"
        assert [told(service, path) for path in ASKED] == before
        assert ask(service, "/models/forest/predict?version=3").status_code == 503
    finally:
        mlflow.start()
    service.until(lambda: ask(service, "/models/forest/predict?version=3").status_code == 200)


def ask(service: Service, path: str) -> httpx.Response:
    return httpx.post(f"http://{service.address}{path}", json={"rows": [ROW]}, timeout=60, trust_env=False)


def told(service: Service, path: str) -> tuple[str, list[float]]:
    answer = ask(service, path)
    assert answer.status_code == 200, answer.text
    return answer.json()["version"], [round(one, 4) for one in answer.json()["predictions"]]
