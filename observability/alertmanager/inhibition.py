"""What keeps quiet while something else is told: a lesser alert of the same thing, and what follows from an outage."""

from collections.abc import Mapping, Sequence
from typing import Any

# While the first fires, the others follow from it and are not told. Regular expressions of alert names.
FOLLOWS: Mapping[str, Sequence[str]] = {
    "SluicePrefectDown": (
        "SluiceFlowRunsLate",
        "SluiceFlowRunStuck",
        "SluiceScheduleMissed",
        "SluiceNoWorkerPolling",
        "SluiceExporterBlind",
    ),
    "SluiceNoWorkerPolling": ("SluiceFlowRunsLate", "SluiceScheduleMissed"),
    "SluiceDaskDown": ("SluiceDask.+", "SluiceFlowRunStuck"),
    "SluiceDaskTasksNoWorker": ("SluiceFlowRunStuck",),
    "SluiceMLflowDown": ("SluiceExporterBlind",),
    "SluiceDocumentsDown": (
        "SluicePredictionLogBacklog",
        "SluicePredictionsLost",
        "SluiceExporterBlind",
    ),
    "SluiceServingDown": ("SluiceServing.+BudgetBurn",),
    "SluiceNodeNotReady": ("SluicePodPending", "SluicePodCrashLooping"),
    "SluiceNodeDiskFull": ("SluicePredictionsLost", "SluiceNodeDiskFilling", "SluiceVolumeFilling"),
}


def inhibit_rules() -> list[dict[str, Any]]:
    """As Alertmanager has them."""
    rules: list[dict[str, Any]] = [
        {
            "source_matchers": ['severity="critical"'],
            "target_matchers": ['severity="warning"'],
            "equal": ["namespace", "alertname", "model"],
        }
    ]
    # A run that failed is why nothing has succeeded for two intervals.
    rules.append(
        {
            "source_matchers": ['alertname="SluiceFlowRunFailed"'],
            "target_matchers": ['alertname="SluiceScheduleMissed"'],
            "equal": ["namespace", "deployment"],
        }
    )
    for down, others in FOLLOWS.items():
        # An alert that is source and target at once mutes nothing of itself.
        names = "|".join(others)
        rules.append(
            {
                "source_matchers": [f'alertname="{down}"'],
                "target_matchers": [f'alertname=~"{names}"', f'alertname!="{down}"'],
                "equal": ["namespace"],
            }
        )
    return rules
