"""A release of the chart on a cluster, and what its users do with it."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import helm_python
import httpx
import yaml

from deployments.cluster.smoke import prediction
from sluice.errors import ServiceUnavailableError
from sluice.runs import FlowRun, PrefectRuns
from tests.cluster.kubectl import Kubectl, Object, until
from tests.helm.chart import CHART, RELEASE

USE_CASE = "diabetes"
# A small machine needs minutes where a large one needs seconds.
READY_SECONDS = 900
RUN_SECONDS = 1800
_WORKLOADS = ("deployments", "statefulsets")


class Platform:
    """Args:
    helm: for the namespace of ``kubectl``.
    values: of the release.
    """

    def __init__(self, kubectl: Kubectl, helm: helm_python.Config, values: Mapping[str, Any]) -> None:
        self.kubectl, self.helm, self.values = kubectl, helm, dict(values)
        # As `helm test` asks.
        default = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        self.inputs: Object = default["tests"]["inputs"]

    def install(self) -> None:
        self.helm.install(str(CHART), RELEASE, self.values, timeout=RUN_SECONDS)
        self.ready()

    def upgrade(self, values: Mapping[str, Any]) -> None:
        self.helm.upgrade(str(CHART), RELEASE, {**self.values, **values}, timeout=RUN_SECONDS)
        self.ready()

    def rollback(self, version: int) -> None:
        self.helm.rollback(RELEASE, version=version, timeout=RUN_SECONDS)
        self.ready()

    def ready(self, *names: str) -> None:
        """Wait until these workloads, or all, are rolled out and every pod answers its probe."""
        until(lambda: not self.unready(*names), READY_SECONDS, lambda: f"{self.unready(*names)}\n{self.state()}")

    def unready(self, *names: str) -> list[str]:
        found = [one for kind in _WORKLOADS for one in self.kubectl.items(kind, instance=RELEASE)]
        wanted = [one for one in found if not names or one["metadata"]["name"] in {f"{RELEASE}-{n}" for n in names}]
        return [one["metadata"]["name"] for one in wanted if not _rolled_out(one)]

    def state(self) -> str:
        """What somebody would look at."""
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp").splitlines()[-30:]
        return "\n".join([self.kubectl("get", "pods", "--output=wide"), *events])

    def secret(self, name: str, key: str) -> str:
        return b64decode(self.kubectl.one("secret", f"{RELEASE}-{name}")["data"][key]).decode()

    @contextmanager
    def prefect(self) -> Iterator[PrefectRuns]:
        user, _, password = self.secret("secrets", "prefect-auth").partition(":")
        with (
            self.kubectl.forward(f"service/{RELEASE}-prefect-server", 4200) as address,
            PrefectRuns(f"{address}/api", account=(user, password)) as runs,
        ):
            yield runs

    def start(self, deployment: str, parameters: Mapping[str, Any] | None = None) -> str:
        with self.prefect() as prefect:
            return prefect.start(deployment, parameters or {}).id

    def read(self, run_id: str) -> FlowRun | None:
        """None while Prefect does not answer."""
        try:
            with self.prefect() as prefect:
                return prefect.read(run_id)
        except (ServiceUnavailableError, ConnectionError):
            return None

    def end(self, run_id: str) -> FlowRun:
        """The run when it is over, also where Prefect was away in between."""

        def over() -> FlowRun | None:
            found = self.read(run_id)
            return found if found is not None and found.final else None

        return until(over, RUN_SECONDS, lambda: f"{self.read(run_id)}\n{self.state()}")

    def log(self, run_id: str) -> str:
        """Warnings of a run and of its stages, and how their pods ended."""
        with self.prefect() as prefect:
            runs = [run_id, *(child.id for child in prefect.children(run_id))]
            lines = prefect.log(runs, level=30, limit=100)
        return "\n".join([*lines, *(self._pod_log(run) for run in runs)])

    def _pod_log(self, run_id: str) -> str:
        return self.kubectl("logs", f"--selector=prefect.io/flow-run-id={run_id}", "--tail=40", "--prefix")

    def predict(self) -> str:
        headers = {"Authorization": f"Bearer {self.secret('secrets', 'serving-bootstrap-key')}"}
        with (
            self.kubectl.forward(f"service/{RELEASE}-serving", 8000) as address,
            httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as service,
        ):
            return prediction(service, USE_CASE, self.inputs)


def _rolled_out(workload: Object) -> bool:
    wanted, status = workload["spec"]["replicas"], workload["status"]
    if status.get("observedGeneration") != workload["metadata"]["generation"]:
        return False
    if workload["kind"] == "StatefulSet":
        updated = status.get("currentRevision") == status.get("updateRevision")
    else:
        updated = status.get("updatedReplicas", 0) == wanted
    return bool(updated) and status.get("replicas", 0) == wanted == status.get("readyReplicas", 0)
