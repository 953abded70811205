"""Every panel of every dashboard has data from a real Prometheus over a real stack after traffic."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deployments.local.watching import missing_packages
from serving.predictions import ID_HEADER
from sluice.runs import PrefectRuns
from tests import runs
from tests.conftest import Stack
from tests.observability.absent import PANELS, SERIES, absent
from tests.observability.panel_queries import Asked, asked, expanded, selectors
from tests.observability.watched import Prometheus, watched

QUERIES = asked("prometheus")
ASKED, TOLD = 120, 30  # predictions and outcomes, twice
# In place of the variables: all of each, as Grafana puts it.
ALL = {"job": ".+", "instance": ".+", "env": ".*", "deployment": ".*", "model": ".*"}


@pytest.fixture(scope="module")
def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """After a run that completed, one that failed, predictions with feedback, mistakes, and a look at all of it."""
    folder = tmp_path_factory.mktemp("prometheus")
    with watched(stack, folder) as found:
        broken = folder / "fail"
        broken.touch()
        assert runs.run(stack, "pipeline/tiny", timeout=420).completed
        assert not runs.run(stack, "train/tiny", fail_while=str(broken)).completed
        _ask(stack)
        _until_seen(found, "sluice_flow_last_failure_info")
        time.sleep(3)  # a series has a rate from its second sample on: these requests are another scrape's
        _ask(stack)
        with PrefectRuns(stack.settings.prefect.url) as prefect:
            monitored = prefect.start("monitor/tiny", {}).id
        assert runs.wait(stack, monitored).completed
        _until_seen(found, "sluice_live_quality")
        yield found


def _ask(stack: Stack) -> None:
    """Enough for the flow monitor to say something, in both times that it is called."""
    base = f"http://{stack.settings.serving.host}:{stack.settings.serving.port}"
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        deadline = time.monotonic() + 180
        while client.get("/models/tiny").is_error:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        asked = [{"dataframe_records": [{"x": number / ASKED}]} for number in range(ASKED)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda body: client.post("/invocations?model=tiny", json=body), asked))
        assert all(answer.is_success for answer in answers), answers[0].text
        for number, answer in enumerate(answers[:TOLD]):
            told = {"prediction_id": answer.headers[ID_HEADER], "outcome": 2 * number / ASKED}
            client.post("/feedback", json=told).raise_for_status()
        client.post("/invocations?model=tiny", json={"dataframe_records": [{"x": "one"}]})
        client.get("/nothing/here")


def _until_seen(prometheus: Prometheus, name: str) -> None:
    deadline = time.monotonic() + 240
    while not prometheus.value(name):
        assert time.monotonic() < deadline, f"{name} was not seen"
        time.sleep(1)


def _result(prometheus: Prometheus, one: Asked) -> list[dict[str, object]]:
    # Grafana's shortest interval is longer than a test's traffic; the last minutes are all of it.
    text = re.sub(r"\b(977|983|991)s\b", "5m", expanded(one.expression, **ALL))
    return prometheus.value(text)


pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_packages()), reason="Debian's prometheus and prometheus-node-exporter"),
]


def test_every_panel_has_data_or_a_reason(prometheus: Prometheus) -> None:
    empty = [one for one in QUERIES if not _result(prometheus, one)]
    unexplained = [
        str(one)
        for one in empty
        if one.panel not in PANELS
        and one.type != "annotation"
        and not any(absent(each.name) for each in selectors(one.expression))
    ]
    assert unexplained == []


def test_every_series_that_a_panel_names_is_scraped_or_has_a_reason(prometheus: Prometheus) -> None:
    """A metric that was renamed in our code, in Dask's or in Prometheus' exporters is noticed here."""
    seen = prometheus.names()
    named = {each.name: str(one) for one in QUERIES for each in selectors(one.expression)}
    unknown = {name: panel for name, panel in named.items() if name not in seen and not absent(name)}
    assert unknown == {}


def test_no_reason_is_stale() -> None:
    """Each reason is for something that a dashboard shows."""
    named = {each.name for one in QUERIES for each in selectors(one.expression)}
    for pattern in SERIES:
        assert any(re.fullmatch(pattern, name) for name in named), pattern
    assert set(PANELS) <= {one.panel for one in QUERIES}


def test_series_have_the_labels_that_panels_compare(prometheus: Prometheus) -> None:
    """A label that no series has finds nothing, or everything, and nobody notices."""
    for one in QUERIES:
        for each in selectors(one.expression):
            if absent(each.name):
                continue
            labels = {label for found in prometheus.value(each.name) for label in found["metric"]}
            compared = {label for label, _, _ in each.matchers} - {"env"}
            assert not labels or compared <= labels, (str(one), each.name, compared - labels)


def test_a_renamed_metric_is_noticed(prometheus: Prometheus) -> None:
    """The check above would fail: no series of another name is there, and no reason covers it."""
    name = "sluice_prediction_requests_renamed_total"
    assert name not in prometheus.names()
    assert not absent(name)
