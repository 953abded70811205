"""Whatever is sent to the service, it answers as it says it does, and keeps nothing of it."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests as http
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.serving.fakes import eventually
from tests.serving.fuzzing.chance import REPEATABLE
from tests.serving.fuzzing.connection import LONGEST_SECONDS, Answer, Connection, Request
from tests.serving.fuzzing.models import save_all
from tests.serving.fuzzing.process import Running, running
from tests.serving.fuzzing.requests import requests
from tests.serving.fuzzing.verdict import judge
from tests.serving.fuzzing.wire import broken_http

# What a service may take more after all cases than after the first: caches that have a bound, and the allocator's air.
MOST_GROWTH = 50 << 20
WARM_UP = 200
# A stream's lines are text for schemathesis: what is in them `requests` makes up.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def cases(count: int, kind: st.SearchStrategy[Any], repeatable: bool, ask: Callable[[Any], None]) -> None:
    """Ask as many times. What fails is made as small as it can be, and shown."""

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=repeatable,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(kind)
    def one(case: Any) -> None:
        ask(case)

    one()


class Fuzzer:
    """Asks a service and judges its answers; ``seen`` counts them by what was asked and the status."""

    def __init__(self, service: Running, repeatable: bool) -> None:
        self._service, self._repeatable = service, repeatable
        self._connection = Connection(service.port)
        self.seen: Counter[tuple[str, int]] = Counter()

    def by_document(self, each: int) -> None:
        """Requests by the OpenAPI document, right ones and wrong ones: so many an operation and kind."""
        if not each:
            return
        document = http.get(f"{self._service.address}/openapi.json", timeout=LONGEST_SECONDS).json()
        schema = schemathesis.openapi.from_dict(document)
        with http.Session() as session:
            session.trust_env = False

            def ask(case: schemathesis.Case) -> None:
                told = case.call(self._service.address, session=session, timeout=LONGEST_SECONDS)
                headers = {name: values[0] for name, values in told.headers.items()}
                answer = Answer(told.status_code, headers, told.content)
                self._judge("document", str(told.request.method), told.request.path_url.partition("?")[0], answer)

            for operation in schema.get_all_operations():
                for mode in MODES:
                    cases(each, operation.ok().as_strategy(generation_mode=mode), self._repeatable, ask)

    def by_route(self, count: int) -> None:
        """Requests to every route, from nearly right to anything."""

        def ask(request: Request) -> None:
            path = request.target.partition(b"?")[0].decode()
            self._judge("route", request.method, path, self._connection.ask(request))

        cases(count, requests(), self._repeatable, ask)
        self._connection.close()

    def by_byte(self, count: int) -> None:
        """Bytes that are no HTTP, or hardly."""

        def ask(raw: bytes) -> None:
            answer = self._connection.shout(raw)
            if answer is None:
                self.seen["byte", 0] += 1
            else:
                self._judge("byte", "GET", "", answer)

        cases(count, broken_http, self._repeatable, ask)

    def _judge(self, kind: str, method: str, path: str, answer: Answer) -> None:
        self.seen[kind, answer.status] += 1
        judge(method, path, answer)


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved models of every kind."""
    root = tmp_path_factory.mktemp("zoo")
    save_all(root)
    return root


def fill_pools(service: Running) -> None:
    """Ask at once for all that runs in threads, so that those there will be are there."""

    def ask(number: int) -> None:
        connection = Connection(service.port)
        json = ((b"content-type", b"application/json"),)
        for path, body in (
            (b"/invocations?model=loose", b'{"dataframe_records": [{"long": 1}]}'),
            (b"/invocations?model=forest", b'{"instances": [{"a": 1.0, "b": 1.0, "c": 1.0}]}'),
            (b"/v2/models/every/versions/2/infer", b"{}"),
            (b"/feedback", b'{"prediction_id": "01a1feb7b754724f9a61cad700000000", "outcome": 1}'),
        ):
            connection.ask(Request("POST", path, json, body))
        for page in (b"/docs/static/swagger-ui.css", b"/tasks", b"/models/every/history", b"/logs/services"):
            connection.ask(Request("GET", page))
        connection.ask(Request("GET", b"/runs"))
        connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(64)))


def threads_at_rest(service: Running) -> int:
    """Threads, once anyio has ended those that wait: it looks for them only when it is asked for another."""
    with closing(Connection(service.port)) as connection:
        connection.ask(Request("GET", b"/docs/static/swagger-ui.css"))
    return service.taken().threads


@pytest.mark.parametrize(
    ("each", "routes", "wires", "least"),
    [
        pytest.param(0, 600, 150, 900, id="some", marks=pytest.mark.slow),
        pytest.param(15, 3700, 600, 5000, id="many", marks=[pytest.mark.slow, pytest.mark.rare]),
    ],
)
def test_nothing_that_is_sent_harms_the_service(
    zoo: Path, tmp_path: Path, each: int, routes: int, wires: int, least: int
) -> None:
    """No error of the server's, no hang, every error a problem document; no memory, thread or file is left behind."""
    with running(zoo, tmp_path / "home") as service:
        fuzzer = Fuzzer(service, REPEATABLE)
        fuzzer.by_route(WARM_UP)
        fill_pools(service)
        before = service.taken()
        fuzzer.by_document(each)
        fuzzer.by_route(routes)
        fuzzer.by_byte(wires)
        eventually(lambda: service.taken().files <= before.files, seconds=20)
        eventually(lambda: threads_at_rest(service) <= before.threads, seconds=40)
        after = service.taken()
        assert service.ready
        log = service.log
    print(f"{fuzzer.seen.total()} cases: {dict(fuzzer.seen)}; {before} before, {after} after")  # noqa: T201
    assert fuzzer.seen.total() >= least
    assert after.memory - before.memory < MOST_GROWTH
    assert "Exception in ASGI application" not in log
    # Not all of it was turned away at the door.
    assert fuzzer.seen["route", 200] > fuzzer.seen.total() / 20
