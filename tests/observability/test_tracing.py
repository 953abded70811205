"""Spans arrive at a real OTLP receiver, without secrets, and a collector that is away is in nobody's way."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from opentelemetry.trace import SpanContext

from observability.propagation import PropagatingProvider
from observability.tracing import continued, parsed, trace_id, traceparent
from tests.receiver import Receiver, receiver

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "s3cret-marker-of-a-password"
PROGRAM = """
import sys, time
from loguru import logger
from observability.process import configure_process
from observability.tracing import continued, span, traceparent
from sluice.settings import Settings

settings = Settings.load()
configure_process(settings, service="tested")
begun = time.monotonic()
with continued(sys.argv[1]):
    for number in range(int(sys.argv[2])):
        try:
            with span(f"work {number}", model="movies"):
                logger.info("at {}", traceparent())
                raise OSError("mongodb://sluice:" + sys.argv[3] + "@host is away")
        except OSError:
            pass
logger.info("took {:.3f}", time.monotonic() - begun)
"""


def run(url: str, spans: int = 1, given: str = GIVEN, **env: str) -> tuple[list[dict[str, object]], float]:
    """The program's log lines, and the seconds from its last line to its end."""
    environment: Mapping[str, str] = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "SLUICE_TRACES__OTLP_URL": url,
        "SLUICE_DOCUMENTS__URI": f"mongodb://sluice:{SECRET}@host",
        "SLUICE_LOG_FORMAT": "json",
        **env,
    }
    command = [sys.executable, "-c", PROGRAM, given, str(spans), SECRET]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append((json.loads(line), time.monotonic()))
        assert process.wait(30) == 0
        ended = time.monotonic()
    work = [at for line, at in lines if str(line["msg"]).startswith("took")]
    return [line for line, _ in lines], ended - work[0]


@pytest.fixture
def collector() -> Receiver:
    with receiver() as taken:
        yield taken


def test_spans_arrive_in_the_trace_that_was_given(collector: Receiver) -> None:
    """Name, resource, attributes and parent are there, no secret is, and the span's line has its ids."""
    lines, _ = run(collector.url)
    (span,) = collector.spans
    assert (span.service, span.name, span.attributes["sluice.model"]) == ("tested", "work 0", "movies")
    assert (span.trace_id, span.parent) == (GIVEN.split("-")[1], GIVEN.split("-")[2])
    assert (lines[0]["trace_id"], lines[0]["span_id"]) == (span.trace_id, span.span_id)
    assert lines[0]["msg"] == f"at 00-{span.trace_id}-{span.span_id}-01"
    # An exception that quotes a password is recorded without it, its stack too.
    assert span.span.events[0].name == "exception"
    assert SECRET.encode() not in b"".join(collector.bodies)
    assert b"**********" in b"".join(collector.bodies)


def test_what_is_not_sampled_is_not_sent(collector: Receiver) -> None:
    """The caller's decision counts, and the trace goes on all the same."""
    lines, _ = run(collector.url, given=f"{GIVEN[:-2]}00")
    assert collector.spans == []
    assert str(lines[0]["msg"]).endswith("-00")
    assert lines[0]["trace_id"] == GIVEN.split("-")[1]


def test_without_a_collector_the_trace_goes_on() -> None:
    """Spans have ids, within the trace that came or in one that begins here, and the SDK is not even imported."""
    lines, _ = run("")
    assert (lines[0]["trace_id"], lines[0]["level"]) == (GIVEN.split("-")[1], "INFO")
    begun, _ = run("", given="")
    assert len(str(begun[0]["trace_id"])) == 32


AWAY = ["hangs", *(pytest.param(how, marks=pytest.mark.slow) for how in ("refuses", "says 503"))]


@pytest.mark.parametrize("how", AWAY)
def test_collector_that_is_away_holds_up_nothing(how: str, collector: Receiver) -> None:
    """The work takes no longer, the process ends within seconds, and one line says it."""
    url = collector.url
    if how == "refuses":
        with socket.create_server(("127.0.0.1", 0)) as free:
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
    elif how == "hangs":
        collector.hangs.set()
    else:
        collector.status = [503]
    lines, to_end = run(url, spans=200)
    took = float(next(str(line["msg"]).split()[1] for line in lines if str(line["msg"]).startswith("took")))
    assert took < 3  # 15 ms a span, on a machine that is busy; a request takes 5 s to fail
    assert to_end < 6
    assert sum("takes no spans" in str(line["msg"]) for line in lines) <= 1


def test_traceparent_is_read_as_the_standard_says() -> None:
    """https://www.w3.org/TR/trace-context/: later versions may have more parts; zeros and version ff are none."""
    assert traceparent(parsed(GIVEN)) == GIVEN
    assert parsed(f"01{GIVEN[2:]}-more") is not None
    for wrong in (
        "",
        "x",
        f"{GIVEN}-more",
        f"ff{GIVEN[2:]}",
        GIVEN.upper(),
        f"00-{'0' * 32}-{'1' * 16}-01",
        f"00-{'1' * 32}-{'0' * 16}-01",
    ):
        assert parsed(wrong) is None, wrong


def test_continued_is_for_its_block() -> None:
    """The trace is the one that was given, and after the block it is as before."""
    with continued(GIVEN):
        assert trace_id() == GIVEN.split("-")[1]
        with continued("nonsense"):
            assert trace_id() == GIVEN.split("-")[1]
    assert trace_id() is None


def test_propagated_spans_have_ids_of_their_own() -> None:
    """A child has its parent's trace and flags, and another span id."""
    tracer = PropagatingProvider().get_tracer("t")
    with tracer.start_as_current_span("above") as above, tracer.start_as_current_span("below") as below:
        ids: list[SpanContext] = [one.get_span_context() for one in (above, below)]
    assert ids[0].trace_id == ids[1].trace_id
    assert ids[0].span_id != ids[1].span_id
    assert not ids[0].trace_flags.sampled
