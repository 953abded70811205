"""What keeps quiet while something else is told: a lesser alert of the same thing, and what follows from an outage."""

from typing import Any, NamedTuple

# An external label, which Prometheus puts on every alert: one Alertmanager may hear of several installations.
INSTALLATION = "env"


class Follows(NamedTuple):
    """Attributes:
    cause: an alert's name.
    alerts: which are not told while it fires; regular expressions of names.
    same: labels in which they must agree. One that only one of them has would let all of it be told.
    source: values of the label ``source`` that those alerts must have; a regular expression.
    """

    cause: str
    alerts: tuple[str, ...]
    same: tuple[str, ...] = ()
    source: str = ""


# The exporter's sources are named after who is asked; `flow_runs` and `archive` need Prefect and the documents.
FOLLOWS = (
    Follows(
        "SluicePrefectDown",
        ("SluiceFlowRunsLate", "SluiceFlowRunStuck", "SluiceScheduleMissed", "SluiceNoWorkerPolling"),
    ),
    Follows("SluicePrefectDown", ("SluiceExporterBlind",), source="prefect|flow_runs|archive"),
    Follows("SluiceNoWorkerPolling", ("SluiceFlowRunsLate", "SluiceScheduleMissed")),
    # A run that failed is why nothing has succeeded for two intervals.
    Follows("SluiceFlowRunFailed", ("SluiceScheduleMissed",), same=("deployment",)),
    Follows("SluiceDaskDown", ("SluiceDask.+", "SluiceFlowRunStuck")),
    Follows("SluiceDaskTasksNoWorker", ("SluiceFlowRunStuck",)),
    Follows("SluiceMLflowDown", ("SluiceExporterBlind",), source="mlflow"),
    Follows("SluiceDocumentsDown", ("SluicePredictionLogBacklog", "SluicePredictionsLost")),
    Follows("SluiceDocumentsDown", ("SluiceExporterBlind",), source="monitor|flow_runs|archive"),
    Follows("SluiceServingDown", ("SluiceServing.+BudgetBurn",)),
    # Pods are not told to be of a node.
    Follows("SluiceNodeNotReady", ("SluicePodPending", "SluicePodCrashLooping")),
    Follows("SluiceNodeDiskFull", ("SluiceNodeDiskFilling",), same=("instance", "mountpoint")),
)


def inhibit_rules() -> list[dict[str, Any]]:
    """As Alertmanager has them."""
    lesser = {
        "source_matchers": ['severity="critical"'],
        "target_matchers": ['severity="warning"'],
        "equal": [INSTALLATION, "alertname", "model"],
    }
    return [lesser, *map(_rule, FOLLOWS)]


def _rule(one: Follows) -> dict[str, Any]:
    # An alert that is source and target at once mutes nothing of itself.
    targets = [f'alertname=~"{"|".join(one.alerts)}"', f'alertname!="{one.cause}"']
    return {
        "source_matchers": [f'alertname="{one.cause}"'],
        "target_matchers": [*targets, *([f'source=~"{one.source}"'] if one.source else [])],
        "equal": [INSTALLATION, *one.same],
    }
