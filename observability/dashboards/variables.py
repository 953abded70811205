"""Variables at the top of a dashboard: data sources, environment, job, instance, and what its subject asks for."""

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable, TextBoxVariable
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from observability.dashboards.queries import LOKI, PROMETHEUS

Variable = Builder[VariableModel]
_ALL = VariableOption(selected=True, text=["All"], value=["$__all"])


def source(kind: str) -> DatasourceVariable:
    """One of the Prometheis, Lokis or Tempos that Grafana knows."""
    return (
        DatasourceVariable(f"{kind}_datasource")
        .label(f"{kind.title()} data source")
        .type(kind)
        .current(VariableOption(selected=True, text="default", value="default"))
    )


def values(
    name: str, query: str, *, of: DataSourceRef = PROMETHEUS, label: str = "", every: str = ".*"
) -> QueryVariable:
    """The values of a label. `every` is what «All» matches: ``.*`` also finds series without the label."""
    return (
        QueryVariable(name)
        .label(label or name.replace("_", " ").capitalize())
        .datasource(of)
        .query(query)
        .definition(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(every)
        .current(_ALL)
    )


def of_metrics(names: str) -> list[Variable]:
    """Data source, environment, job and instance. `names`: of the metrics it shows, a pattern."""
    shown = f'__name__=~"{names}", env=~"$env"'
    return [
        source("prometheus"),
        # Only where Prometheus adds such a label to what it scrapes: several environments in one Prometheus.
        values("env", "label_values(up, env)", label="Environment"),
        values("job", f"label_values({{{shown}}}, job)", every=".+"),
        values("instance", f'label_values({{{shown}, job=~"$job"}}, instance)', every=".+"),
    ]


def addresses() -> list[Variable]:
    """Hidden: where people reach the other pages, as the exporter tells (``sluice_links_info``)."""
    return [
        values(f"{page}_url", f'label_values(sluice_links_info{{env=~"$env"}}, {page})')
        .multi(False)
        .include_all(False)
        .current(VariableOption(selected=True, text="", value=""))
        .hide(VariableHide.HIDE_VARIABLE)
        for page in ("prefect", "mlflow", "runbooks")
    ]


def deployment() -> QueryVariable:
    return values("deployment", 'label_values(sluice_flow_runs_current{env=~"$env"}, deployment)')


def model(metric: str) -> QueryVariable:
    """The models that have `metric`."""
    return values("model", f'label_values({metric}{{env=~"$env"}}, model)')


def log_label(name: str, label: str) -> QueryVariable:
    """The values of a label of Loki's streams."""
    # ``.+`` and not ``.*``: Loki refuses a query whose every matcher also matches nothing.
    return values(name, f"label_values({name})", of=LOKI, label=label, every=".+" if name == "service_name" else ".*")


def text(name: str, label: str) -> TextBoxVariable:
    """Free text; what it finds is in the panels that name it."""
    return TextBoxVariable(name).label(label).default_value("")
