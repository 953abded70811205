"""A service that is asked everything, in a process that lacks packages: prints status and answer of each question.

``python left_out_service.py FOLDER``: of models, as tests/serving/fuzzing/models.py saves them.
"""

import io
import json
import sys
from pathlib import Path

import httpx

from serving.app import build_app
from sluice.embedded_documents import EmbeddedDocuments
from sluice.settings import ServingSettings, Settings
from tests.serving.conftest import serve
from tests.serving.fakes import FakeRegistry, eventually

NAMES = ("movies", "linear", "forest", "tensor")
ROW = {"a": 1.0, "b": 0.5, "c": -1.0}


def parquet() -> bytes:
    import pandas as pd

    file = io.BytesIO()
    pd.DataFrame([ROW]).to_parquet(file)
    return file.getvalue()


def ask(client: httpx.Client) -> dict[str, httpx.Response]:
    forest = {"model": "forest"}
    tensors = [{"name": name, "datatype": "FP64", "shape": [1], "data": [value]} for name, value in ROW.items()]
    csv = f"{','.join(ROW)}\n{','.join(map(str, ROW.values()))}\n"
    kind = "content-type"
    typed = client.post("/models/forest/predict", json={"rows": [ROW]})
    outcome = {"prediction_id": typed.json()["prediction_id"], "outcome": {"bought": True}}
    return {
        "json": client.post("/invocations", params=forest, json={"dataframe_records": [ROW]}),
        "csv": client.post("/invocations", params=forest, content=csv, headers={kind: "text/csv"}),
        "parquet": client.post(
            "/invocations", params=forest, content=parquet(), headers={kind: "application/vnd.apache.parquet"}
        ),
        "typed": typed,
        "v2": client.post("/v2/models/forest/infer", json={"inputs": tensors}),
        "array": client.post("/invocations", params={"model": "tensor"}, json={"inputs": [list(ROW.values())]}),
        "user": client.get("/recommendations/1", params={"k": 3}),
        "titles": client.get("/recommendations/items", params={"query": "title 10"}),
        "feedback": client.post("/feedback", json=outcome),
        **{path: client.get(path) for path in ("/", "/models", "/docs", "/openapi.json", "/metrics", "/livez")},
    }


def main(root: Path) -> None:
    registry = FakeRegistry()
    for name in NAMES:
        registry.add(name, "1", root / name)
    documents = EmbeddedDocuments(str(root / "documents.db"))
    chosen = ServingSettings(models=NAMES, refresh_seconds=0.1)
    app = build_app(Settings(home=root / "home", serving=chosen), registry, lambda: documents)  # type: ignore[arg-type]
    with serve(app) as address, httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
        client.follow_redirects = True  # the first page is the one that is asked for most
        eventually(lambda: client.get("/models/forest").json().get("how", "").startswith("compiled"), 60)
        told = {
            **{name: [answer.status_code, answer.text[:3000]] for name, answer in ask(client).items()},
        }
        eventually(lambda: documents.count("forest_predictions"))
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
