"""Which versions of a use case's tables stay: those that a registered model was made from, and the newest ones."""

from dataclasses import dataclass

from sluice.lake import Lake
from sluice.models import ModelRegistry
from sluice.references import TableRef

# Of the flow `train`, on each version it registers.
FEATURES = "sluice.features"
# Of the flow `features`, in the metadata of each version it writes.
RAW = "sluice.raw"
TABLES = ("raw", "features", "quarantine", "scores")


@dataclass(frozen=True)
class Pruned:
    """What became of one table: the versions that stay, those that went, and the files that were removed."""

    table: str
    kept: tuple[int, ...]
    gone: tuple[int, ...]
    files: tuple[str, ...]


def prune(
    lake: Lake,
    registry: ModelRegistry,
    use_case: str,
    *,
    last: int = 10,
    keep_hours: int = 7 * 24,
    dry_run: bool = False,
) -> list[Pruned]:
    """Remove the files of versions that nothing needs, table by table.

    A raw table only grows, so its old versions are parts of the newest and cost nothing: they stay readable.

    Args:
        last: how many of the newest versions of each table stay.
        keep_hours: files younger than this stay, whatever names them.
    """
    named = _named_by_models(lake, registry, use_case)
    result = []
    for kind in TABLES:
        table = f"{kind}/{use_case}"
        readable = [version.version for version in lake.versions(table) if lake.exists(_ref(table, version.version))]
        kept = {*readable[:last], *(ref.version for ref in named if ref.table == table)}
        files = frozenset(lake.prune(table, kept, keep_hours=keep_hours, dry_run=True) if readable else ())
        gone = {
            number for number in readable if any(file.path in files for file in lake.dataset(_ref(table, number)).files)
        }
        if files and not dry_run:
            lake.prune(table, kept, keep_hours=keep_hours)
        left = tuple(sorted(set(readable) - gone))
        result.append(Pruned(table, left, tuple(sorted(gone)), tuple(sorted(files))))
    return result


def _named_by_models(lake: Lake, registry: ModelRegistry, use_case: str) -> set[TableRef]:
    """The features that models were trained on, and the raw rows these were built from."""
    features = {
        TableRef.parse(version.tags[FEATURES]) for version in registry.versions(use_case) if FEATURES in version.tags
    }
    raw = set()
    for ref in features:
        origins = {entry.version: entry.metadata.get(RAW) for entry in lake.versions(ref.table)}
        if (origin := origins.get(ref.version)) is not None:
            raw.add(TableRef.parse(origin))
    return features | raw


def _ref(table: str, version: int) -> TableRef:
    return TableRef(table=table, version=version)
