"""How arrived rows are checked on the cluster, and what is told about it."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
from loguru import logger

from flows.plan import StagePlan
from flows.platform import platform
from sluice.compute import Compute, regroup
from sluice.contracts import REASON, validate
from sluice.dataset import DataFile, Dataset, Partition
from sluice.errors import QuarantineExceededError
from sluice.lake import WATERMARK
from sluice.staging import Staging
from sluice.use_case import UseCase


@dataclass(frozen=True)
class Checked:
    """Rows by verdict. ``known`` counts rows that the table has already, which are neither written nor refused."""

    accepted: Dataset
    refused: Dataset
    known: int
    reasons: dict[str, int]
    metadata: dict[str, str] = field(default_factory=dict)


def check(plan: StagePlan, use_case: UseCase, arrived: Dataset, compute: Compute) -> Checked:
    """Validate partitions side by side."""
    lake = platform().lake
    raw, refused = lake.staging(f"raw/{use_case.name}"), lake.staging(f"quarantine/{use_case.name}")
    latest = lake.latest(raw.table)
    stored = None if latest is None else lake.dataset(latest)
    groups = regroup(compute, raw, arrived, use_case.key)
    parts = compute.map(_check_partition, groups, use_case.name, plan.key, stored, raw, refused)
    reasons: Counter[str] = Counter()
    for _, _, _, counts, _ in parts:
        reasons.update(counts)
    marks = [mark for *_, mark in parts if mark is not None]
    return Checked(
        accepted=raw.dataset([good for good, *_ in parts]),
        refused=refused.dataset([bad for _, bad, *_ in parts]),
        known=sum(known for _, _, known, *_ in parts),
        reasons=dict(reasons),
        metadata={WATERMARK: str(max(marks))} if marks else {},
    )


def _check_partition(
    partition: Partition, name: str, key: str, stored: Dataset | None, raw: Staging, quarantine: Staging
) -> tuple[DataFile, DataFile, int, dict[str, int], Any]:
    from sluice.use_case import load_use_case

    use_case = load_use_case(name)
    frame = partition.read()
    verdict = validate(frame, use_case.schema, use_case.key)
    new = verdict.accepted
    if stored is not None and new.height:
        keys = stored.scan().select(use_case.key)
        new = new.lazy().join(keys, on=use_case.key, how="anti").collect()
    counts = dict(verdict.quarantined[REASON].value_counts().iter_rows())
    if counts:
        logger.info("{} of {} rows refused", sum(counts.values()), frame.height)
    refused = verdict.quarantined.with_columns(key=pl.lit(key), at=pl.lit(datetime.now(UTC)))
    mark = getattr(use_case.steps, "WATERMARK", None)
    return (
        raw.write(new) if new.height else DataFile("", 0, 0),
        quarantine.write(refused) if refused.height else DataFile("", 0, 0),
        verdict.accepted.height - new.height,
        counts,
        verdict.accepted[mark].max() if mark and verdict.accepted.height else None,
    )


def summary(use_case: UseCase, checked: Checked) -> dict[str, Any]:
    """Counts a person wants to see.

    Raises:
        QuarantineExceededError: a larger share was refused than ``quarantine.max_share`` allows.
    """
    refused, accepted = checked.refused.file_rows, checked.accepted.file_rows
    rows = refused + accepted + checked.known
    share, allowed = (refused / rows if rows else 0.0), use_case.config.quarantine.max_share
    if share > allowed:
        reasons = ", ".join(f"{reason} ({n})" for reason, n in Counter(checked.reasons).most_common(5))
        raise QuarantineExceededError(
            table=f"raw/{use_case.name}",
            quarantined=refused,
            rows=rows,
            share=share,
            max_share=allowed,
            reasons=reasons,
        )
    return {"rows": rows, "new": accepted, "known": checked.known, "quarantined": refused, "reasons": checked.reasons}
