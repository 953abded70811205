"""The peers of the service, each in the best configuration that it was found in (see the README)."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.peer_environment import peer_environment
from benchmarks.raw_request import raw_request
from benchmarks.serving_side import NO_MODEL, Line, Made, Side, dataframe_split, open_inference, scored
from deployments.local.ports import free_ports

SERVERS = Path(__file__).parent / "peers"
HOST = "127.0.0.1"
MLFLOW, MLSERVER, BENTOML, LITSERVE = "mlflow models serve", "MLServer", "BentoML", "LitServe"
FASTAPI, ASGI = "FastAPI, a constant", "ASGI, a constant"


def environment(bin_: Path | None = None, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's, without anybody's stack in it, with the programs of ``bin_`` first, and ``more``."""
    foreign = ("SLUICE_", "PREFECT_", "MLFLOW_", "DASK_", "BENTOML_", "MLSERVER_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*foreign, "PYTHONPATH"))}
    path = {"PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"} if bin_ else {}
    return {**kept, **path, "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", **(more or {})}


def constants(made: Made) -> list[Side]:
    """On our own versions of FastAPI and uvicorn."""
    requests = [raw_request("/invocations", dataframe_split(made)(row)) for row in made.rows]
    sides = []
    for name, application in ((FASTAPI, "constant_fastapi:app"), (ASGI, "constant_asgi:app")):
        (port,) = free_ports(HOST, 1)
        command = [
            *(sys.executable, "-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--port", str(port)),
            *("--log-level", "warning", "--no-access-log", application),
        ]
        line = Line(name, NO_MODEL, requests, open=name == FASTAPI)
        sides.append(Side(name, NO_MODEL, command, environment(), SERVERS, port, [line]))
    return sides


def mlflow(model: str, made: Made) -> Side:
    bin_, (port,) = peer_environment("mlserver"), free_ports(HOST, 1)
    command = [
        *(str(bin_ / "mlflow"), "models", "serve", "--model-uri", str(made.models[model]["saved"])),
        *("--env-manager", "local", "--workers", "1", "--host", HOST, "--port", str(port)),
    ]
    line = scored(MLFLOW, made, model, "/invocations", dataframe_split(made), lambda said: said["predictions"][0])
    return Side(MLFLOW, model, command, environment(bin_), made.folder, port, [line])


def mlserver(model: str, made: Made) -> Side:
    bin_, (port, grpc, metrics) = peer_environment("mlserver"), free_ports(HOST, 3)
    folder = made.folder / f"mlserver-{model}"
    folder.mkdir(exist_ok=True)
    settings = {"debug": False, "host": HOST, "http_port": port, "grpc_port": grpc, "metrics_port": metrics}
    served = {
        "name": model,
        "implementation": "mlserver_mlflow.MLflowRuntime",
        "parameters": {"uri": str(made.models[model]["saved"])},
        **_BATCHES,
    }
    _write(folder / "settings.json", {**settings, "parallel_workers": 0})
    _write(folder / "model-settings.json", served)
    path = f"/v2/models/{model}/infer"
    line = scored(MLSERVER, made, model, path, open_inference(made), lambda said: said["outputs"][0]["data"][0])
    return Side(MLSERVER, model, [str(bin_ / "mlserver"), "start", "."], environment(bin_), folder, port, [line])


def bentoml(model: str, made: Made) -> Side:
    bin_, (port,) = peer_environment("bentoml"), free_ports(HOST, 1)
    command = [
        *(str(bin_ / "bentoml"), "serve", "bentoml_service:Model", "--host", HOST, "--port", str(port)),
        *("--working-dir", str(SERVERS)),
    ]
    home = {"BENTOML_HOME": str(made.folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    env = environment(bin_, {"MODEL_FILE": str(made.models[model]["joblib"]), **home})
    line = scored(BENTOML, made, model, "/predict", lambda row: {"rows": [row]}, lambda said: said[0])
    return Side(BENTOML, model, command, env, made.folder, port, [line])


def litserve(model: str, made: Made) -> Side:
    bin_, (port,) = peer_environment("litserve"), free_ports(HOST, 1)
    command = [str(bin_ / "python"), str(SERVERS / "litserve_server.py"), str(port)]
    env = environment(bin_, {"MODEL_FILE": str(made.models[model]["joblib"])})
    line = scored(LITSERVE, made, model, "/predict", lambda row: {"row": row}, lambda said: said["label"])
    return Side(LITSERVE, model, command, env, made.folder, port, [line])


# MLServer's adaptive batching: what waits together is predicted together.
_BATCHES = {"max_batch_size": 32, "max_batch_time": 0.005}


def _write(file: Path, content: Mapping[str, object]) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")
