"""The real process: what SIGTERM does to requests that were accepted."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from deployments.local.ports import free_ports
from sluice.embedded_documents import EmbeddedDocuments
from tests.serving.fakes import eventually

PROGRAM = Path(__file__).with_name("slow_service.py")


@pytest.mark.integration
def test_sigterm_drops_no_accepted_request(tmp_path: Path) -> None:
    """Requests under way when SIGTERM comes are answered, then the process ends with its journal written."""
    (port,) = free_ports("127.0.0.1", 1)
    env = {**os.environ, "SLUICE_HOME": str(tmp_path), "SLUICE_LOG_FORMAT": "json"}
    env |= {"SLUICE_SERVING__PORT": str(port), "SLUICE_SERVING__MODELS": '["numbers"]'}
    log = tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen([sys.executable, PROGRAM, tmp_path / "model"], env=env, stderr=stderr)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            eventually(lambda: _ready(client, process), seconds=60)
            with ThreadPoolExecutor(3) as pool:
                body = {"dataframe_records": [{"x": 1.5, "label": "a"}], "params": {"sleep": 1.0}}
                slow = [pool.submit(client.post, "/invocations", json=body) for _ in range(3)]
                # The three, and the request for the metrics itself.
                eventually(lambda: "http_server_active_requests 4.0" in client.get("/metrics").text)
                process.send_signal(signal.SIGTERM)
                answers = [future.result() for future in slow]
        assert [answer.status_code for answer in answers] == [200, 200, 200], log.read_text()
        # uvicorn ends by the signal itself, once everything is done.
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
    documents = EmbeddedDocuments(str(tmp_path / "documents.db"))
    (served,) = documents.find("model_servings")
    documents.close()
    assert served["until"] is not None


def _ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the service ended by itself"
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False
