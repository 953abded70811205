"""Queries of panels: which series, asked of which data source."""

from grafana_foundation_sdk.builders import loki, prometheus
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

# Which of several Prometheis or Lokis is asked is a variable of each dashboard.
PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus_datasource}")
LOKI = DataSourceRef(type_val="loki", uid="${loki_datasource}")
TEMPO = DataSourceRef(type_val="tempo", uid="${tempo_datasource}")
# What every selector carries; see `observability.dashboards.variables`.
ENVIRONMENT = {"env": "~$env"}
EVERYWHERE = {"job": "~$job", "instance": "~$instance", **ENVIRONMENT}
_OPERATORS = ("!~", "!", "~")


def _selector(name: str, matchers: dict[str, str]) -> str:
    return f"{name}{{{', '.join(_matcher(label, value) for label, value in matchers.items())}}}"


def _matcher(label: str, value: str) -> str:
    """``~`` before a value: a pattern; ``!`` and ``!~``: everything else."""
    found = next((sign for sign in _OPERATORS if value.startswith(sign)), "")
    operator = {"": "=", "!": "!=", "~": "=~", "!~": "!~"}[found]
    return f'{label}{operator}"{value.removeprefix(found)}"'


def series(name: str, **matchers: str) -> str:
    """The selector of a metric, with the variables that every dashboard has. Values: see `_matcher`."""
    return _selector(name, EVERYWHERE | matchers)


def recorded(name: str, **matchers: str) -> str:
    """The selector of a series that a rule makes: rules aggregate over jobs and instances, so it carries neither."""
    return _selector(name, ENVIRONMENT | matchers)


def rate(name: str, **matchers: str) -> str:
    """A counter's increase per second."""
    return f"rate({series(name, **matchers)}[$__rate_interval])"


def quantile(share: float, name: str, by: str, **matchers: str) -> str:
    """A quantile of a histogram, over what happened lately."""
    return f"histogram_quantile({share}, sum by (le, {by}) ({rate(name + '_bucket', **matchers)}))"


def over_time(expression: str, legend: str, *, exemplar: bool = False) -> prometheus.Dataquery:
    """Asked for every step of the shown time."""
    query = prometheus.Dataquery().expr(expression).legend_format(legend).range().datasource(PROMETHEUS)
    return query.exemplar(True) if exemplar else query


def now(expression: str, legend: str = "__auto") -> prometheus.Dataquery:
    """Asked for the end of the shown time only."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).instant().datasource(PROMETHEUS)


def rows(expression: str) -> prometheus.Dataquery:
    """Asked for the end of the shown time; one row a series, one column a label."""
    return now(expression).format(PromQueryFormat.TABLE)


def buckets(expression: str) -> prometheus.Dataquery:
    """A histogram's buckets over time, for a heatmap."""
    return over_time(expression, "{{le}}").format(PromQueryFormat.HEATMAP)


def lines(expression: str) -> loki.Dataquery:
    """Log lines."""
    return loki.Dataquery().expr(expression).query_type("range").max_lines(500).datasource(LOKI)


def counted(expression: str, legend: str) -> loki.Dataquery:
    """A number computed from log lines, over time."""
    return loki.Dataquery().expr(expression).query_type("range").legend_format(legend).datasource(LOKI)


def totals(expression: str) -> loki.Dataquery:
    """A number computed from the log lines of the whole shown time."""
    return loki.Dataquery().expr(expression).query_type("instant").datasource(LOKI)
