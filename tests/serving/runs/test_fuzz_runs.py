"""Whatever is sent to the routes of runs, with the real Prefect behind them: the client's mistake, or an answer."""

import json
from collections.abc import Iterator
from urllib.parse import quote_from_bytes, urlencode
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice.runs import PrefectRuns
from tests.conftest import Stack
from tests.serving.fuzzing.chance import REPEATABLE
from tests.serving.fuzzing.connection import Connection, Request
from tests.serving.fuzzing.requests import anything, odd_text, rarely
from tests.serving.fuzzing.verdict import judge

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.waits]

CASES = settings(
    max_examples=400, deadline=None, database=None, derandomize=REPEATABLE, suppress_health_check=list(HealthCheck)
)
_TIMES = st.sampled_from(
    ["2026-11-21", "7d", "999999d", "0001-01-01T00:00:00+23:59", "2199-12-31T23:59:59-12:00", "9e9"]
)
_NAMES = st.sampled_from(["movies", "tiny", "pipeline/movies", "ingest", "/", "a/", "failed,Late", "SCHEDULED", "none"])
_CURSORS = st.sampled_from(["IDIwMjYtMTEtMjFUMDU6MDA6MDArMDA6MDAgMQ", "ZiAyMDI2LTExLTIxVDA1OjAwOjAwKzAwOjAwIGE"])
QUERIES = st.dictionaries(
    st.sampled_from(
        ["deployment", "flow", "use_case", "state", "since", "until", "parent", "limit", "cursor", "level", "follow"]
    ),
    st.one_of(_TIMES, _NAMES, _CURSORS, odd_text, st.integers(-2, 101).map(str)),
    max_size=3,
)


@pytest.fixture
def deployment(stack: Stack) -> Iterator[tuple[str, str]]:
    """One that no worker serves, so that what is started goes no further; its name, and a run of it."""
    name = f"fuzzed-{uuid4().hex[:8]}"
    schema = {"type": "object", "properties": {"use_case": {"type": "string"}, "params": {"type": "object"}, "x": {}}}
    with PrefectRuns(stack.settings.prefect.url) as prefect:
        flow = prefect.request("POST", "/flows/", {"name": name})
        body = {
            "name": "any",
            "flow_id": flow["id"],
            "parameter_openapi_schema": schema,
            "parameters": {"use_case": "a"},
        }
        made = prefect.request("POST", "/deployments/", {**body, "enforce_parameter_schema": True})
        run = prefect.request("POST", f"/deployments/{made['id']}/create_flow_run", {})
        yield f"{name}/any", run["id"]
        prefect.request("DELETE", f"/flows/{flow['id']}")


def _quoted(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


def test_no_request_for_a_run_is_an_error_of_the_servers(stack: Stack, deployment: tuple[str, str]) -> None:
    """Bodies, ids, filters and cursors of any kind: never a 5xx, every refusal a problem document."""
    name, run = deployment
    connection = Connection(stack.record.serving_port)
    bodies = st.one_of(
        anything,
        st.fixed_dictionaries(
            {"deployment": st.sampled_from([name, name, name, "a/b"]) | odd_text},
            optional={
                "parameters": st.one_of(
                    st.dictionaries(st.sampled_from(["use_case", "params", "x"]), anything, max_size=3), anything
                ),
                "idempotency_key": st.sampled_from(["a", "b"]) | odd_text,
                "x": anything,
            },
        ),
    )
    ids = rarely.flatmap(lambda rare: odd_text if rare else st.sampled_from([run, run.upper(), str(uuid4())]))
    seen: dict[int, int] = {}

    def ask(request: Request) -> None:
        answer = connection.ask(request)
        judge(request.method, request.target.partition(b"?")[0].decode(), answer)
        assert answer.status < 500, (request, answer)
        seen[answer.status] = seen.get(answer.status, 0) + 1

    @CASES
    @given(QUERIES, ids, st.sampled_from(["/runs", "/runs", "/runs/{id}", "/runs/{id}/logs"]))
    def read(query: dict[str, str], id: str, path: str) -> None:
        query.pop("follow", None) if "id" in path else None  # a stream of a run that never starts never ends
        asked = urlencode(query, errors="surrogatepass")
        ask(Request("GET", f"{path.format(id=_quoted(id))}?{asked}".encode()))

    @CASES
    @given(bodies.map(lambda body: json.dumps(body).encode()), st.binary(max_size=20))
    def start(body: bytes, key: bytes) -> None:
        header = bytes(one for one in key if 32 < one != 127)
        ask(Request("POST", b"/runs", ((b"idempotency-key", header),) if header else (), body))

    @settings(CASES, max_examples=60)
    @given(ids, st.sampled_from(["cancel", "retry"]))
    def change(id: str, what: str) -> None:
        ask(Request("POST", f"/runs/{_quoted(id)}/{what}".encode()))

    for part in (read, start, change):
        part()
    connection.close()
    assert {200, 201, 404, 422} <= seen.keys(), seen
