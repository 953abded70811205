"""Hosts, processes and pods: CPU, memory, disk, restarts. Rows of the overview."""

from observability.dashboards.page import Rows, Shown
from observability.dashboards.panels import FULL, WARNING, bars, graph, ranking
from observability.dashboards.queries import now, over_time, rate, series

# What is no disk of the host's own.
DISKS = {"fstype": "!~tmpfs|ramfs|overlay|squashfs|fuse.*", "mountpoint": "!~/(boot|run|proc|sys|dev).*"}
OURS = {"namespace": "~sluice.*"}
CONTAINER = {**OURS, "container": "!~|POD"}
# The bound from which a line is drawn across.
ACROSS = ((None, "transparent"), (0.9, WARNING))


def rows() -> Rows:
    return {"Hosts": _hosts(), "Processes": _processes(), "Pods (only on Kubernetes)": _pods()}


def _hosts() -> list[Shown]:
    free, size = series("node_filesystem_avail_bytes", **DISKS), series("node_filesystem_size_bytes", **DISKS)
    return [
        graph(
            "CPU in use",
            "The share of each host's processors that was busy.",
            "percentunit",
            over_time(
                f"1 - avg by (instance) ({rate('node_cpu_seconds_total', mode='idle')})",
                "{{instance}}",
            ),
            width=8,
            bounds=ACROSS,
        ),
        graph(
            "Memory in use",
            "The share of each host's memory that processes cannot get.",
            "percentunit",
            over_time(
                f"1 - {series('node_memory_MemAvailable_bytes')} / {series('node_memory_MemTotal_bytes')}",
                "{{instance}}",
            ),
            width=8,
            bounds=ACROSS,
        ),
        ranking(
            "Disks in use",
            "Of each file system, the share that is taken. A full disk stops the lake, MLflow's artifacts and the "
            "spool of predictions.",
            "percentunit",
            now(f"sort_desc(1 - {free} / {size})", "{{instance}} {{mountpoint}}"),
            bounds=FULL,
            width=8,
        ),
        graph(
            "Disk traffic",
            "Bytes per second that each host reads and writes.",
            "Bps",
            over_time(f"sum by (instance) ({rate('node_disk_read_bytes_total')})", "{{instance}} read"),
            over_time(f"sum by (instance) ({rate('node_disk_written_bytes_total')})", "{{instance}} written"),
        ),
        graph(
            "Load per processor",
            "Processes that run or wait for a processor or a disk, for each processor. Above 1 they wait.",
            "none",
            over_time(
                f"max by (instance) ({series('node_load5')}) / "
                f"count by (instance) ({rate('node_cpu_seconds_total', mode='idle')})",
                "{{instance}}",
            ),
        ),
    ]


def _processes() -> list[Shown]:
    return [
        graph(
            "Memory by process",
            "Resident memory of each process that is scraped.",
            "bytes",
            over_time(
                f"sum by (job, instance) ({series('process_resident_memory_bytes')})",
                "{{job}} {{instance}}",
            ),
            width=8,
        ),
        graph(
            "CPU by process",
            "Processor seconds a second; 1 is one processor.",
            "none",
            over_time(f"sum by (job, instance) ({rate('process_cpu_seconds_total')})", "{{job}} {{instance}}"),
            width=8,
        ),
        bars(
            "Process restarts",
            "How often a process of the job started anew. One that keeps doing so does not live long enough to work.",
            "short",
            over_time(
                f"sum by (job) (changes({series('process_start_time_seconds')}[$__rate_interval])) > 0",
                "{{job}}",
            ),
            width=8,
        ),
    ]


def _pods() -> list[Shown]:
    memory = f"sum by (namespace, pod) ({series('container_memory_working_set_bytes', **CONTAINER)})"
    limit = f"sum by (namespace, pod) ({series('kube_pod_container_resource_limits', **OURS, resource='memory')})"
    return [
        graph(
            "Container CPU",
            "Processor seconds a second of each pod.",
            "none",
            over_time(
                f"sum by (namespace, pod) ({rate('container_cpu_usage_seconds_total', **CONTAINER)})",
                "{{pod}}",
            ),
            width=8,
        ),
        graph(
            "Container memory, of its limit",
            "At 1 the kernel kills the container (SluicePodOOMKilled).",
            "percentunit",
            over_time(f"{memory} / {limit}", "{{pod}}"),
            width=8,
            bounds=ACROSS,
        ),
        ranking(
            "Volumes in use",
            "Of each claimed volume, the share that is taken.",
            "percentunit",
            now(
                "sort_desc(1 - "
                f"{series('kubelet_volume_stats_available_bytes', **OURS)} / "
                f"{series('kubelet_volume_stats_capacity_bytes', **OURS)})",
                "{{persistentvolumeclaim}}",
            ),
            bounds=FULL,
            width=8,
        ),
        bars(
            "Container restarts",
            "A pod that keeps restarting is crashing, or is killed: `kubectl describe pod` says which.",
            "short",
            over_time(
                "sum by (namespace, pod) (increase("
                f"{series('kube_pod_container_status_restarts_total', **OURS)}[$__rate_interval])) > 0",
                "{{pod}}",
            ),
        ),
        graph(
            "Pods by phase",
            "Pending for long: there is no node with the memory or the processors that the pod asks for.",
            "short",
            over_time(f"sum by (phase) ({series('kube_pod_status_phase', **OURS)})", "{{phase}}"),
        ),
    ]
