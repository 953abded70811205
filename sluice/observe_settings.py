"""Settings of what watches the platform: Prometheus, Alertmanager, and who is told. A secret is a file's content."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class ObserveSettings(BaseModel):
    """The group ``SLUICE_OBSERVE__``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prometheus_port: int = Field(9090, description="port of the Prometheus that `sluice up --observe` starts")
    alertmanager_port: int = Field(9093, description="port of its Alertmanager")
    node_exporter_port: int = Field(9100, description="port of its node exporter")
    scrape_seconds: float = Field(15, gt=0, description="between two looks at all metrics, and at the rules")
    retention_days: float = Field(15, gt=0, description="how long Prometheus keeps samples")
    retention_gib: float = Field(5, gt=0, description="GiB that they may take; the oldest go first")
    hurry: float = Field(
        1,
        ge=1,
        description="divides every time in the rules and in Alertmanager, for a rehearsal; 1 outside of one",
    )
    serving_key_file: Path | None = Field(
        None, description="a file with an API key (scope predict) that Prometheus asks serving's /metrics with"
    )
    mongodb_exporter: str = Field("", description="host:port of a mongodb_exporter, where documents are in MongoDB")
    grafana_url: str = Field("", description="Grafana as a person's browser reaches it, for the links in alerts")
    runbooks_url: str = Field(
        "", description="where the runbooks are read, for the links in alerts; empty: the files of the installation"
    )
    webhook_url_file: Path | None = Field(None, description="a file with the address that alerts are posted to as JSON")
    webhook_token_file: Path | None = Field(None, description="a file with the bearer token that it asks for")
    slack_url_file: Path | None = Field(None, description="a file with the address of a Slack incoming webhook")
    slack_channel: str = Field("", description="the channel, where the webhook leaves the choice")
    email_to: tuple[str, ...] = Field((), description="who gets alerts by mail")
    email_from: str = Field("sluice@localhost", description="the sender of those mails")
    smtp_server: str = Field("", description="host:port of the mail server; empty: no mails")
    smtp_username: str = Field("", description="its account, where it asks for one")
    smtp_password_file: Path | None = Field(None, description="a file with that account's password")
    smtp_tls: bool = Field(True, description="refuse to send a mail unencrypted")
    heartbeat_url_file: Path | None = Field(
        None,
        description="a file with the address, elsewhere, that hears the Watchdog all the time and misses it when "
        "Prometheus or Alertmanager is gone",
    )
    heartbeat_seconds: float = Field(60, ge=1, description="between two signs of life to it")
