"""Our service as a user starts it: models from a registry, ``python -m serving``, the environment, a key."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.raw_request import raw_request
from benchmarks.serving_peers import HOST, environment
from benchmarks.serving_side import (
    BEST,
    MOVIES,
    Line,
    Made,
    Side,
    dataframe_split,
    open_inference,
    scored,
    unlogged,
)
from deployments.local.ports import free_ports

ON, OFF, V2 = "ours", "ours, unmeasured", "ours, V2"


def ours(model: str, made: Made, on: bool) -> Side:
    """One process with one model. ``on``: callers need keys, predictions are logged, requests are measured."""
    side, headers = _side(model if on else unlogged(model), made, on)
    path = f"/invocations?model={model if on else unlogged(model)}"
    lines = [scored(ON if on else OFF, made, model, path, dataframe_split(made), _prediction, headers, open=on)]
    if on:
        path = f"/v2/models/{model}/infer"
        lines.append(scored(V2, made, model, path, open_inference(made), _output, headers))
    return replace(side, name=lines[0].name, model=model, lines=lines)


def our_recommendations(made: Made) -> Side:
    """With keys, and with the log."""
    side, headers = _side(MOVIES, made, on=True)
    requests = [raw_request(f"/recommendations/{user}?k={BEST}&model={MOVIES}", headers=headers) for user in made.users]
    return replace(side, lines=[Line(ON, MOVIES, requests, _items, made.models[MOVIES]["expected"], open=True)])


def _side(model: str, made: Made, on: bool) -> tuple[Side, dict[str, str]]:
    (port,) = free_ports(HOST, 1)
    given = {
        "SLUICE_HOME": str(made.folder / f"home-{model}"),
        "SLUICE_MLFLOW__URI": made.uri,
        "SLUICE_SERVING__AUTH": "required" if on else "off",
        "SLUICE_SERVING__REQUEST_METRICS": str(on).lower(),
        "SLUICE_SERVING__PORT": str(port),
        "SLUICE_SERVING__MODELS": json.dumps([model]),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    env = environment(more=given)
    side = Side(ON, model, [sys.executable, "-m", "serving"], env, made.folder, port)
    return side, _key_header(env) if on else {}


def _key_header(env: Mapping[str, str]) -> dict[str, str]:
    """What a request carries: a key that was made for it on the command line.

    Raises:
        RuntimeError: no key was made; with what the command said.
    """
    command = [sys.executable, "-m", "deployments.cli", "keys", "create", "benchmark", "--json"]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"sluice keys create failed:\n{done.stdout}{done.stderr}")
    return {"Authorization": f"Bearer {json.loads(done.stdout)['key']}"}


def _prediction(said: Any) -> Any:
    return said["predictions"][0]


def _output(said: Any) -> Any:
    return said["outputs"][0]["data"][0]


def _items(said: Any) -> Any:
    return [item["item_id"] for item in said["items"]]
