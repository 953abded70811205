"""What a panel may be without on a local stack after traffic, and why. Everything else must have data."""

import re

# Series that no process of a local stack has; a pattern for the whole name.
SERIES = {
    r"(kube|kubelet|container)_.+": "of Kubernetes, which a local stack does not have",
    r"dask_worker_spill_bytes_total": "what goes to the disk is counted from the first spill on",
    r"sluice_recommendation_(fallbacks_total|revenue)": "only of models that recommend; the test's does not",
    r"sluice_(drift|live_quality|monitor|challenger|feedback_acceptance).*": "only after monitoring",
    r"sluice_(model_max_age|feature_max_age|feature_latest|deployment_schedule_interval).*": (
        "only where a use case sets it"
    ),
}
# Panels that are empty although their series are there.
PANELS = {
    "Firing alerts": "nothing is wrong",
    "Process restarts": "nothing was restarted",
    "Suspicious tasks": "no worker died",
    "Oldest run": "nothing runs when the test looks",
    "Tasks on the workers": "nothing is computed when the test looks",
}
# Dashboards' series that are made from few samples: a test of a minute has no hours of them.
RECORDED = r"slo:.+|ALERTS"


def absent(name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in SERIES)
