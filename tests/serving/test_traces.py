"""A prediction's trace: from the header that came to its entry in the log, to its log lines, and to the exemplar."""

import json
import re
from pathlib import Path
from typing import Any

from httpx import Client
from loguru import logger

from observability.log_line import JsonLine
from observability.redaction import Redactor
from serving.app import build_app
from serving.scorer import Scorer
from sluice.documents import open_documents
from sluice.settings import ServingSettings, Settings
from tests.serving.conftest import Service, serve
from tests.serving.fakes import FakeRegistry, eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADER = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def test_prediction_is_found_by_the_trace_of_its_request(registry: FakeRegistry, tmp_path: Path) -> None:
    """The answer's header, the entry of the prediction log and the exemplar on the latency have one trace id."""
    settings = Settings(home=tmp_path, serving=ServingSettings(models=("movies",)))
    documents = open_documents(settings)
    app = build_app(settings, registry, lambda: open_documents(settings))  # type: ignore[arg-type]
    with serve(app) as address, Client(base_url=address, timeout=30, trust_env=False) as client:
        eventually(lambda: client.get("/readyz").status_code == 200)
        answer = client.get("/recommendations/1?k=2", headers=HEADER)
        assert answer.status_code == 200, answer.text
        assert answer.headers["traceparent"].split("-")[1] == TRACE
        assert "traceparent" not in client.get("/recommendations/1?k=2").headers
        eventually(lambda: len(list(documents.find("movies_predictions", {}))) == 2)
        entries = {entry.get("trace_id") for entry in documents.find("movies_predictions", {})}
        assert entries == {TRACE, None}
        text = client.get("/metrics", headers=OPENMETRICS).text
    # As text: the library writes sluice_prediction_value, which can be negative, as its own strict reader refuses it.
    found = re.findall(r'http_route="/recommendations/\{user_id\}".* # \{.*trace_id="(\w+)"', text)
    assert found == [TRACE]


def test_lines_of_a_prediction_have_its_trace(service: Service, registry: FakeRegistry, monkeypatch: Any) -> None:
    """Also those that are logged in the thread that predicts."""
    lines: list[dict[str, Any]] = []
    render = JsonLine("serving", "0", "test", Redactor(Settings()))
    sink = logger.add(lambda message: lines.append(json.loads(json.dumps(render.fields(message.record), default=str))))
    bounded = Scorer.bounded

    async def logging_bounded(self: Scorer, work: Any) -> Any:
        def said() -> Any:
            logger.info("predicting")
            return work()

        return await bounded(self, said)

    monkeypatch.setattr(Scorer, "bounded", logging_bounded)
    try:
        with service(models=("movies",)) as client:
            eventually(lambda: client.get("/readyz").status_code == 200)
            assert client.get("/recommendations/1?k=2", headers=HEADER).status_code == 200
    finally:
        logger.remove(sink)
    assert {line["trace_id"] for line in lines if line["msg"] == "predicting"} == {TRACE}
