"""What the flow monitor finds out: over a real lake and document store, with a registry in memory."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from flows import monitoring, scoring
from sluice.embedded_documents import EmbeddedDocuments
from sluice.lake import Lake
from sluice.logged_predictions import Logged
from sluice.models import ModelRun, ModelVersion, TrainedOn
from sluice.monitor_findings import Findings
from sluice.recommenders.catalogue import Catalogue
from sluice.recommenders.histories import Histories
from sluice.recommenders.interactions import Interactions
from sluice.recommenders.model import RecommenderModel
from sluice.recommenders.popularity import Popularity
from sluice.use_case import UseCaseConfig

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RANDOM = np.random.default_rng(7)
OPTIONS = {"min_samples": 100, "min_feedback": 20, "live_quality": {"accuracy": 0.9}}


class FakeModel:
    """Its answer is its first column; no Python model of ours."""

    metadata = SimpleNamespace(get_input_schema=lambda: None)

    def predict(self, rows: pd.DataFrame) -> Any:
        return rows["x"].to_numpy()


class FakeRegistry:
    """Versions 1 and 2 of ``tiny``, trained on its features table."""

    def __init__(self, aliases: dict[str, str]) -> None:
        self.aliases = aliases

    def get(self, name: str, *, version: str) -> ModelVersion:
        return ModelVersion(name=name, version=version, run_id=f"run{version}", created_at=NOW)

    def find(self, name: str, *, alias: str) -> ModelVersion | None:
        version = self.aliases.get(alias)
        return None if version is None else self.get(name, version=version)

    def runs(self, versions: list[ModelVersion]) -> dict[str, ModelRun]:
        inputs = (TrainedOn(table="features/tiny", version=0),)
        return {one.run_id: ModelRun(run_id=one.run_id, experiment_id="0", inputs=inputs) for one in versions}

    def load(self, name: str, version: str) -> FakeModel:
        return FakeModel()


class World:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.documents = EmbeddedDocuments(str(folder / "d.db"))
        self.registry = FakeRegistry({"champion": "1", "challenger": "2"})
        self.lake = Lake(str(folder / "lake"))
        rows = pl.DataFrame({"x": RANDOM.normal(size=4000), "kind": ["a", "b"] * 2000})
        self.lake.write("features/tiny", rows, key="k")
        for module in (monitoring, scoring):
            monkeypatch.setattr(module, "platform", lambda: self)
        scoring._load.cache_clear()

    def predicted(self, rows: int, shift: float = 0, kind: str = "ab") -> None:
        values = RANDOM.normal(size=rows) + shift
        self.documents.insert(
            "tiny_predictions",
            [
                {
                    "version": "1", "at": NOW, "rows": 1, "output": [float(x)],
                    "features": {"x": [float(x)], "kind": [kind[place % len(kind)]]},
                }
                for place, x in enumerate(values)
            ],
        )  # fmt: skip

    def told(self, version: str, right: int, wrong: int) -> None:
        outcomes = [1] * right + [0] * wrong
        told = [{"version": version, "at": NOW, "outcome": one, "output": {"label": 1}} for one in outcomes]
        self.documents.insert("tiny_feedback", told)

    def look(self, champion: str | None = "tiny@1") -> Findings:
        required = {"name": "tiny", "title": "", "owner": "", "source": {}, "promote_if": {}, "monitor": OPTIONS}
        use_case: Any = SimpleNamespace(name="tiny", config=UseCaseConfig.model_validate(required))
        return monitoring.findings(use_case, champion, "run1", NOW + timedelta(minutes=1))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path, monkeypatch)
    yield made
    made.documents.close()


def scores(found: Findings) -> dict[str, float]:
    return {one.feature: one.score for one in found.drift.features}


def test_what_is_asked_as_it_was_trained_does_not_drift(world: World) -> None:
    """Each column that both have, and the answer; the table that it is compared with is told."""
    world.predicted(1000)
    found = world.look()
    assert found.drift.reference == "features/tiny@0"
    assert found.drift.samples == 1000
    assert scores(found).keys() == {"x", "kind", "prediction"}
    assert max(scores(found).values()) < 0.1


def test_what_has_shifted_drifts(world: World) -> None:
    """The worst feature first, the prediction last."""
    world.predicted(1000, shift=1.5, kind="abc")
    found = world.look()
    assert [one.feature for one in found.drift.features] == ["x", "kind", "prediction"]
    assert min(scores(found).values()) > found.drift.threshold


def test_too_little_is_said_and_no_error(world: World) -> None:
    """No drift and no quality of a handful, and no champion is a note too."""
    world.predicted(99)
    world.told("1", right=10, wrong=0)
    found = world.look()
    assert found.drift.features == ()
    assert [(one.alias, one.samples, one.metrics) for one in found.quality] == [
        ("champion", 10, {}),
        ("challenger", 0, {}),
    ]
    assert len(found.notes) == 3
    assert world.look(champion=None).notes == ("tiny has no champion yet",)


def test_a_better_challenger_leads(world: World) -> None:
    """By the difference of what outcomes say of both."""
    world.told("1", right=30, wrong=10)
    world.told("2", right=36, wrong=4)
    found = world.look()
    assert [one.metrics for one in found.quality] == [{"accuracy": 0.75}, {"accuracy": 0.9}]
    assert found.lead == {"accuracy": pytest.approx(0.15)}
    assert found.floors == {"accuracy": 0.9}


def test_a_champion_has_no_challenger_in_itself(world: World) -> None:
    """After a promotion both aliases name one version."""
    world.registry.aliases["challenger"] = "1"
    world.told("1", right=30, wrong=10)
    found = world.look()
    assert [one.alias for one in found.quality] == ["champion"]
    assert found.lead == {}


def recommender() -> RecommenderModel:
    """200 users, of whom user n has n % 20 + 1 of 50 items, the popular ones most often."""
    users = np.arange(200)
    pairs = [(user, item) for user in users for item in range(user % 20 + 1)]
    item_ids = np.arange(50)
    support = np.bincount([item for _, item in pairs], minlength=50)
    items = pl.DataFrame({"item_id": item_ids, "title": [f"t{n}" for n in item_ids], "genres": "", "support": support})
    catalogue = Catalogue.of(items)
    bought, who = np.array([item for _, item in pairs]), np.array([user for user, _ in pairs])
    matrix = Interactions.from_ids(who, bought, users=users, items=catalogue.item_ids).matrix
    return RecommenderModel(catalogue, Histories(users, matrix, matrix), Popularity.of(catalogue.support, len(users)))


def asked(model: RecommenderModel, users: list[int]) -> Logged:
    outputs = [[{"item_id": item} for item in model.recommend_one(user, 10).item_ids] for user in users]
    return Logged(len(users), {"user_id": users}, [], outputs)


def test_a_recommender_that_its_own_users_ask_does_not_drift() -> None:
    """However often each of them asks."""
    model = recommender()
    found = dict(monitoring._of_recommender(model, asked(model, [*range(200), *[7] * 300])))
    assert found.keys() == {"user_known", "user_activity", "prediction"}
    assert max(found["user_known"], found["user_activity"]) < 0.05


def test_a_recommender_drifts_by_strangers_activity_and_popularity() -> None:
    """Every second one unknown, only the most active of the rest, and items that nobody had."""
    model = recommender()
    users = [user for user in range(200) if user % 20 > 15]
    strangers = list(range(1000, 1000 + len(users)))
    rare = [[{"item_id": item} for item in range(40, 50)] for _ in range(len(users) * 2)]
    found = dict(monitoring._of_recommender(model, Logged(len(users) * 2, {"user_id": users + strangers}, [], rare)))
    assert min(found.values()) > 0.2
