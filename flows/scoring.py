"""The rows of a table to the files of its predictions, partition by partition on the cluster."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from threading import Lock
from typing import Any

import polars as pl
from loguru import logger
from mlflow.pyfunc import PyFuncModel

from flows.answer import MODEL_VERSION, RESERVED, SCORED_AT
from flows.asking import Asking, TooManyRefusedError
from flows.platform import platform
from flows.question import Question
from flows.scored import Scored
from sluice.compute import Compute, regroup
from sluice.dataset import DataFile, Dataset, Partition
from sluice.errors import ModelLoadFailedError, ScoreFailuresExceededError, SluiceError
from sluice.references import ModelRef, TableRef
from sluice.staging import Staging

# Answers that wait for their file: a recommender's lists of titles make a row of a kilobyte.
_FILE_BYTES = 64 << 20


@dataclass(frozen=True)
class Job:
    """What a worker needs to know beside its partition.

    Attributes:
        run: MLflow's, that logged the model: a version that was removed and made again is another model.
        max_share: of the rows that may have no answer.
        at: when the rows were scored, one moment for all of a version (UTC).
    """

    table: TableRef
    model: ModelRef
    run: str
    params: Mapping[str, Any]
    question: Question
    chunk_rows: int
    max_share: float
    at: datetime

    def exceeded(self, reasons: Counter[str], rows: int) -> ScoreFailuresExceededError:
        named = ", ".join(f"{reason} ({n})" for reason, n in reasons.most_common(5))
        return ScoreFailuresExceededError(
            table=str(self.table),
            model=str(self.model),
            failed=reasons.total(),
            rows=rows,
            max_share=self.max_share,
            reasons=named,
        )


def loaded(model: ModelRef, run: str) -> PyFuncModel:
    """The model, once a process: all partitions of a run find it here, and those of the next one with it.

    Raises:
        ModelLoadFailedError: it cannot be read or unpickled here.
        ServiceUnavailableError: the registry does not answer.
    """
    with _loading:
        return _load(model.name, model.version, run)


_loading = Lock()


# One: a worker lives as long as its cluster, and would keep every model that it ever scored with.
@lru_cache(maxsize=1)
def _load(name: str, version: str, run: str) -> PyFuncModel:
    try:
        return platform().registry.load(name, version)
    except SluiceError:
        raise
    except Exception as error:  # unpickling runs the model's code
        problem = f"{type(error).__name__}: {error}"
        raise ModelLoadFailedError(name=name, version=version, problem=problem) from error


def score_table(dataset: Dataset, job: Job, staging: Staging, compute: Compute) -> Scored:
    """Ask about every row of a table that has some; the files' rows are what was asked, and what was answered.

    Raises:
        ScoreFailuresExceededError: a larger share than ``job.max_share`` has no answer.
    """
    started = time.monotonic()
    partitions = dataset.partitions()
    if job.question.distinct:
        columns = job.question.columns
        fewer = staging.dataset(compute.map(_distinct, partitions, columns, staging))
        partitions = regroup(compute, staging, fewer, columns)
    rows = sum(partition.rows for partition in partitions)
    parts = compute.map(_score, partitions, job, rows, staging)
    reasons: Counter[str] = Counter()
    for _, counted in parts:
        reasons.update(counted)
    files = _of_one_schema([file for written, _ in parts for file in written], staging, compute)
    predictions = staging.dataset(files)
    if reasons.total() > job.max_share * predictions.file_rows:
        raise job.exceeded(reasons, predictions.file_rows)
    return Scored(predictions, dict(reasons), time.monotonic() - started)


def _distinct(partition: Partition, columns: Sequence[str], staging: Staging) -> DataFile:
    return staging.write_exchange(partition.scan().select(columns).unique().collect())


_Written = tuple[DataFile, pl.Schema]


def _score(partition: Partition, job: Job, rows: int, staging: Staging) -> tuple[list[_Written], Counter[str]]:
    """One partition, a chunk at a time; answers go into a file whenever there are enough of them."""
    started = time.monotonic()
    model = loaded(job.model, job.run)
    predict = partial(model.predict, params=dict(job.params) or None)
    asking = Asking(predict, job.question, job.model, allowed=int(job.max_share * rows))
    written: list[_Written] = []
    waiting: list[pl.DataFrame] = []

    def flush() -> None:
        if waiting:
            answered = pl.concat(waiting, how="diagonal_relaxed").with_columns(
                pl.lit(job.model.version).alias(MODEL_VERSION), pl.lit(job.at).alias(SCORED_AT)
            )
            ordered = answered.select(pl.exclude(RESERVED), *RESERVED)
            written.append((staging.write(ordered), ordered.schema))
            waiting.clear()

    try:
        for chunk in _chunks(partition, job):
            waiting.append(asking.ask(chunk))
            if sum(frame.estimated_size() for frame in waiting) > _FILE_BYTES:
                flush()
    except TooManyRefusedError:
        raise job.exceeded(asking.reasons, rows) from None
    flush()
    done, seconds = sum(file.rows for file, _ in written), time.monotonic() - started
    logger.info("scored {:,} rows in {:.1f} s, {:,} without an answer", done, seconds, asking.reasons.total())
    return written, asking.reasons


def _chunks(partition: Partition, job: Job) -> Iterator[pl.DataFrame]:
    scan = partition.scan().select(job.question.columns)
    if job.question.distinct:
        scan = scan.unique()  # those of several files came together only now
    for batch in scan.collect_batches(chunk_size=job.chunk_rows, lazy=True):
        yield from batch.iter_slices(job.chunk_rows)


def _of_one_schema(written: Sequence[_Written], staging: Staging, compute: Compute) -> list[DataFile]:
    """The files, those rewritten whose answers were of other types, such as all None, or none at all."""
    empty = [pl.DataFrame(schema=schema) for _, schema in written]
    common = pl.concat(empty, how="diagonal_relaxed").select(pl.exclude(RESERVED), *RESERVED).schema
    # A column of which nothing is known is none that a table has a type for.
    wanted = pl.Schema({name: pl.String() if dtype == pl.Null else dtype for name, dtype in common.items()})
    others = [file for file, schema in written if list(schema.items()) != list(wanted.items())]
    partitions = [Partition(staging.uri, (file,), None, staging.storage_options) for file in others]
    rewritten = dict(zip(others, compute.map(_rewrite, partitions, wanted, staging), strict=True))
    return [rewritten.get(file, file) for file, _ in written]


def _rewrite(partition: Partition, wanted: pl.Schema, staging: Staging) -> DataFile:
    frame = pl.concat([pl.DataFrame(schema=wanted), partition.read()], how="diagonal_relaxed")
    return staging.write(frame.select(list(wanted)).cast(wanted))
