"""`sluice data`: the versions of a use case's tables, and the rows that were refused."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sluice.dataset import Dataset
    from sluice.lake import Lake
    from sluice.quarantine import Quarantine
    from sluice.use_case import UseCase

UseCaseName = Annotated[str, typer.Argument(help="Its name; sluice use-cases lists them.", metavar="USE_CASE")]
Table = Annotated[str, typer.Option(help="raw, features, quarantine or scores.", metavar="TABLE")]
Version = Annotated[str, typer.Option(help="A version's number or a moment; the latest, if not given.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]
TABLES = ("raw", "features", "quarantine", "scores")
# What a version's metadata says of where it came from.
ORIGINS = tuple(
    f"sluice.{name}" for name in ("raw", "source", "window", "replayed", "quarantined", "table", "model", "failed")
)

data = typer.Typer(no_args_is_help=True, help="See the versions of the data, and the rows that were refused.")


def add_to(app: typer.Typer) -> None:
    app.add_typer(data, name="data", rich_help_panel="Use cases")


@data.command("list")
def list_versions(use_case: UseCaseName, as_json: AsJson = False) -> None:
    """List the versions of a use case's tables, newest first, with what they came from.

    [bold]Examples[/bold]

      sluice data list movies
      sluice data list movies --json | jq '.[] | select(.table == "raw/movies")'
    """
    from deployments.terminal import console, print_json, titled_table

    lake = _lake()
    _use_case(use_case)
    found = [version for kind in TABLES for version in lake.versions(f"{kind}/{use_case}")]
    if as_json:
        print_json([version.model_dump(mode="json") for version in found])
        return
    if not found:
        console.print(f"{use_case} has no data yet. Get it: sluice run {use_case} --flow ingest")
        return
    table = titled_table("version", "made (UTC)", "rows", "how", "from")
    for version in found:
        origin = [
            f"{name.removeprefix('sluice.')} {version.metadata[name]}" for name in ORIGINS if name in version.metadata
        ]
        made = f"{version.created_at:%Y-%m-%d %H:%M:%S}"
        named = f"{version.table}@{version.version}"
        table.add_row(named, made, f"{version.rows:,}", version.mode, ", ".join(origin))
    console.print(table)


@data.command()
def show(use_case: UseCaseName, table: Table = "raw", version: Version = "", as_json: AsJson = False) -> None:
    """Describe one version: types, nulls, distinct values and range of each column.

    [bold]Examples[/bold]

      sluice data show movies
      sluice data show movies --table features --version 0
      sluice data show movies --version 2026-11-21T09:30
    """
    from deployments.terminal import console, print_json, titled_table
    from flows.profile import profile

    dataset = _dataset(_lake(), use_case, table, version)
    columns = profile(dataset)
    if as_json:
        print_json({"version": str(dataset.ref), "rows": dataset.rows, "columns": columns})
        return
    size = sum(file.size for file in dataset.files)
    console.print(f"{dataset.ref}: {dataset.rows:,} rows in {len(dataset.files)} files of {size / 1e6:,.1f} MB")
    printed = titled_table("column", "type", "nulls", "distinct (about)", "min", "max")
    for column in columns:
        values = (column[name] for name in ("column", "type", "nulls", "distinct (about)", "min", "max"))
        printed.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in values))
    console.print(printed)


@data.command()
def sample(
    use_case: UseCaseName,
    table: Table = "raw",
    version: Version = "",
    rows: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same rows.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print some rows of one version, chosen at random.

    [bold]Example[/bold]

      sluice data sample movies --rows 5
    """
    from deployments.terminal import print_json

    frame = _dataset(_lake(), use_case, table, version).read()
    chosen = frame.sample(min(rows, frame.height), seed=seed)
    if as_json:
        print_json(chosen.to_dicts())
    else:
        _print_frame(chosen)


@data.command()
def diff(
    use_case: UseCaseName,
    old: Annotated[str, typer.Argument(help="A version's number, or a moment.", metavar="OLD")],
    new: Annotated[str, typer.Argument(help="Another; the latest, if not given.", metavar="[NEW]")] = "",
    table: Table = "raw",
    as_json: AsJson = False,
) -> None:
    """Compare two versions: rows that were added, removed and changed by their key, and the columns.

    [bold]Examples[/bold]

      sluice data diff movies 0
      sluice data diff movies 0 3 --table features
    """
    from deployments.terminal import console, print_json
    from sluice.difference import difference

    lake = _lake()
    before, after = _dataset(lake, use_case, table, old), _dataset(lake, use_case, table, new)
    found = difference(before, after, _use_case(use_case).key)
    if as_json:
        print_json({"old": str(before.ref), "new": str(after.ref), **found.as_dict()})
        return
    console.print(f"{before.ref} -> {after.ref}")
    console.print(f"  {found.added:,} rows added, {found.removed:,} removed, {found.changed:,} changed")
    for change in found.columns:
        console.print(f"  column {change}")
    if found.examples.height:
        _print_frame(found.examples)


@data.command()
def quarantine(
    use_case: UseCaseName,
    reason: Annotated[str, typer.Option(help="Only those with this in their reason.")] = "",
    rows: Annotated[int, typer.Option(min=1, help="How many to print.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="Those that were replayed too.")] = False,
    export: Annotated[str, typer.Option(help="Write all of them to this JSON lines file, to correct them.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show the rows that broke the contract, newest first, with the reason.

    To get one in after all, export them, correct the file and replay it.

    [bold]Examples[/bold]

      sluice data quarantine movies
      sluice data quarantine movies --reason rating --export refused.jsonl
      sluice data replay movies refused.jsonl
    """
    import json
    from collections import Counter
    from itertools import islice

    from deployments.terminal import console, print_json, titled_table
    from sluice.quarantine import ID

    found = list(_quarantine(use_case).rows(reason, replayed=everything))
    if export:
        lines = [json.dumps({ID: refused.id, **refused.row}, ensure_ascii=False) for refused in found]
        with open(export, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        console.print(f"Wrote {len(found)} rows. When they are corrected: sluice data replay {use_case} {export}")
        return
    if as_json:
        print_json([{"id": one.id, "reason": one.reason, "at": one.at, "row": one.row} for one in found])
        return
    if not found:
        console.print(f"No row of {use_case} is in quarantine.")
        return
    counts = Counter(refused.reason for refused in found).most_common(5)
    console.print(f"{len(found)} rows: " + ", ".join(f"{text} ({count})" for text, count in counts), markup=False)
    table = titled_table("id", "refused (UTC)", "reason", "row")
    for refused in islice(found, rows):
        table.add_row(refused.id, f"{refused.at:%Y-%m-%d %H:%M}", refused.reason, json.dumps(refused.row))
    console.print(table, markup=False)


@data.command()
def replay(
    use_case: UseCaseName,
    file: Annotated[
        typer.FileText, typer.Argument(help="Corrected rows, as --export wrote them; - for standard input.")
    ],
) -> None:
    """Put corrected rows through the contract again, and into the raw table.

    Exit code 0 when all were accepted, 1 when some are still refused.

    [bold]Example[/bold]

      sluice data replay movies refused.jsonl
    """
    import getpass
    import json

    from deployments.terminal import console

    rows: list[dict[str, Any]] = []
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise typer.BadParameter(f"line {number} is not JSON: {error}", param_hint="FILE") from None
        if not isinstance(row, dict):
            raise typer.BadParameter(f"line {number} is no object with a value a column", param_hint="FILE")
        rows.append(row)
    done = _quarantine(use_case).replay(rows, by=getpass.getuser())
    console.print(f"{done.accepted} rows were added, {done.known} were there already.")
    for refused in done.refused:
        console.print(f"  still refused: {json.dumps(refused, default=str)}", markup=False, soft_wrap=True)
    if done.refused:
        raise typer.Exit(1)


@data.command()
def prune(
    use_case: UseCaseName,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest versions of each table stay.")] = 10,
    older_than: Annotated[int, typer.Option(min=0, help="Hours; younger files stay.")] = 7 * 24,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Free the disk of old versions. One that a registered model was made from never goes.

    A raw table only grows, so its old versions are a part of the newest one and
    stay readable.

    [bold]Examples[/bold]

      sluice data prune movies --dry-run
      sluice data prune movies --last 3
    """
    from dataclasses import asdict

    from deployments.local.record import current_stack
    from deployments.terminal import console, print_json
    from sluice.models import open_registry
    from sluice.retention import prune as free

    _use_case(use_case)
    registry = open_registry(current_stack()[1])
    pruned = free(_lake(), registry, use_case, last=last, keep_hours=older_than, dry_run=dry_run)
    if as_json:
        print_json([asdict(table) for table in pruned])
        return
    verb = "would go" if dry_run else "are gone"
    for table in pruned:
        named = ", ".join(map(str, table.gone)) or "none"
        console.print(f"{table.table}: {len(table.kept)} versions stay; {verb}: {named} ({len(table.files)} files)")


def _lake() -> "Lake":
    from deployments.local.record import current_stack
    from sluice.lake import Lake

    return Lake.from_settings(current_stack()[1])


def _use_case(name: str) -> "UseCase":
    from sluice.use_case import load_use_case

    return load_use_case(name)


def _quarantine(name: str) -> "Quarantine":
    from deployments.local.record import current_stack
    from sluice.documents import open_documents
    from sluice.quarantine import Quarantine

    return Quarantine(_use_case(name), _lake(), open_documents(current_stack()[1]))


def _dataset(lake: "Lake", use_case: str, table: str, version: str) -> "Dataset":
    if table not in TABLES:
        raise typer.BadParameter(f"there is no table {table!r}; there are {', '.join(TABLES)}", param_hint="--table")
    _use_case(use_case)
    name = f"{table}/{use_case}"
    return lake.dataset(lake.at(name, version) if version else lake.latest_or_raise(name))


def _print_frame(frame: Any) -> None:
    from deployments.terminal import console, titled_table

    table = titled_table(*frame.columns)
    for row in frame.iter_rows():
        table.add_row(*("" if value is None else str(value)[:60] for value in row))
    console.print(table, markup=False)
