"""Who was champion from when to when, whatever dies in between."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import sluice.promotions
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import ModelNotFoundError
from sluice.promotions import PromotionHistory
from tests.fakes import FakeRegistry


class DeathError(Exception):
    """The process ended here."""


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry("m", versions=3)


@pytest.fixture
def history(tmp_path: Path, registry: FakeRegistry) -> Iterator[PromotionHistory]:
    documents = EmbeddedDocuments(str(tmp_path / "documents.db"))
    yield PromotionHistory(documents, registry)
    documents.close()


def test_each_reign_ends_when_the_next_begins(history: PromotionHistory, registry: FakeRegistry) -> None:
    """Newest first; who, why and on which numbers are kept."""
    history.promote("m", "1", by="run a", reason="first", metrics={"x": 1.0})
    history.promote("m", "2", by="run b", reason="better", metrics={"x": 2.0}, champion_metrics={"x": 1.0})
    new, old = history.history("m")
    assert (new.version, new.previous, new.until, new.by, new.metrics) == ("2", "1", None, "run b", {"x": 2.0})
    assert (old.version, old.until, old.champion_metrics) == ("1", new.since, {})
    assert registry.aliases["champion"] == "2"


def test_promoting_the_champion_changes_nothing(history: PromotionHistory) -> None:
    """A task that is tried again makes no second entry."""
    first = history.promote("m", "1", by="a", reason="")
    assert history.promote("m", "1", by="b", reason="") == first
    assert len(history.history("m")) == 1


def test_an_unknown_version_is_not_recorded(history: PromotionHistory) -> None:
    """Nothing is meant that cannot happen."""
    with pytest.raises(ModelNotFoundError):
        history.promote("m", "9", by="a", reason="")
    assert history.history("m") == []


def test_death_before_the_alias_leaves_the_old_champion(
    history: PromotionHistory, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent is dropped once it is old, and the promotion can be made again."""
    history.promote("m", "1", by="a", reason="")
    registry.before_alias = DeathError
    with pytest.raises(DeathError):
        history.promote("m", "2", by="b", reason="")
    registry.before_alias = None
    monkeypatch.setattr(sluice.promotions, "_INTENT_LIVES", timedelta(0))
    history.reconcile("m")
    assert [one.version for one in history.history("m")] == ["1"]
    assert history.promote("m", "2", by="c", reason="").by == "c"
    assert [one.version for one in history.history("m")] == ["2", "1"]


def test_death_after_the_alias_is_confirmed_later(history: PromotionHistory, registry: FakeRegistry) -> None:
    """The alias moved, so the intent is the truth: the next look confirms it, with its numbers."""
    registry.after_alias = DeathError
    with pytest.raises(DeathError):
        history.promote("m", "2", by="b", reason="better", metrics={"x": 2.0})
    registry.after_alias = None
    history.reconcile("m")
    (champion,) = history.history("m")
    assert (champion.version, champion.by, champion.metrics, champion.external) == ("2", "b", {"x": 2.0}, False)


def test_a_young_intent_is_left_to_its_process(history: PromotionHistory, registry: FakeRegistry) -> None:
    """Reconciling between intent and alias of another process does not lose its entry."""
    registry.before_alias = lambda: history.reconcile("m")
    history.promote("m", "1", by="a", reason="mine")
    (champion,) = history.history("m")
    assert (champion.by, champion.external) == ("a", False)


def test_an_alias_moved_outside_is_recorded_as_external(history: PromotionHistory, registry: FakeRegistry) -> None:
    """What somebody did in the registry's own UI is in the history, once."""
    history.promote("m", "1", by="a", reason="")
    registry.aliases["champion"] = "3"
    for _ in range(2):
        history.reconcile("m")
    new, old = history.history("m")
    assert (new.version, new.previous, new.external, new.by) == ("3", "1", True, "unknown")
    assert old.until == new.since


def test_promotions_in_one_millisecond_keep_their_order(history: PromotionHistory, registry: FakeRegistry) -> None:
    """Stores keep milliseconds; who came last is the champion all the same."""
    wanted = [str(1 + number % 3) for number in range(30)]
    for version in wanted:
        history.promote("m", version, by="a", reason="")
    assert [reign.version for reign in reversed(history.history("m"))] == wanted
