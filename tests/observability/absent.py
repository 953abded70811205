"""What a panel may be without on a local stack after traffic, and why. Everything else must have data."""

import re

# Series that no process of a local stack has; a pattern for the whole name.
SERIES = {
    r"(kube|kubelet|container)_.+": "of Kubernetes, which a local stack does not have",
    r"dask_worker_spill_bytes_total": "what goes to the disk is counted from the first spill on",
    r"sluice_recommendation_(fallbacks_total|revenue)|sluice_feedback_acceptance_ratio": (
        "only of models that recommend; the test's does not"
    ),
    r"sluice_challenger_lead": "only beside a challenger",
    r"sluice_deployment_schedule_interval_seconds": "only of an active schedule",
}
# Panels that are empty although their series are there.
PANELS = {
    "Firing alerts": "nothing is wrong",
    "Process restarts": "nothing was restarted",
    "Suspicious tasks": "no worker died",
    "Oldest run": "nothing runs when the test looks",
    "Tasks on the workers": "nothing is computed when the test looks",
}


def absent(name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in SERIES)
