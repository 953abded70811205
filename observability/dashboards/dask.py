"""Do the workers live, do they have memory, and what computes."""

from observability.dashboards.page import Page, Rows
from observability.dashboards.panels import (
    ANY_IS_A_WARNING,
    ANY_IS_BAD,
    BAD,
    GOOD,
    bars,
    graph,
    number,
    ranking,
    stacked,
)
from observability.dashboards.queries import now, over_time, rate, series
from observability.dashboards.variables import Variable, of_metrics

# A worker counts in one of the first three; a paused one takes no tasks because its memory is full.
WORKING = {"state": "~idle|partially_saturated|saturated"}


def _rows() -> Rows:
    return {
        "Now": [
            number(
                "Workers",
                "Workers that the scheduler knows and that take tasks.",
                "short",
                now(f"sum({series('dask_scheduler_workers', **WORKING)})"),
                bounds=((None, BAD), (1.0, GOOD)),
            ),
            number(
                "Paused workers",
                "Workers that take no tasks because their memory is fuller than 80 %.",
                "short",
                now(f"sum({series('dask_scheduler_workers', state='paused')})"),
                bounds=ANY_IS_A_WARNING,
            ),
            number(
                "Lost workers",
                "Workers that left the scheduler in the shown time; also when a cluster is made smaller.",
                "short",
                now(f"round(sum(increase({series('dask_scheduler_workers_removed_total')}[$__range])))"),
                bounds=ANY_IS_A_WARNING,
            ),
            number(
                "Processing",
                "Tasks that are on a worker now.",
                "short",
                now(f"sum({series('dask_scheduler_tasks', state='processing')})"),
            ),
            number(
                "Without a worker",
                "Tasks that no worker may take: they ask for a resource that none has.",
                "short",
                now(f"sum({series('dask_scheduler_tasks', state='no-worker')})"),
                bounds=ANY_IS_BAD,
            ),
            number(
                "Threads",
                "How many tasks can run at once.",
                "short",
                now(f"sum({series('dask_worker_threads')})"),
            ),
        ],
        "Workers and tasks": [
            stacked(
                "Workers by state",
                "Saturated: every thread has work and more waits. Paused: no memory left for tasks.",
                "short",
                over_time(f"sum by (state) ({series('dask_scheduler_workers')})", "{{state}}"),
            ),
            stacked(
                "Tasks by state",
                "Waiting for others, queued for a worker, processing on one, held in memory as results, erred.",
                "short",
                over_time(f"sum by (state) ({series('dask_scheduler_tasks', state='!released')})", "{{state}}"),
            ),
            graph(
                "Tasks on the workers",
                "What each worker's tasks are doing.",
                "short",
                over_time(f"sum by (state) ({series('dask_worker_tasks')})", "{{state}}"),
                width=8,
            ),
            bars(
                "Workers that came and went",
                "Many of both: workers die and are started anew, mostly for lack of memory.",
                "short",
                over_time(f"sum(increase({series('dask_scheduler_workers_added_total')}[$__rate_interval]))", "came"),
                over_time(f"sum(increase({series('dask_scheduler_workers_removed_total')}[$__rate_interval]))", "went"),
                width=8,
            ),
            bars(
                "Suspicious tasks",
                "Tasks that ran on a worker when it died. A task that was so three times is given up.",
                "short",
                over_time(
                    "sum by (task_prefix_name) (increase("
                    f"{series('dask_scheduler_tasks_suspicious_total')}[$__rate_interval]))",
                    "{{task_prefix_name}}",
                ),
                width=8,
            ),
        ],
        "Memory": [
            stacked(
                "Memory by type",
                "Managed: results that Dask holds. Unmanaged: the rest of the processes. Spilled: results that are on "
                "disk because memory was short.",
                "bytes",
                over_time(f"sum by (type) ({series('dask_worker_memory_bytes')})", "{{type}}"),
            ),
            graph(
                "Memory by worker",
                "Managed and unmanaged memory of each worker, without what it spilled.",
                "bytes",
                over_time(
                    f"sum by (instance) ({series('dask_worker_memory_bytes', type='!spilled')})",
                    "{{instance}}",
                ),
            ),
            graph(
                "Spill",
                "Bytes per second that workers move between memory and disk. It costs time; give the workers more "
                "memory, or the flow smaller partitions.",
                "Bps",
                over_time(
                    f"sum by (activity) ({rate('dask_worker_spill_bytes_total', activity='~disk-.+')})", "{{activity}}"
                ),
            ),
            graph(
                "Traffic between workers",
                "Bytes per second of results that one worker sent to another.",
                "Bps",
                over_time(f"sum by (instance) ({rate('dask_worker_transfer_outgoing_bytes_total')})", "{{instance}}"),
            ),
        ],
        "What computes": [
            graph(
                "Top prefixes by computing",
                "The ten kinds of task that compute most: seconds of computing a second. A kind is the name of the "
                "function.",
                "none",
                over_time(
                    f"topk(10, sum by (task_prefix_name) ({rate('dask_scheduler_tasks_compute_seconds_total')}) > 0)",
                    "{{task_prefix_name}}",
                ),
            ),
            graph(
                "Top prefixes by results held",
                "The ten kinds of task whose results take most memory on the workers.",
                "bytes",
                over_time(
                    f"topk(10, sum by (task_prefix_name) ({series('dask_scheduler_tasks_output_bytes')}))",
                    "{{task_prefix_name}}",
                ),
            ),
            ranking(
                "Seconds computed",
                "The ten kinds of task that computed longest in the shown time, all workers together.",
                "s",
                now(
                    "sort_desc(topk(10, sum by (task_prefix_name) "
                    f"(increase({series('dask_scheduler_tasks_compute_seconds_total')}[$__range])) > 0))",
                    "{{task_prefix_name}}",
                ),
                width=8,
            ),
            graph(
                "Waiting for data",
                "Seconds a second that tasks wait for results of other workers, by kind; the ten highest.",
                "none",
                over_time(
                    f"topk(10, sum by (task_prefix_name) ({rate('dask_scheduler_tasks_transfer_seconds_total')}))",
                    "{{task_prefix_name}}",
                ),
                width=8,
            ),
            graph(
                "Event loop",
                "The longest time in which the scheduler or a worker did not react. Seconds of it: something blocks, "
                "and workers may be taken for dead.",
                "s",
                over_time(f"max({series('dask_scheduler_tick_duration_maximum_seconds')})", "scheduler"),
                over_time(f"max({series('dask_worker_tick_duration_maximum_seconds')})", "slowest worker"),
                width=8,
            ),
        ],
    }


def _variables() -> list[Variable]:
    return of_metrics("dask_.+")


PAGE = Page(
    "dask",
    "Sluice / Dask",
    "Do the workers live, do they have memory, and which tasks take the time.",
    _rows,
    _variables,
    since="now-1h",
)
