"""Prometheus' configuration: what it scrapes, which rules it judges, whom it tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from observability.prometheus.duration import duration


@dataclass(frozen=True)
class Job:
    """What is scraped under one name.

    Attributes:
        targets: ``host:port``, also none yet.
        discovery: address of a page that lists targets (https://prometheus.io/docs/prometheus/latest/http_sd/).
        host: in place of the host that the page gives.
        path: of the metrics.
        account: user name, and the file with its password.
        token_file: a file with a bearer token.
        scheme: http or https.
    """

    name: str
    targets: Sequence[str] = ()
    discovery: str = ""
    host: str = ""
    path: str = "/metrics"
    account: tuple[str, Path] | None = None
    token_file: Path | None = None
    scheme: str = "http"

    def rendered(self, seconds: float) -> dict[str, Any]:
        """As ``scrape_configs`` has it. ``seconds``: between two looks at the page of targets."""
        job: dict[str, Any] = {"job_name": self.name}
        if self.path != "/metrics":
            job["metrics_path"] = self.path
        if self.scheme != "http":
            job["scheme"] = self.scheme
        if self.account:
            user, password = self.account
            job["basic_auth"] = {"username": user, "password_file": str(password)}
        if self.token_file:
            job["authorization"] = {"credentials_file": str(self.token_file)}
        if self.discovery:
            job["http_sd_configs"] = [{"url": self.discovery, "refresh_interval": duration(seconds)}]
            if self.host:
                at = {"source_labels": ["__address__"], "regex": r".*:(\d+)", "target_label": "__address__"}
                job["relabel_configs"] = [{**at, "replacement": f"{self.host}:$1"}]
        else:
            job["static_configs"] = [{"targets": list(self.targets)}]
        return job


@dataclass(frozen=True)
class Watching:
    """One Prometheus.

    Attributes:
        alertmanagers: ``host:port`` of each.
        rules: the folder with the files of rules.
        labels: of everything that leaves this Prometheus, alerts above all.
        seconds: between two scrapes, and between two looks at the rules.
    """

    jobs: Sequence[Job]
    rules: Path
    alertmanagers: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 15

    def rendered(self) -> dict[str, Any]:
        """The content of ``prometheus.yml``."""
        every = duration(self.seconds)
        return {
            "global": {
                "scrape_interval": every,
                "scrape_timeout": duration(min(10.0, self.seconds)),
                "evaluation_interval": every,
                "external_labels": dict(self.labels),
            },
            "rule_files": [f"{self.rules}/*.yaml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(self.alertmanagers)}]}]},
            "scrape_configs": [job.rendered(self.seconds) for job in self.jobs],
            # Exemplars are in memory only.
            "storage": {"exemplars": {"max_exemplars": 100_000}},
        }
