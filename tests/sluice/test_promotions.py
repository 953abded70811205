"""Who was champion from when to when, whatever dies in between."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import sluice.promotions
from sluice.embedded_documents import EmbeddedDocuments
from sluice.errors import ModelNotFoundError, RollbackImpossibleError
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


def versions(history: PromotionHistory) -> list[str]:
    """The champions, first one first."""
    return [reign.version for reign in reversed(history.history("m"))]


def back(history: PromotionHistory, to: str | None = None) -> str:
    return history.rollback("m", by="b", reason="", to=to).version


def test_going_back_twice_goes_back_two_champions(history: PromotionHistory, registry: FakeRegistry) -> None:
    """1, 2, 3: back to 2, back to 1, and there is nothing before it; never to and fro."""
    for version in "123":
        history.promote("m", version, by="a", reason="")
    assert [back(history), back(history)] == ["2", "1"]
    assert registry.aliases["champion"] == "1"
    with pytest.raises(RollbackImpossibleError, match="m cannot be rolled back: no champion was before this one"):
        back(history)
    assert versions(history) == ["1", "2", "3", "2", "1"]
    newest, *_, oldest = history.history("m")
    assert (newest.rollback, newest.previous, oldest.rollback) == (True, "2", False)


def test_what_is_promoted_after_a_rollback_goes_back_to_where_that_led(history: PromotionHistory) -> None:
    """1, 2, back to 1, 3: before 3 was 1. And promoting what was gone back from counts as any promotion does."""
    for version in "12":
        history.promote("m", version, by="a", reason="")
    back(history)
    history.promote("m", "3", by="a", reason="")
    assert back(history) == "1"
    history.promote("m", "2", by="a", reason="it was right after all")
    assert back(history) == "1"


def test_going_back_to_a_version_skips_those_between(history: PromotionHistory) -> None:
    """1, 2, 3, to 1: nothing is before it. To one that was never champion is a promotion that can be gone back from."""
    for version in "123":
        history.promote("m", version, by="a", reason="")
    assert back(history, to="1") == "1"
    with pytest.raises(RollbackImpossibleError):
        back(history)
    history.promote("m", "2", by="a", reason="")
    assert back(history, to="3") == "3"
    assert [back(history), back(history)] == ["2", "1"]


def test_going_back_to_the_champion_changes_nothing(history: PromotionHistory) -> None:
    """A request that names the version may be sent again."""
    for version in "12":
        history.promote("m", version, by="a", reason="")
    assert [back(history, to="1"), back(history, to="1")] == ["1", "1"]
    assert versions(history) == ["1", "2", "1"]


def test_without_a_champion_nothing_is_gone_back_to(history: PromotionHistory) -> None:
    """It says so, and names the command that lists the versions."""
    with pytest.raises(RollbackImpossibleError, match=r"it has no champion\. .*sluice models m"):
        back(history)
    with pytest.raises(ModelNotFoundError):
        back(history, to="9")
    assert versions(history) == []


def test_a_champion_that_was_removed_is_not_gone_back_to(history: PromotionHistory, registry: FakeRegistry) -> None:
    """Going further back without being told would be a surprise, so a person has to name the version."""
    for version in "123":
        history.promote("m", version, by="a", reason="")
    registry.remove("2")
    with pytest.raises(RollbackImpossibleError, match="version 2, the champion before this one, is not in"):
        back(history)
    assert back(history, to="1") == "1"


def test_an_entry_from_before_rollbacks_were_marked_counts_as_a_promotion(
    history: PromotionHistory, registry: FakeRegistry, tmp_path: Path
) -> None:
    """Older documents have no such field."""
    for version in "12":
        history.promote("m", version, by="a", reason="")
    documents = EmbeddedDocuments(str(tmp_path / "documents.db"))
    stored = documents.find(sluice.promotions.COLLECTION)
    documents.delete(sluice.promotions.COLLECTION, {"model": "m"})
    documents.insert(
        sluice.promotions.COLLECTION,
        [{name: value for name, value in document.items() if name != "rollback"} for document in stored],
    )
    documents.close()
    assert [reign.rollback for reign in history.history("m")] == [False, False]
    assert back(history) == "1"


def test_a_version_is_written_as_the_registry_writes_it(history: PromotionHistory, registry: FakeRegistry) -> None:
    """MLflow finds 1 when it is asked for 01; the history must not have two names for one version."""
    registry.also("01", "1")
    assert history.promote("m", "01", by="a", reason="").version == "1"
    assert history.promote("m", "1", by="a", reason="").by == "a"
    assert versions(history) == ["1"]
