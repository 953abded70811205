"""``python -m deployments.cluster.smoke pipeline|prediction USE_CASE [INPUTS]``: what `helm test` does with a release.

A run of the pipeline goes through the work pool, so it needs all parts but serving; a prediction needs those, and what
the run made.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import httpx

from sluice.errors import ServiceUnavailableError, SluiceError
from sluice.runs import PrefectRuns
from sluice.settings import Settings

# A first run makes nodes, pulls images, and trains.
RUN_SECONDS = 1800
# Serving looks at the registry every few seconds.
PREDICTION_SECONDS = 120


def pipeline(prefect: PrefectRuns, use_case: str, poll: float = 2.0) -> str:
    """Start it, and wait for its end; gives what there is to say.

    Raises:
        RuntimeError: it did not complete.
    """
    run = prefect.start(f"pipeline/{use_case}", {})
    deadline = time.monotonic() + RUN_SECONDS
    while not run.final:
        if time.monotonic() > deadline:
            raise RuntimeError(f"The run {run.name} is {run.state_name} after {RUN_SECONDS} s.")
        time.sleep(poll)
        run = prefect.read(run.id)
    if not run.completed:
        raise RuntimeError(f"The run {run.name} ended as {run.state_name}: {run.message}")
    return f"The run {run.name} completed in {run.seconds:.0f} s."


def prediction(
    service: httpx.Client,
    model: str,
    given: Mapping[str, Any] | None = None,
    seconds: float = PREDICTION_SECONDS,
    poll: float = 2.0,
) -> str:
    """Ask the model for one row, by the inputs that it names; gives what it answered.

    Args:
        given: values of inputs by name, as a model may refuse what it has never seen; any other is 0 or empty.

    Raises:
        ServiceUnavailableError: it has no such model, or does not answer, for so many seconds.
        RuntimeError: it refuses the request.
    """
    deadline = time.monotonic() + seconds
    while True:
        problem = ""
        try:
            described = service.get(f"/v2/models/{model}")
            if described.is_success:
                inputs = row(described.json()["inputs"], given or {})
                answer = service.post(f"/v2/models/{model}/infer", json={"inputs": inputs})
                if answer.is_success:
                    return f"{model} {answer.json().get('model_version', '')} answered: {answer.json()['outputs']}"
                described = answer
            problem = f"{described.status_code}: {described.text[:500]}"
            # It will not be another answer later.
            if described.status_code in {400, 401, 403, 422}:
                raise RuntimeError(f"{service.base_url} answered {problem}")
        except httpx.TransportError as error:
            problem = str(error)
        if time.monotonic() > deadline:
            raise ServiceUnavailableError(service="Serving", address=str(service.base_url), hint=problem)
        time.sleep(poll)


def row(inputs: list[dict[str, Any]], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row as tensors of the types and shapes that a model names."""
    tensors = []
    for tensor in inputs:
        shape = [abs(size) for size in tensor["shape"]]  # -1 is any number of rows: one
        size = 1
        for length in shape:
            size *= length
        value: Any = given.get(tensor["name"], {"BYTES": "", "BOOL": False}.get(tensor["datatype"], 0))
        tensors.append({"name": tensor["name"], "datatype": tensor["datatype"], "shape": shape, "data": [value] * size})
    return tensors


def main(arguments: list[str]) -> None:
    from deployments.terminal import console

    try:
        settings = Settings.load()
        match arguments:
            case ["pipeline", use_case]:
                with PrefectRuns.of(settings.prefect) as prefect:
                    said = pipeline(prefect, use_case)
            case ["prediction", model, *values] if len(values) < 2:
                headers = {"Authorization": f"Bearer {settings.serving.bootstrap_key.get_secret_value()}"}
                address = settings.exporter.serving_url
                with httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as service:
                    said = prediction(service, model, json.loads(values[0]) if values else {})
            case _:
                sys.exit("Usage: python -m deployments.cluster.smoke pipeline|prediction USE_CASE [INPUTS]")
    except (SluiceError, RuntimeError) as error:
        sys.exit(str(error))
    console.print(said, markup=False)


if __name__ == "__main__":
    main(sys.argv[1:])
