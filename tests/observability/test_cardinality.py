"""How many streams Loki has to keep: computed from what the sink sends, and from Alloy's configuration."""

import re
from pathlib import Path
from uuid import uuid4

import pytest

from observability.loki_push import LABELS, LEVELS, METADATA, LokiPush, labels_of
from sluice.settings import LogSettings, Settings

ALLOY = Path(__file__).parents[2] / "observability" / "alloy"
SERVICES = (
    *("prefect-server", "prefect-worker", "mlflow", "dask-scheduler", "dask-workers", "serving", "exporter"),
    *("catch-up", "flow-run", "sluice"),
)
RUNS, LINES, MOST_STREAMS = 10_000, 1_000_000, 1_000
# What makes a stream of its own for each run, pod or request.
UNBOUNDED = {"pod", "trace_id", "span_id", "flow_run_id", "task_run_id", "filename", "instance", "msg", "ts"}


def test_million_lines_of_ten_thousand_runs_are_few_streams() -> None:
    """The sink's own batches, from every service and level, grouped as it sends them."""
    settings = Settings(env="production", logs=LogSettings(loki_url="http://loki", push=True))
    runs = [str(uuid4()) for _ in range(RUNS)]
    streams: set[tuple[tuple[str, str], ...]] = set()
    levels = [*sorted(LEVELS), "Level 17", "made up"]
    for number, service in enumerate(SERVICES):
        push = LokiPush(settings.logs, labels_of(settings, service))
        push._thread = object()  # type: ignore[assignment]  # nothing is to be sent
        for line in range(LINES // len(SERVICES) // 100):  # one for a hundred that are alike but for their text
            run = runs[(line * 7 + number) % RUNS]
            fields = {"level": levels[line % len(levels)], "flow_run_id": run, "trace_id": run, "model": "movies"}
            push(1.0, fields, "{}")
        while batch := push._batch():
            for stream in push._streams(batch):
                assert tuple(stream["stream"]) == LABELS
                streams.add(tuple(stream["stream"].items()))
    assert len(streams) == len(SERVICES) * len(LEVELS)
    assert len(streams) < MOST_STREAMS


def test_no_label_is_an_id() -> None:
    """Ids are structured metadata."""
    assert not set(LABELS) & UNBOUNDED
    assert not set(LABELS) & set(METADATA)


@pytest.mark.skipif(not list(ALLOY.glob("*.alloy")), reason="Alloy's configuration is not there")
def test_alloy_makes_the_same_labels() -> None:
    """What Alloy keeps of a line's labels, after its label_keep or stage.label_keep, are the sink's."""
    text = "\n".join(path.read_text() for path in ALLOY.glob("*.alloy"))
    kept = re.search(r"stage\.label_keep\s*\{\s*values\s*=\s*\[(?P<names>[^\]]*)\]", text)
    assert kept is not None, "nothing bounds the labels: use stage.label_keep"
    assert sorted(re.findall(r'"(\w+)"', kept["names"])) == sorted(LABELS)
    metadata = re.search(r"stage\.structured_metadata\s*\{\s*values\s*=\s*\{(?P<names>[^}]*)\}", text)
    assert metadata is not None
    assert {*METADATA, "pod"} <= set(re.findall(r"(\w+)\s*=", metadata["names"]))
