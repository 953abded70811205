"""Caching and retrying of a stage's tasks."""

from types import SimpleNamespace
from typing import Any

import pytest
from prefect.states import Failed

import flows.references
from flows.plan import StagePlan
from flows.stage import cache_key, is_transient
from sluice.errors import QuarantineExceededError, ServiceUnavailableError
from sluice.references import TableRef

PLAN = StagePlan(stage="train", use_case="tiny", params={}, inputs={}, code="c", timeout=1)


class FakeStore:
    """A result store that remembers results by key."""

    def __init__(self, results: dict[str, Any]) -> None:
        self.results = results

    def exists(self, key: str) -> bool:
        return key in self.results

    def read(self, key: str) -> Any:
        return SimpleNamespace(result=self.results[key])


def key_with(store: FakeStore) -> str:
    context: Any = SimpleNamespace(task=SimpleNamespace(name="fit"), result_store=store)
    return cache_key(context, {"plan": PLAN})


def test_a_cached_result_that_is_there_is_used() -> None:
    """A result that does not refer to anything outside keeps its key."""
    first = key_with(FakeStore({}))
    assert key_with(FakeStore({first: {"slope": 2.0}})) == first


def test_a_cached_result_that_points_at_nothing_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the table version is gone the work is done again, under a key that then stays."""
    gone = TableRef(table="raw/tiny", version=9)
    lake = SimpleNamespace(exists=lambda ref: ref.version < 9)
    monkeypatch.setattr(flows.references, "platform", lambda: SimpleNamespace(lake=lake))
    first = key_with(FakeStore({}))
    second = key_with(FakeStore({first: gone}))
    assert second != first
    assert key_with(FakeStore({first: gone, second: TableRef(table="raw/tiny", version=1)})) == second


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (ServiceUnavailableError(service="MLflow", address="x", hint=""), True),
        (ConnectionResetError("gone"), True),
        (QuarantineExceededError(table="raw/x", quarantined=9, rows=9, share=1, max_share=0, reasons=""), False),
        (ValueError("wrong"), False),
    ],
)
def test_only_what_can_pass_is_retried(error: Exception, retried: bool) -> None:
    """An outage is worth another try, wrong data is not."""
    state: Any = Failed(data=error)
    assert is_transient(None, None, state) is retried  # type: ignore[arg-type]
