"""How arrived rows are checked on the cluster, and what is told about it."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl
from loguru import logger

from flows.checked import Checked
from flows.plan import StagePlan
from flows.platform import platform
from sluice.arrival import MALFORMED, Arrived
from sluice.compute import Compute, regroup
from sluice.contracts import REASON, validate
from sluice.dataset import DataFile, Dataset, Partition
from sluice.distribution import Profile, shifts
from sluice.errors import DistributionShiftedError, QuarantineExceededError
from sluice.lake import WATERMARK
from sluice.staging import Staging
from sluice.use_case import UseCase

PROFILE = "sluice.profile"


def check(plan: StagePlan, use_case: UseCase, arrived: Arrived, compute: Compute) -> Checked:
    """Validate partitions side by side. Lines that were no rows are refused with the rest."""
    lake = platform().lake
    raw, refused = lake.staging(f"raw/{use_case.name}"), lake.staging(f"quarantine/{use_case.name}")
    latest = lake.latest(raw.table)
    stored = None if latest is None else lake.dataset(latest)
    groups = regroup(compute, raw, arrived.rows, use_case.key)
    parts = compute.map(_check_partition, groups, use_case.name, plan.key, stored, raw, refused)
    reasons: Counter[str] = Counter()
    for _, _, _, counts, *_ in parts:
        reasons.update(counts)
    if arrived.malformed.files:
        reasons[MALFORMED] += arrived.malformed.file_rows
    # A column that the use case names goes before what the source says of itself.
    marks = [mark for *_, mark, _ in parts if mark is not None]
    mark = str(max(marks)) if marks else arrived.watermark
    return Checked(
        accepted=raw.dataset([good for good, *_ in parts]),
        refused=refused.dataset([*arrived.malformed.files, *(bad for _, bad, *_ in parts)]),
        known=sum(known for _, _, known, *_ in parts),
        onto=-1 if latest is None else latest.version,
        reasons=dict(reasons),
        profile=Profile.of_parts(profile for *_, profile in parts if profile is not None),
        metadata={} if mark is None else {WATERMARK: mark},
    )


def _check_partition(
    partition: Partition, name: str, key: str, stored: Dataset | None, raw: Staging, quarantine: Staging
) -> tuple[DataFile, DataFile, int, dict[str, int], Any, Profile | None]:
    from sluice.use_case import load_use_case

    use_case = load_use_case(name)
    frame = partition.read()
    verdict = validate(frame, use_case.schema, use_case.key)
    new = verdict.accepted if stored is None else stored.unknown(verdict.accepted, use_case.key)
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
        Profile.of(new.lazy()) if new.height else None,
    )


def check_again(use_case: UseCase, checked: Checked, compute: Compute) -> Checked:
    """Leave out what somebody else has written since the check, such as another ingest at the same time."""
    lake = platform().lake
    raw = lake.staging(f"raw/{use_case.name}")
    stored = lake.dataset(lake.latest_or_raise(raw.table))
    assert stored.version is not None
    partitions = checked.accepted.partitions()
    kept = raw.dataset(compute.map(_still_unknown, partitions, stored, raw, use_case.key))
    known = checked.known + checked.accepted.file_rows - kept.file_rows
    profile = profiled(kept, compute)
    return replace(checked, accepted=kept, known=known, onto=stored.version, profile=profile)


def newly_refused(refused: Dataset, compute: Compute) -> Dataset:
    """Without those that are in quarantine already: a file that is read again brings its bad rows again."""
    lake = platform().lake
    quarantine = lake.staging(refused.table)
    latest = lake.latest(refused.table)
    if latest is None or not refused.files:
        return refused
    stored = lake.dataset(latest)
    return quarantine.dataset(compute.map(_still_unknown, refused.partitions(), stored, quarantine, (REASON, "row")))


def _still_unknown(partition: Partition, stored: Dataset, raw: Staging, key: tuple[str, ...]) -> DataFile:
    new = stored.unknown(partition.read(), key)
    return raw.write(new) if new.height else DataFile("", 0, 0)


def profiled(dataset: Dataset, compute: Compute) -> Profile:
    """Partition by partition, on the cluster."""
    return Profile.of_parts(compute.map(_profile, dataset.partitions()))


def _profile(partition: Partition) -> Profile:
    return Profile.of(partition.scan())


def last_profile(use_case: str) -> Profile:
    """Of the rows that the raw table has."""
    found = platform().lake.last_metadata(f"raw/{use_case}", PROFILE)
    return Profile(rows=0, arrived=0, columns={}) if found is None else Profile.model_validate_json(found)


def judge(use_case: UseCase, new: Profile) -> None:
    """Tell of what is unlike the rows before.

    Raises:
        DistributionShiftedError: by a check whose action is ``stop``.
    """
    found = shifts(last_profile(use_case.name), new, use_case.config.checks)
    for shift in found:
        logger.warning("unlike the rows before: {}", shift.text)
    stopping = [shift.text for shift in found if shift.action == "stop"]
    if stopping:
        raise DistributionShiftedError(table=f"raw/{use_case.name}", shifts="; ".join(stopping))


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
