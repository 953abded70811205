"""A use case that is quick, and that does on request what goes wrong in real ones."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
from loguru import logger
from pydantic import BaseModel

from sluice.holdout import is_holdout
from tiny.blurting import blurt
from tiny.busy import be_busy, fail_some_times

KEY = ("id",)
TIME = "id"  # as seconds since 1970


class Params(BaseModel, extra="forbid"):
    slope: float = 2.0
    rows: int = 1000
    bad_rows: int = 1
    partitions: int = 1
    offset: int = 0  # of the ids, so that a test has rows of its own
    fail_while: str = ""  # a file: while it exists, train fails
    blurt: str = ""  # train logs the values of environment variables that begin so, and fails saying them
    sleep_while: str = ""  # a file: while it exists, train goes on sleeping
    kill_worker_once: str = ""  # a file: when it exists, train removes it and kills the worker that it runs on
    busy: str = ""  # how ingest is busy, while the file exists
    busy_file: str = ""
    fail_times: int = 0  # how often ingest fails before it does not; the file counts
    fail_file: str = ""


class Schema(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    x: float
    y: float


def ingest(source: Any, params: Params, since: str | None) -> Iterator[pl.DataFrame]:
    be_busy(params.busy, params.busy_file)
    fail_some_times(params.fail_times, params.fail_file)
    size = params.rows // params.partitions
    for start in range(0, params.rows, size):
        n = pl.int_range(start, start + size, eager=True)
        bad = (n > 0) & (n <= params.bad_rows)
        yield pl.DataFrame({"n": n, "bad": bad}).select(
            id=pl.when("bad").then(-pl.col("n")).otherwise(params.offset + pl.col("n")),
            x=pl.col("n") / params.rows,
            y=params.slope * pl.col("n") / params.rows,
        )


def square(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(x2=pl.col("x") ** 2)


def build_features(raw: Any, params: Params, compute: Any) -> Any:
    logger.info("building features of {} rows", raw.rows)
    return compute.transform(raw, square)


def split(features: Any, params: Params) -> tuple[Any, Any]:
    held_out = is_holdout(KEY, 0.25)
    return features.where(~held_out), features.where(held_out)


def distance(candidate: float, train: Any) -> float:
    logger.info("candidate {}", candidate)
    return abs(candidate - 2)


def search(train: Any, params: Params, compute: Any) -> Params:
    compute.search(distance, [1.0, 2.0, 3.0], train)
    return params


def train(train: Any, params: Params, compute: Any) -> Any:
    from sklearn.linear_model import LinearRegression

    blurt(params.blurt)
    if params.fail_while and Path(params.fail_while).exists():
        raise RuntimeError("train was told to fail")
    marker = Path(params.kill_worker_once)
    if params.kill_worker_once and marker.exists():
        marker.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    while params.sleep_while and Path(params.sleep_while).exists():
        time.sleep(0.1)
    rows = train.read()
    return LinearRegression().fit(rows.select("x").to_pandas(), rows["y"].to_numpy())


def example(train: Any, params: Params) -> Any:
    return train.read().select("x").head(3).to_pandas()


def artifacts(model: Any, holdout: Any, params: Params) -> dict[str, Any]:
    return {"ids": holdout.read()["id"].sort().to_list()}


def evaluate(model: Any, holdout: Any, params: Params) -> dict[str, float]:
    rows = holdout.read()
    predicted = model.predict(rows.select("x").to_pandas())
    return {"error": float(abs(predicted - rows["y"].to_numpy()).mean())}
