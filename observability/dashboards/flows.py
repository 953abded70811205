"""Do the flows run, on time, as fast as usual; and what failed."""

from observability.dashboards.links import cell, link, page
from observability.dashboards.page import Page, Rows
from observability.dashboards.panels import (
    ANY_IS_A_WARNING,
    BAD,
    CALM,
    GOOD,
    WARNING,
    bars,
    graph,
    listing,
    number,
    ranking,
    stacked,
    timeline,
)
from observability.dashboards.queries import now, over_time, quantile, rows, series
from observability.dashboards.variables import Variable, addresses, deployment, of_metrics

MINE = {"deployment": "~$deployment"}
BAD_ENDS = {"state": "~failed|crashed"}
DOING = {"0": ("idle", "#8a8f98"), "1": ("running", CALM), "2": ("late", WARNING), "3": ("last run failed", BAD)}
UP = {"0": ("not ready", BAD), "1": ("ready", GOOD)}


def _mine(name: str, **more: str) -> str:
    return series(name, **MINE, **more)


def _doing() -> str:
    """0 idle, 1 running, 2 late, 3 its last run failed: the worst that holds."""
    running = f"({_mine('sluice_flow_runs_current', state='~running|pending')} > bool 0)"
    late = f"2 * ({_mine('sluice_flow_runs_current', state='late')} > bool 0)"
    failed = f"3 * {_mine('sluice_flow_last_failure_info')}"
    return f"max by (deployment) ({running} or {late} or {failed})"


def _rows() -> Rows:
    finished = "sluice_flow_runs_total"
    return {
        "Now": [
            number(
                "Completed",
                "Runs that completed in the shown time.",
                "short",
                now(f"round(sum(increase({_mine(finished, state='completed')}[$__range])))"),
            ),
            number(
                "Failed or crashed",
                "Runs that failed or crashed in the shown time.",
                "short",
                now(f"round(sum(increase({_mine(finished, **BAD_ENDS)}[$__range])))"),
                bounds=ANY_IS_A_WARNING,
            ),
            number(
                "Success",
                "Of the runs that ended in the shown time, the share that completed.",
                "percentunit",
                now(
                    f"sum(increase({_mine(finished, state='completed')}[$__range])) / "
                    f"sum(increase({_mine(finished)}[$__range]))"
                ),
                bounds=((None, BAD), (0.9, WARNING), (0.99, GOOD)),
            ),
            number(
                "Running",
                "Runs that are running now.",
                "short",
                now(f"sum(max by (deployment) ({_mine('sluice_flow_runs_current', state='running')}))"),
            ),
            number(
                "Late",
                "Runs whose time has come and that no worker took. More than none: is a worker polling, and is there "
                "room on the Dask cluster? The deployments are below.",
                "short",
                now(f"sum(max by (deployment) ({_mine('sluice_flow_runs_current', state='late')}))"),
                bounds=ANY_IS_A_WARNING,
            ),
            number(
                "Expired",
                "Runs of the shown time that were dropped because they waited longer than their `expires`.",
                "short",
                now(f"round(sum(increase({_mine('sluice_flow_runs_expired_total')}[$__range])))"),
                bounds=ANY_IS_A_WARNING,
            ),
            timeline(
                "Deployments",
                "What each deployment was doing. Red stays until a run of it completes.",
                DOING,
                over_time(_doing(), "{{deployment}}"),
                width=24,
                links=(link("Its log", page("logs", deployment="${__field.labels.deployment}")),),
            ),
            listing(
                "Failed, and not followed by a success",
                "The newest failed run of each deployment. The run leads to Prefect, the deployment to its log.",
                "none",
                rows(_mine("sluice_flow_last_failure_info")),
                columns={"deployment": "Deployment", "flow_run_name": "Run", "flow_run_id": "Run id"},
                width=24,
                links={
                    "deployment": [cell("Its log", page("logs", deployment="${__value.text}"))],
                    "flow_run_name": [
                        cell("In Prefect", '${prefect_url}/runs/flow-run/${__data.fields["Run id"]}'),
                    ],
                    "flow_run_id": [
                        cell("In Prefect", "${prefect_url}/runs/flow-run/${__value.text}"),
                        cell("Its log", page("logs", flow_run_id="${__value.text}")),
                    ],
                },
            ),
        ],
        "How long, and how late": [
            graph(
                "Duration against its norm",
                "The median duration of the runs that just ended, and of the past week: what is "
                "usual for this deployment. A line above its norm is slower than usual.",
                "s",
                over_time(quantile(0.5, "sluice_flow_run_duration_seconds", "deployment", **MINE), "{{deployment}}"),
                over_time(
                    "histogram_quantile(0.5, sum by (le, deployment) "
                    f"(increase({_mine('sluice_flow_run_duration_seconds_bucket')}[7d])))",
                    "{{deployment}} norm",
                ),
                links=(link("Its log", page("logs", deployment="${__field.labels.deployment}")),),
            ),
            graph(
                "Start delay",
                "The time between when a run should have started and when it did; nineteen of twenty were quicker.",
                "s",
                over_time(quantile(0.95, "sluice_flow_start_delay_seconds", "deployment", **MINE), "{{deployment}}"),
            ),
            graph(
                "Oldest run",
                "Of the runs that did not end yet, the age of the oldest, by state. A straight line upwards: it is "
                "stuck, or nobody takes it.",
                "s",
                over_time(
                    f"max by (deployment, state) ({_mine('sluice_flow_oldest_run_age_seconds')} > 0)",
                    "{{deployment}} {{state}}",
                ),
            ),
            ranking(
                "Mean duration",
                "Of the runs that ended in the shown time.",
                "s",
                now(
                    "sort_desc(sum by (deployment) "
                    f"(increase({_mine('sluice_flow_run_duration_seconds_sum')}[$__range])) / sum by (deployment) "
                    f"(increase({_mine('sluice_flow_run_duration_seconds_count')}[$__range])) > 0)",
                    "{{deployment}}",
                ),
            ),
        ],
        "Runs and workers": [
            bars(
                "Ended runs",
                "By how they ended.",
                "short",
                over_time(f"sum by (state) (increase({_mine(finished)}[$__rate_interval]))", "{{state}}"),
            ),
            stacked(
                "Runs under way",
                "By state. Many scheduled ones are planned ahead; many pending ones wait for a place.",
                "short",
                over_time(
                    f"sum by (state) (max by (deployment, state) ({_mine('sluice_flow_runs_current')}))",
                    "{{state}}",
                ),
            ),
            graph(
                "Workers silent for",
                "Since the newest worker of each pool last reported to Prefect. Above a minute nobody takes runs.",
                "s",
                over_time(
                    f"time() - max by (work_pool) ({series('sluice_worker_last_heartbeat_timestamp_seconds')})",
                    "{{work_pool}}",
                ),
            ),
            timeline(
                "Work pools",
                "Whether Prefect calls the pool ready: at least one worker polls it.",
                UP,
                over_time(f"min by (work_pool) ({series('sluice_work_pool_ready')})", "{{work_pool}}"),
            ),
        ],
    }


def _variables() -> list[Variable]:
    return [*of_metrics("sluice_flow_.+|sluice_work.+|prefect_.+"), deployment(), *addresses()]


PAGE = Page(
    "flows",
    "Sluice / Flows",
    "Do the deployments run, on time and as fast as usual; what failed, with its run in Prefect and its log.",
    _rows,
    _variables,
    since="now-24h",
)
