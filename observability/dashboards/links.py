"""Links between dashboards, and from a panel's data to Prefect, MLflow, the runbooks and the logs."""

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

Link = Builder[dashboard.DashboardLink]


def to_other_pages() -> list[Link]:
    """At the top of each dashboard: all of them, with the same environment and time."""
    return [
        DashboardLink("Sluice")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags(["sluice"])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    ]


def link(title: str, url: str, *, blank: bool = True) -> Link:
    """From a value of a panel; `url` may name its labels, as ``${__field.labels.model}``."""
    return DashboardLink(title).type(dashboard.DashboardLinkType.LINK).url(url).target_blank(blank)


def cell(title: str, url: str) -> dict[str, object]:
    """The same as an override of a table's column."""
    return {"title": title, "url": url, "targetBlank": True}


def page(name: str, **variables: str) -> str:
    """The address of another dashboard, for the same time."""
    chosen = "".join(f"&var-{key}={value}" for key, value in variables.items())
    return f"/d/sluice-{name}?${{__url_time_range}}{chosen}"
