"""Is anything wrong, and where to look next."""

from observability.dashboards import hosts
from observability.dashboards.links import cell, link, page
from observability.dashboards.page import Page, Rows
from observability.dashboards.panels import (
    ANY_IS_A_WARNING,
    ANY_IS_BAD,
    BAD,
    GOOD,
    WARNING,
    listing,
    number,
    ranking,
    timeline,
)
from observability.dashboards.queries import now, over_time, recorded, rows, series
from observability.dashboards.service_levels import budget_left
from observability.dashboards.variables import Variable, addresses, of_metrics

FIRING = {"alertstate": "firing", "alertname": "!SluiceWatchdog"}
UP = {"0": ("down", BAD), "1": ("up", GOOD)}


def _intervals_waited() -> str:
    """How many intervals of its schedule a deployment is without a success, as SluiceScheduleMissed counts them."""
    # Without another label the one would hide the other: they differ by name only, which `or` does not look at.
    scheduled = f'label_replace({series("sluice_deployment_scheduled_timestamp_seconds")}, "of", "schedule", "", "")'
    since = f"max by (deployment) ({series('sluice_flow_last_success_timestamp_seconds')} or {scheduled})"
    interval = f"max by (deployment) ({series('sluice_deployment_schedule_interval_seconds')})"
    return f"(time() - {since}) / {interval}"


def _rows() -> Rows:
    return {
        "Now": [
            number(
                "Critical alerts",
                "Alerts that are firing and for which somebody is woken. The table below names them.",
                "short",
                now(f"count({recorded('ALERTS', **FIRING, severity='critical')}) or vector(0)"),
                bounds=ANY_IS_BAD,
            ),
            number(
                "Warnings",
                "Alerts that are firing and can wait for the next working day.",
                "short",
                now(f"count({recorded('ALERTS', **FIRING, severity='warning')}) or vector(0)"),
                bounds=ANY_IS_A_WARNING,
            ),
            number(
                "Components down",
                "How many of Prefect, MLflow, the document store, Dask and serving did not answer the exporter.",
                "short",
                now(f"count(min by (component) ({series('sluice_component_up')}) == 0) or vector(0)"),
                bounds=ANY_IS_BAD,
            ),
            number(
                "Failed runs",
                "Flow runs that failed or crashed in the shown time.",
                "short",
                now(f"round(sum(increase({series('sluice_flow_runs_total', state='~failed|crashed')}[$__range])))"),
                bounds=ANY_IS_A_WARNING,
            ),
            number(
                "Requests",
                "Requests per second that serving answers, of every path and with every status.",
                "reqps",
                now(f"sum(rate({series('http_server_request_duration_seconds_count')}[$__rate_interval]))"),
            ),
            number(
                "Exporter blind for",
                "Since the exporter last got through to the source it reaches least. When it is blind, the numbers "
                "about flows and models stand still.",
                "s",
                now(f"max(time() - {series('sluice_exporter_last_success_timestamp_seconds')})"),
                bounds=((None, GOOD), (120.0, WARNING), (600.0, BAD)),
            ),
            listing(
                "Firing alerts",
                "What is firing now. The name leads to its runbook, the deployment and the model to their dashboards.",
                "none",
                rows(recorded("ALERTS", **FIRING)),
                columns={
                    "severity": "Severity",
                    "alertname": "Alert",
                    "deployment": "Deployment",
                    "model": "Model",
                    "component": "Component",
                    "instance": "Instance",
                },
                width=12,
                links={
                    "alertname": [cell("Runbook", "${runbooks_url}/${__value.text}.md")],
                    "deployment": [cell("Flows", page("flows", deployment="${__value.text}"))],
                    "model": [cell("Models", page("models", model="${__value.text}"))],
                },
            ),
            ranking(
                "Error budget left",
                "Of the errors that the service levels allow in three days, the share that is not used up. Below zero "
                "the service level is missed. Models without traffic have their whole budget.",
                "percentunit",
                now(budget_left("3d"), "{{slo}} {{model}}"),
                bounds=((None, BAD), (0.25, WARNING), (0.5, GOOD)),
                links=(link("Serving", page("serving", model="${__field.labels.model}")),),
            ),
        ],
        "What is up, and what ran": [
            timeline(
                "Components",
                "What answered the exporter, and when. A gap: the exporter itself was away.",
                UP,
                over_time(f"min by (component) ({series('sluice_component_up')})", "{{component}}"),
            ),
            timeline(
                "Scrapes",
                "Which processes answered Prometheus. A red line without a red component beside it: a process hides "
                "its numbers, and whatever is computed from them is missing.",
                UP,
                over_time(f"min by (job) ({series('up')})", "{{job}}"),
            ),
            ranking(
                "Since the last success",
                "Per deployment, the time since a run of it completed; since it was made where none has yet.",
                "s",
                now(
                    f"sort_desc(time() - max by (deployment) ({series('sluice_flow_last_success_timestamp_seconds')}))",
                    "{{deployment}}",
                ),
                links=(link("Flows", page("flows", deployment="${__field.labels.deployment}")),),
            ),
            ranking(
                "Schedules, in intervals",
                "Time since the last success, or since the schedule was made, changed or resumed if that is later, "
                "divided by the time between two planned runs. Above 2 a run was missed. "
                "Only deployments whose schedule is active.",
                "none",
                now(f"sort_desc({_intervals_waited()})", "{{deployment}}"),
                bounds=((None, GOOD), (1.5, WARNING), (2.0, BAD)),
            ),
        ],
        **hosts.rows(),
    }


def _variables() -> list[Variable]:
    return [*of_metrics("up"), *addresses()]


PAGE = Page(
    "overview",
    "Sluice / Overview",
    "Is anything wrong: alerts, error budgets, components, schedules, hosts and pods.",
    _rows,
    _variables,
)
