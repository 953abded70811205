"""Rows come in, and none is lost."""

from collections.abc import Iterable, Iterator

import polars as pl

from sluice.arrival import take_in
from sluice.conformance.outcome import CheckFailedError
from sluice.conformance.trial import Replay, Sample, Trial
from sluice.contracts import REASON, validate
from sluice.sources import open_source
from sluice.sources.source import Source


def ingest(trial: Trial) -> str:
    """ingest gives rows, each one that the source gave."""
    config = trial.use_case.config.source
    documents = None
    if config.get("kind") == "feedback":
        from sluice.documents import open_documents

        documents = open_documents(trial.settings)
    sample = Sample(open_source(config, use_case=trial.name, settings=trial.settings, documents=documents), trial.rows)
    trial.given = _ingested(trial, sample)
    trial.read = sample.taken
    if trial.given.is_empty():
        hint = "Look at source in use_case.yaml, and at what ingest yields"
        raise CheckFailedError(problem="ingest gives no rows", hint=hint)
    if missing := [name for name in trial.use_case.schema.to_schema().columns if name not in trial.given.columns]:
        problem = f"ingest gives no column {', '.join(missing)}; it gives {', '.join(trial.given.columns)}"
        raise CheckFailedError(problem=problem, hint="Rename or add it in ingest, or take it out of Schema")
    _require_all(sum(batch.height for batch in trial.read), trial.given.height)
    lines = f", {len(sample.malformed)} lines were none" if sample.malformed else ""
    return f"{trial.given.height:,} rows, {trial.given.width} columns{lines}"


def empty_values(trial: Trial) -> str:
    """One row of missing values does not end the ingest, nor vanish in it: the contract is to judge it."""
    if not trial.read:
        return "ingest makes its own rows"
    first = trial.read[0]
    planted = [first.clear(1), *trial.read]
    try:
        given = _ingested(trial, Replay(planted))
    except Exception as error:
        raise CheckFailedError(
            problem=f"ingest fails when all values of one row are missing ({type(error).__name__}: {error})",
            hint="Let such a row pass: the contract refuses it with its reason, and the others come in",
        ) from error
    _require_all(sum(batch.height for batch in planted), given.height)
    return "a row without values passes through ingest"


def quarantine(trial: Trial) -> str:
    """Rows that break the contract, planted among good ones, are refused with a reason; no other is."""
    contract, key = trial.use_case.schema, trial.use_case.key
    verdict = validate(trial.given, contract, key)
    trial.accepted = verdict.accepted
    _require_sum(trial.given, verdict.accepted, verdict.quarantined)
    reasons = ", ".join(verdict.quarantined[REASON].value_counts(sort=True)[REASON].head(3))
    share, allowed = verdict.quarantined.height / trial.given.height, trial.use_case.config.quarantine.max_share
    if share > allowed:
        raise CheckFailedError(
            problem=f"{share:.1%} of the rows are refused, and {allowed:.1%} may be: {reasons}",
            hint="Correct Schema where the rows are right; else raise quarantine.max_share in use_case.yaml",
        )
    if verdict.accepted.is_empty():
        raise CheckFailedError(problem=f"no row is accepted: {reasons}", hint="Correct Schema")
    good, bad = verdict.accepted, _bad_rows(trial)
    mixed = pl.concat([good, bad])
    again = validate(mixed, contract, key)
    _require_sum(mixed, again.accepted, again.quarantined)
    if again.quarantined.height != bad.height or not again.accepted.equals(good):
        raise CheckFailedError(
            problem=f"of {bad.height} planted bad rows, {again.quarantined.height} were refused",
            hint="Look at the checks of Schema: each must judge its row alone, and KEY must not have a default",
        )
    seen = f"{verdict.quarantined.height} of {trial.given.height:,} rows refused" + (f" ({reasons})" if reasons else "")
    return f"{seen}; {bad.height} planted ones too"


def _bad_rows(trial: Trial) -> pl.DataFrame:
    """A good row once more, and once for each column that may not be null without its value."""
    first = trial.accepted.head(1)
    columns = trial.use_case.schema.to_schema().columns
    missing = [
        first.with_columns(pl.lit(None, dtype).alias(name))
        for name, dtype in first.schema.items()
        if not columns[name].nullable
    ]
    return pl.concat([first, *missing])


def _ingested(trial: Trial, source: Source) -> pl.DataFrame:
    """What ingest gives, as a stage takes it in: text where batches differ."""
    batches = trial.steps.ingest(source, trial.params, None)
    raw, refused = trial.lake.staging(f"raw/{trial.name}"), trial.lake.staging(f"quarantine/{trial.name}")
    arrived = take_in(_first(batches, trial.rows * 2), source, raw, refused, "check")
    return arrived.rows.read() if arrived.rows.files else pl.DataFrame()


def _first(batches: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    for batch in batches:
        if not isinstance(batch, pl.DataFrame):
            problem = f"ingest yields {type(batch).__name__}, not Polars data frames"
            raise CheckFailedError(problem=problem, hint="Yield batches: yield from source.read(since)")
        yield batch.head(rows)
        rows -= batch.height
        if rows <= 0:
            return


def _require_all(read: int, given: int) -> None:
    if given < read:
        raise CheckFailedError(
            problem=f"ingest loses {read - given:,} of {read:,} rows that the source gave",
            hint="Do not filter in ingest: what Schema refuses is kept with its reason, what training does not need "
            "is left out in build_features",
        )


def _require_sum(given: pl.DataFrame, accepted: pl.DataFrame, refused: pl.DataFrame) -> None:
    if accepted.height + refused.height != given.height:
        problem = f"of {given.height:,} rows {accepted.height:,} are accepted and {refused.height:,} refused"
        raise CheckFailedError(problem=problem, hint="Each must be one of both: look at the checks of Schema")
