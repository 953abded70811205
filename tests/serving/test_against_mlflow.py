"""The same bodies through MLflow's own scoring server and through ours: same predictions, same class of status."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from httpx import Client, HTTPError, ReadError, Response

from deployments.local.ports import free_ports
from serving.app import build_app
from sluice.settings import ServingSettings, Settings
from tests.conftest import CHECKOUT
from tests.serving import scored_models
from tests.serving.conftest import serve
from tests.serving.fakes import FakeDocuments, FakeRegistry, eventually
from tests.serving.payloads import Payload, corpus

# In the service's own process these are warnings; as errors they would change what it answers.
pytestmark = pytest.mark.filterwarnings("ignore")


class Known(NamedTuple):
    """A difference that is meant: what the two answer, and why."""

    theirs: int
    ours: int
    reason: str


MEDIA = "RFC 9110: names of types and parameters have no case, values may be quoted, parameters may be empty"
KNOWN = {
    "bytes: deep": Known(500, 400, "MLflow's server fails on JSON that is deeper than Python's stack"),
    "type None": Known(500, 200, "MLflow's server fails without a content type; ours takes the body for JSON"),
    "type ''": Known(415, 200, "an empty content type is as good as none"),
    "type 'application/json; charset=\"utf-8\"'": Known(415, 200, MEDIA),
    "type 'application/json;'": Known(415, 200, MEDIA),
    "type 'application/json; ;'": Known(415, 200, MEDIA),
    "type 'Application/JSON'": Known(415, 200, MEDIA),
    "type 'application/json; Charset=utf-8'": Known(415, 200, MEDIA),
    "csv: type TEXT/CSV": Known(415, 200, MEDIA),
    "hinted: form twice": Known(200, 400, "with a type hint MLflow looks at inputs only; ours wants one form always"),
}
CORPUS = corpus()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return scored_models.save_all(tmp_path_factory.mktemp("scored"))


@pytest.fixture(scope="module")
def theirs(folders: dict[str, Path]) -> Iterator[Client]:
    """A client of MLflow's server, which is a process of its own."""
    (port,) = free_ports("127.0.0.1", 1)
    asked = [str(folder) for name, folder in folders.items() if name not in scored_models.TWINS]
    command = [sys.executable, "-m", "tests.serving.mlflow_servers", str(port), *asked]
    process = subprocess.Popen(command, cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    try:
        with Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            eventually(lambda: process.poll() is not None or _answers(client, "/doubles/ping"), seconds=90)
            yield client
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def ours(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    registry = FakeRegistry()
    for name, folder in folders.items():
        registry.add(name, "1", folder)
    app = build_app(
        Settings(home=tmp_path_factory.mktemp("home"), serving=ServingSettings(models=tuple(folders))),
        registry,  # type: ignore[arg-type]
        FakeDocuments,  # type: ignore[arg-type]
    )
    with serve(app) as address, Client(base_url=address, timeout=30, trust_env=False) as client:
        eventually(lambda: client.get("/readyz").status_code == 200, seconds=60)
        yield client


def _answers(client: Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except HTTPError:
        return False


def post(client: Client, path: str, payload: Payload, **params: str) -> Response:
    headers = {} if payload.media is None else {"content-type": payload.media}
    try:
        return client.post(path, params=params, content=payload.body, headers=headers)
    except ReadError:  # MLflow's server hangs up after a 500
        return client.post(path, params=params, content=payload.body, headers=headers)


def same(one: Any, other: Any) -> bool:
    """Whether two answers say the same. Numbers may differ by 1e-6, and ours writes null for what JSON cannot say."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and not math.isfinite(one):
        return other is None
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6)
    return type(one) is type(other) and bool(one == other)


class Compared(NamedTuple):
    payload: Payload
    theirs: Response
    ours: Response

    @property
    def known(self) -> Known | None:
        about = self.payload.about
        return KNOWN.get(f"{self.payload.model}: {about}") or KNOWN.get(about)

    @property
    def wrong(self) -> str:
        """What differs that may not; empty when all is well."""
        statuses, known = (self.theirs.status_code, self.ours.status_code), self.known
        if known is not None and statuses == (known.theirs, known.ours):
            return ""
        alike = statuses[0] // 100 == statuses[1] // 100 and statuses[1] < 500
        if alike and (statuses[0] != 200 or same(json.loads(self.theirs.text), self.ours.json())):
            return ""
        return f"{self.payload.about}: {statuses}\n  {self.theirs.text[:300]}\n  {self.ours.text[:300]}"


@pytest.fixture(scope="module")
def compare(theirs: Client, ours: Client) -> Callable[[Payload], Compared]:
    """Sends a body to both. A twin's original has MLflow's answer already."""
    answered: dict[tuple[str, str], Response] = {}

    def compare(payload: Payload) -> Compared:
        name = scored_models.TWINS.get(payload.model, payload.model)
        found = answered.get((name, payload.about))
        if found is None:
            found = answered[name, payload.about] = post(theirs, f"/{name}/invocations", payload)
        return Compared(payload, found, post(ours, "/invocations", payload, model=payload.model))

    return compare


@pytest.mark.parametrize("name", scored_models.NAMES)
def test_a_tenth_of_the_corpus_is_answered_as_mlflow_does(name: str, compare: Callable[[Payload], Compared]) -> None:
    """Of each model every tenth body, which are over four hundred in all."""
    found = [compare(payload) for payload in [one for one in CORPUS if one.model == name][::10]]
    assert [one.wrong for one in found if one.wrong] == []
    assert {200, 400} <= {one.ours.status_code for one in found}


@pytest.mark.slow
@pytest.mark.rare
@pytest.mark.parametrize("name", scored_models.NAMES)
def test_the_corpus_is_answered_as_mlflow_does(name: str, compare: Callable[[Payload], Compared]) -> None:
    """Thousands of bodies, good and bad. What differs on purpose is listed, and must differ still."""
    found = [compare(payload) for payload in CORPUS if payload.model == name]
    assert [one.wrong for one in found if one.wrong] == []
    agreed = [one.payload.about for one in found if one.known and one.theirs.status_code == one.ours.status_code]
    assert agreed == [], "no difference any more: take it off the list"


@pytest.mark.slow
def test_the_real_command_answers_the_same(folders: dict[str, Path], ours: Client) -> None:
    """``mlflow models serve`` itself: what stands in for it above is the same application."""
    (port,) = free_ports("127.0.0.1", 1)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(folders["doubles"])]
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen([*command, *options], cwd=CHECKOUT, env=environment, start_new_session=True)
    try:
        with Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            eventually(lambda: process.poll() is not None or _answers(client, "/ping"), seconds=120)
            for payload in [one for one in CORPUS if one.model == "doubles"][::50]:
                found = Compared(
                    payload, post(client, "/invocations", payload), post(ours, "/invocations", payload, model="doubles")
                )
                assert found.wrong == ""
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # the command starts uvicorn as a process of its own
        process.wait(20)
