"""How the runs of each deployment ended: counters that survive a restart of the exporter, and of Prefect."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from observability.exported.deployments import Deployments
from observability.exported.endings import Endings
from observability.exported.tally import Count, Tally
from sluice.documents import DocumentStore
from sluice.runs import PrefectRuns

# States are dated before they are written, and events are written some seconds after they happened.
NEAR = timedelta(seconds=60)
# Once in a while it goes back further, for what a server under load wrote late.
FAR = timedelta(minutes=15)
_FAR_EVERY = timedelta(seconds=60)
# A look that counted nothing is kept this often: the cursor alone is worth no write.
_KEEP_EVERY = timedelta(seconds=30)
_MARGIN = timedelta(minutes=10)


class FlowRuns:
    """The source ``flow_runs``. What it tells was kept in the document store before."""

    name = "flow_runs"

    def __init__(
        self, prefect: PrefectRuns, deployments: Deployments, documents: DocumentStore, seconds: float
    ) -> None:
        self._endings = Endings(prefect)
        self._deployments, self._documents = deployments, documents
        self.seconds = seconds
        self._tally: Tally | None = None
        self._told: list[Metric] | None = None
        self._went_far: datetime | None = None

    def look(self) -> list[Metric]:
        """Count what is new. The first look tells what was kept, whether Prefect answers or not.

        Raises:
            ServiceUnavailableError: Prefect or the document store; the next look goes on from where the last one was.
        """
        tally, self._tally = self._tally or Tally.load(self._documents), None
        if self._told is None:
            self._told, self._tally = list(families(tally)), tally
            return self._told
        # Whatever ends this look early, the next one reads what was kept.
        if self._count(tally):
            self._told, self._tally = list(families(tally)), tally
        return self._told

    def _count(self, tally: Tally) -> bool:
        """Whether what was counted could be kept; else another exporter did."""
        now = self._endings.server_time()
        tally.begin(now)
        assert tally.until is not None
        far = self._went_far is None or now - self._went_far >= _FAR_EVERY
        since = min(tally.until, now) - (FAR if far else NEAR)
        endings = self._endings.since(since)
        starts = self._endings.starts(since)
        known = self._deployments.known(ending.deployment_id for ending in tally.news(endings))
        for count in tally.keep(known, now):
            self._look_back(count)
        tally.add(endings, now)
        tally.add_starts(starts, now)
        due = tally.changed or now - tally.until >= _KEEP_EVERY
        if due and not tally.save(self._documents, now, forget=now - FAR - _MARGIN):
            return False
        if far:
            self._went_far = now
        return True

    def _look_back(self, count: Count) -> None:
        """What went before the first look at a deployment is not counted; how it last ended is told."""
        for types in (("COMPLETED",), ("FAILED", "CRASHED")):
            latest = self._endings.latest(count.deployment.id, types)
            if latest is not None:
                count.note(latest)


def families(tally: Tally) -> Iterator[Metric]:
    """Of all deployments that there are, zeros included."""
    runs = CounterMetricFamily("sluice_flow_runs", "Runs that ended, by how.", labels=("deployment", "state"))
    expired = CounterMetricFamily(
        "sluice_flow_runs_expired", "Runs that were dropped: they waited longer than `expires`.", labels=["deployment"]
    )
    seconds = HistogramMetricFamily(
        "sluice_flow_run_duration_seconds",
        "How long a run was Running, all its tries; without those that were cancelled or never began.",
        labels=["deployment"],
    )
    delay = HistogramMetricFamily(
        "sluice_flow_start_delay_seconds", "From when a run was due to its start.", labels=["deployment"]
    )
    succeeded = GaugeMetricFamily(
        "sluice_flow_last_success_timestamp_seconds",
        "When a run last completed; until one does, when the deployment was made.",
        labels=["deployment"],
    )
    scheduled = GaugeMetricFamily(
        "sluice_deployment_scheduled_timestamp_seconds",
        "Since when its schedule is as it is: made, changed or resumed. None without an active one.",
        labels=["deployment"],
    )
    failed = GaugeMetricFamily(
        "sluice_flow_last_failure_info",
        "1 for the newest run that failed or crashed, until a later one completes.",
        labels=("deployment", "flow_run_id", "flow_run_name"),
    )
    for count in sorted(tally.counts.values(), key=lambda one: one.deployment.name):
        name = count.deployment.name
        for state, number in count.states.items():
            runs.add_metric((name, state), number)
        expired.add_metric([name], count.expired)
        seconds.add_metric([name], count.seconds.buckets, count.seconds.total)
        delay.add_metric([name], count.delay.buckets, count.delay.total)
        succeeded.add_metric([name], (count.succeeded or count.deployment.created).timestamp())
        if count.scheduled is not None:
            scheduled.add_metric([name], count.scheduled.timestamp())
        if count.failed is not None:
            failed.add_metric((name, count.failed["run"], count.failed["name"]), 1)
    yield from (runs, expired, seconds, delay, succeeded, scheduled, failed)
