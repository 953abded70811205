"""The checks, in their order, and how they are run."""

import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sluice.conformance import contract, features, model, rows
from sluice.conformance.outcome import CheckFailedError, Outcome, UseCaseNonconformingError
from sluice.conformance.trial import Trial
from sluice.errors import SluiceError
from sluice.settings import Settings

ROWS = 5_000


@dataclass(frozen=True)
class Check:
    """Attributes:
    run: raises CheckFailedError, or says in a few words what it saw.
    needs: checks that must have passed before.
    blame: what a reader looks at when it raises anything else.
    """

    name: str
    run: Callable[[Trial], str]
    needs: tuple[str, ...]
    blame: str


CHECKS = (
    Check("use_case.yaml", contract.loads, (), "use_case.yaml or the import of steps.py"),
    Check("steps", contract.steps, ("use_case.yaml",), "steps.py"),
    Check("Params", contract.params, ("use_case.yaml",), "Params"),
    Check("Schema and KEY", contract.schema, ("use_case.yaml",), "Schema"),
    Check("ingest", rows.ingest, ("steps", "Schema and KEY"), "ingest"),
    Check("empty values", rows.empty_values, ("ingest",), "ingest"),
    Check("quarantine", rows.quarantine, ("ingest",), "Schema"),
    Check("features", features.build, ("quarantine",), "build_features"),
    Check("order and partitions", features.partitions, ("features",), "build_features"),
    Check("point in time", features.point_in_time, ("features",), "build_features"),
    Check("online", features.online, ("features", "Params"), "online"),
    Check("split", features.split, ("features",), "split"),
    Check("stable hold-out", features.stable_holdout, ("split",), "split"),
    Check("search", model.search, ("split", "Params"), "search"),
    Check("train", model.train, ("search",), "train or example"),
    Check("reproducible", model.reproducible, ("train",), "train"),
    Check("saved model", model.saved, ("train",), "the model's predict"),
    Check("evaluate", model.evaluate, ("saved model",), "evaluate"),
)


def check_use_case(name: str, *, rows: int = ROWS, settings: Settings | None = None) -> Iterator[Outcome]:
    """Run every check on the first rows of the use case's own source; each outcome as it comes.

    Args:
        rows: at most this many are taken from the source.
        settings: for the source's secrets; without them they are loaded.
    """
    passed: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="sluice-check-") as folder, model.silent():
        trial = Trial(name, Path(folder), rows, settings or Settings.load())
        for check in CHECKS:
            if lacking := [need for need in check.needs if need not in passed]:
                yield Outcome(check.name, "skipped", f"needs {', '.join(lacking)}")
                continue
            outcome = _run(check, trial)
            if outcome.status == "passed":
                passed.add(check.name)
            yield outcome


def assert_conforms(name: str, *, rows: int = ROWS) -> None:
    """For the test of a package: run every check.

    Raises:
        UseCaseNonconformingError: with a line for each check that failed.
    """
    failures = [str(outcome) for outcome in check_use_case(name, rows=rows) if outcome.status == "failed"]
    if failures:
        raise UseCaseNonconformingError(use_case=name, failures="\n".join(failures))


def _run(check: Check, trial: Trial) -> Outcome:
    begun = time.monotonic()
    try:
        detail, hint, passed = check.run(trial), "", True
    except CheckFailedError as error:
        detail, hint, passed = str(error.problem), f"{error.hint}.", False
    except SluiceError as error:
        detail, hint, passed = str(error), "", False
    except Exception as error:
        detail, passed = f"{type(error).__name__}: {error}", False
        hint = f"Mend {_place(error, trial) or check.blame}."
    return Outcome(check.name, "passed" if passed else "failed", detail, hint, round(time.monotonic() - begun, 3))


def _place(error: Exception, trial: Trial) -> str:
    """The last line of the use case's own that it came through."""
    if not hasattr(trial, "use_case"):
        return ""
    folder = str(trial.use_case.folder)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
    return f"line {lines[-1].lineno} of {Path(lines[-1].filename).name}" if lines else ""
