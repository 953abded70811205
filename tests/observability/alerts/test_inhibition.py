"""What keeps quiet, in a running Alertmanager: alerts are posted to it with the labels that the rules give them."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
import yaml

from deployments.local.ports import free_ports
from deployments.local.watching import program
from observability.alertmanager.configuration import alertmanager_configuration
from observability.alertmanager.inhibition import FOLLOWS, Follows
from sluice.observe_settings import ObserveSettings
from tests.observability.alerts.listeners import eventually
from tests.observability.rules import labels_by_alert

Labels = dict[str, str]
# As promtool has found that the rules give them.
GIVEN = labels_by_alert()
CAUSES = {one.cause for one in FOLLOWS}
OTHER = {"deployment": "of/another", "instance": "another:1", "mountpoint": "/another"}
Muted = Callable[[list[Labels]], list[bool]]


@pytest.fixture(scope="module")
def muted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Muted]:
    """Posts alerts to an Alertmanager, as those of installations of their own; whether each is muted."""
    path = program("alertmanager")
    if path is None and not os.environ.get("CI"):
        pytest.skip("Debian's package prometheus-alertmanager has it")
    tmp_path, calls = tmp_path_factory.mktemp("alertmanager"), count()
    configuration = tmp_path / "alertmanager.yml"
    configuration.write_text(yaml.safe_dump(alertmanager_configuration(ObserveSettings())))
    (port,) = free_ports("127.0.0.1", 1)
    command = [str(path), f"--config.file={configuration}", f"--storage.path={tmp_path}", "--cluster.listen-address="]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20)

    def ready() -> bool:
        try:
            return client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def states(posted: list[Labels]) -> list[bool]:
        found: list[dict[str, Any]] = client.get("/api/v2/alerts").raise_for_status().json()
        inhibited = {frozenset(one["labels"].items()): bool(one["status"]["inhibitedBy"]) for one in found}
        return [inhibited[frozenset(labels.items())] for labels in posted]

    def post(given: list[Labels]) -> list[bool]:
        call = next(calls)
        posted = [{**labels, "env": f"{labels['env']} {call}"} for labels in given]
        until = (datetime.now(UTC) + timedelta(minutes=2)).isoformat()
        body = [{"labels": labels, "annotations": {}, "endsAt": until} for labels in posted]
        client.post("/api/v2/alerts", json=body).raise_for_status()
        # Those that mute are taken up from a queue: the answer is what stays.
        last: list[list[bool]] = []
        assert eventually(lambda: bool(last.append(states(posted))) or (len(last) > 2 and last[-1] == last[-3]), 20)
        return last[-1]

    try:
        assert eventually(ready, 30), (tmp_path / "log").read_text()
        yield post
    finally:
        client.close()
        process.terminate()
        process.wait(20)


def labels(name: str, **more: str) -> Labels:
    return {**GIVEN[name], "alertname": name, "env": "here", **more}


def followers(one: Follows) -> list[str]:
    return sorted(name for name in GIVEN for each in one.alerts if re.fullmatch(each, name) and name != one.cause)


@pytest.mark.parametrize("one", FOLLOWS, ids=lambda one: f"{one.cause}-{one.source or one.alerts[0]}")
def test_what_follows_from_an_outage_is_not_told(one: Follows, muted: Muted) -> None:
    """Muted beside its cause, which is told; told where that is of another thing or in another installation."""
    cause = labels(one.cause)
    same = {label: cause[label] for label in one.same}
    following = [
        labels(name, **same, **({"source": source} if source else {}))
        for name in followers(one)
        for source in one.source.split("|")
    ]
    # Without those that are a cause in turn, and would mute others there.
    others = [{**each, "env": "elsewhere"} for each in following if each["alertname"] not in CAUSES]
    others += [{**each, label: OTHER[label]} for each in following for label in one.same]
    others += [{**each, "source": "features"} for each in following if one.source]
    assert following
    assert muted([cause, *following, *others]) == [False, *[True] * len(following), *[False] * len(others)]


def test_the_lesser_alert_of_the_same_thing_is_not_told(muted: Muted) -> None:
    """A budget that burns fast is told, not that the same model's burns slowly too."""
    name = "SluiceServingErrorBudgetBurn"
    fast = labels(name, model="one", severity="critical")
    posted = [fast, labels(name, model="one", severity="warning"), labels(name, model="two", severity="warning")]
    assert muted(posted) == [False, True, False]
