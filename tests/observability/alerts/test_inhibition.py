"""What keeps quiet, in the running Alertmanager of a stack: alerts are posted to it as Prometheus posts its own."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from observability.alertmanager.inhibition import FOLLOWS
from tests.observability.alerts.conftest import Watched
from tests.observability.alerts.listeners import eventually
from tests.observability.rules import FILES, alerts

SEVERITIES = {rule["alert"]: rule["labels"]["severity"] for file in FILES for rule in alerts(file)}
ELSEWHERE = "elsewhere"
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.waits]


def test_what_follows_from_an_outage_is_not_told(watched: Watched) -> None:
    """Each alert of FOLLOWS is muted beside its cause, which is told; where its cause does not fire it is told too."""
    expected: dict[tuple[str, str], bool] = {}  # namespace and alert: whether it is muted
    for cause, patterns in FOLLOWS.items():
        expected[cause, cause] = False
        followers = {name for name in SEVERITIES for one in patterns if re.fullmatch(one, name)} - {cause}
        assert followers, cause
        for name in followers:
            expected[cause, name] = True
            expected[ELSEWHERE, name] = False
    # There the causes do not fire, but what follows from one may itself be another's cause.
    for name in [name for space, name in expected if space == ELSEWHERE and name in FOLLOWS]:
        del expected[ELSEWHERE, name]
    began = time.time()
    _post(watched, [{"alertname": name, "namespace": space} for space, name in expected])
    assert eventually(lambda: _muted(watched, expected) == expected, 20)
    told = {key for key, muted in expected.items() if not muted}
    assert eventually(lambda: _told(watched, began) >= told, 60), told - _told(watched, began)
    time.sleep(1)
    assert not _told(watched, began) & (expected.keys() - told)


def test_the_lesser_alert_of_the_same_thing_is_not_told(watched: Watched) -> None:
    """A budget that burns fast is told, not that the same model's burns slowly too; nor is a miss after a failure."""
    names = ("SluiceServingErrorBudgetBurn", "SluiceFlowRunFailed", "SluiceScheduleMissed")
    budget, failed, missed = names
    assert set(names) <= SEVERITIES.keys()
    spaces = {"namespace": "lesser"}
    posted = [
        {"alertname": budget, "model": "one", "severity": "critical", **spaces},
        {"alertname": budget, "model": "one", "severity": "warning", **spaces},
        {"alertname": budget, "model": "two", "severity": "warning", **spaces},
        {"alertname": failed, "deployment": "train/one", **spaces},
        {"alertname": missed, "deployment": "train/one", **spaces},
        {"alertname": missed, "deployment": "train/two", **spaces},
    ]
    _post(watched, posted)

    def muted() -> list[bool]:
        found = _alerts(watched)
        states = [next((one for one in found if _subset(labels, one["labels"])), None) for labels in posted]
        return [one is not None and bool(one["status"]["inhibitedBy"]) for one in states]

    assert eventually(lambda: muted() == [False, True, False, False, True, False], 20), muted()


def _post(watched: Watched, labels: list[dict[str, str]]) -> None:
    until = (datetime.now(UTC) + timedelta(minutes=2)).isoformat()
    body = [
        {"labels": {"severity": SEVERITIES[one["alertname"]], **one}, "annotations": {"summary": "posted by a test"},
         "endsAt": until}
        for one in labels
    ]  # fmt: skip
    address = f"{watched.stack.record.alertmanager_url}/api/v2/alerts"
    httpx.post(address, json=body, trust_env=False, timeout=20).raise_for_status()


def _alerts(watched: Watched) -> list[dict[str, Any]]:
    answer = httpx.get(f"{watched.stack.record.alertmanager_url}/api/v2/alerts", trust_env=False, timeout=20)
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


def _muted(watched: Watched, asked: dict[tuple[str, str], bool]) -> dict[tuple[str, str], bool]:
    found = {
        (one["labels"].get("namespace", ""), one["labels"]["alertname"]): bool(one["status"]["inhibitedBy"])
        for one in _alerts(watched)
    }
    return {key: muted for key, muted in found.items() if key in asked}


def _told(watched: Watched, since: float) -> set[tuple[str, str]]:
    return {
        (alert["labels"].get("namespace", ""), alert["labels"]["alertname"])
        for at, body in watched.heard.webhook
        for alert in body["alerts"]
        if at >= since and alert["status"] == "firing"
    }


def _subset(labels: dict[str, str], of: dict[str, str]) -> bool:
    return labels.items() <= of.items()
