"""`python -m benchmarks`: which there are, which are run, what is written."""

from types import ModuleType, SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks.bench import Bench
from benchmarks.result import Result


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Every benchmark replaced by one that notes that it ran; and what was written."""
    noted: list[tuple[str, bool]] = []

    def module(name: str) -> ModuleType | SimpleNamespace:
        def run(bench: Bench) -> Result:
            noted.append((name, bench.quick))
            return Result(benchmark=name, title=name, tables=[])

        return SimpleNamespace(TITLE=f"about {name}", run=run)

    def write(self: Result) -> object:
        noted.append((f"{self.benchmark}.json", False))
        return command.RESULTS / f"{self.benchmark}.json"

    monkeypatch.setattr(command, "_module", module)
    monkeypatch.setattr(Result, "write", write)
    return noted


def test_all_run_in_order_and_write_their_files(ran: list[tuple[str, bool]]) -> None:
    """`make bench` gives no name."""
    assert command.main([]) == 0
    assert [name for name, _ in ran] == [part for name in command.BENCHMARKS for part in (name, f"{name}.json")]


def test_quick_writes_no_file(ran: list[tuple[str, bool]]) -> None:
    """Figures from little data must not replace real ones."""
    assert command.main(["fan_out", "--quick"]) == 0
    assert ran == [("fan_out", True)]


def test_list_runs_nothing(ran: list[tuple[str, bool]], capsys: pytest.CaptureFixture[str]) -> None:
    """Each name with what it compares."""
    assert command.main(["--list"]) == 0
    assert ran == []
    assert "about feature_step" in capsys.readouterr().out


def test_an_unknown_name_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started."""
    with pytest.raises(SystemExit):
        command.main(["overhed"])
    assert "there are overhead, fan_out, ingest, feature_step, recommender" in capsys.readouterr().err


@pytest.mark.parametrize("name", command.BENCHMARKS)
def test_every_name_leads_to_a_benchmark(name: str) -> None:
    """The table of names and the modules agree."""
    module = command._module(name)
    assert module.TITLE
    assert callable(module.run)
