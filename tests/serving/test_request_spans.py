"""A request is one span, and its sampling one decision: FastAPI has spans of its own since 0.150."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import CHECKOUT, clean_environment
from tests.receiver import receiver

TRACE = "0af7651916cd43dd8448eb211c80319c"
PROGRAM = """
import sys
from httpx import Client
from observability.process import configure_process
from serving.app import build_app
from sluice.documents import open_documents
from sluice.settings import Settings
from tests.serving.conftest import serve
from tests.serving.fakes import FakeRegistry

settings = Settings.load()
configure_process(settings, service="serving")
app = build_app(settings, FakeRegistry(), lambda: open_documents(settings))
with serve(app) as address, Client(base_url=address, timeout=30, trust_env=False) as client:
    for path in sys.argv[2:]:
        for sampled in ("00", "01"):
            header = {"traceparent": f"00-{sys.argv[1]}-b7ad6b7169203331-{sampled}"}
            assert client.get(path, headers=header).status_code == 200
        for _ in range(3):
            assert client.get(path).status_code == 200
"""


def test_each_request_that_is_sampled_is_one_span(tmp_path: Path) -> None:
    """Below the one that came with it; those that are not sampled, by the caller or by the setting, are none."""
    paths = ("/models", "/version")
    with receiver() as collector:
        env = {"SLUICE_TRACES__OTLP_URL": collector.url, "SLUICE_TRACES__SAMPLE": "0"}
        command = [sys.executable, "-c", PROGRAM, TRACE, *paths]
        subprocess.run(command, cwd=CHECKOUT, env={**clean_environment(tmp_path), **env}, check=True, timeout=120)
    assert sorted(span.name for span in collector.spans) == sorted(f"GET {path}" for path in paths)
    assert {(span.trace_id, span.parent) for span in collector.spans} == {(TRACE, "b7ad6b7169203331")}
