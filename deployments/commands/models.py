"""`sluice models`: what is registered, which version of it is champion, and what each version is like."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sluice.models import ModelRegistry
    from sluice.promotions import PromotionHistory
    from sluice.version_details import VersionDetails


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Models")(models)


def models(
    name: Annotated[str, typer.Argument(help="One of them, to see its versions.", metavar="[MODEL]")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Most versions, newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")] = False,
) -> None:
    """List the registered models with their champions, or one model's versions with their numbers.

    Exit code 1 when there is no such model.

    [bold]Examples[/bold]

      sluice models
      sluice models movies
      sluice models movies --json | jq '.[] | {version, aliases, metrics}'
    """
    import json

    from deployments.commands.release import promotions
    from deployments.local.record import current_stack
    from deployments.terminal import console, print_json
    from sluice.models import open_registry

    settings = current_stack()[1]
    history = promotions()
    registry = open_registry(settings)
    if name:
        found = _versions(registry, name, limit, settings.mlflow.ui or settings.mlflow.uri)
        if as_json:
            print_json([json.loads(one.model_dump_json()) for one in found])
        else:
            _print_versions(found)
        return
    listed = [_summary(registry, history, one) for one in registry.names()]
    if as_json:
        print_json(listed)
    elif listed:
        _print_models(listed)
    else:
        console.print("No model is registered yet. Train one: sluice run movies")


def _versions(registry: "ModelRegistry", name: str, limit: int, uri: str) -> "list[VersionDetails]":
    from sluice.errors import ModelNotFoundError
    from sluice.version_details import describe

    found = registry.versions(name)
    if not found:
        known = ", ".join(registry.names()) or "none"
        raise ModelNotFoundError(name=name, wanted="in the registry", hint=f"Registered: {known}.")
    return describe(registry, found[:limit], uri)


def _summary(registry: "ModelRegistry", history: "PromotionHistory", name: str) -> dict[str, Any]:
    history.reconcile(name)
    versions = registry.versions(name)
    reign = history.champion(name)
    champion = next((one for one in versions if reign is not None and one.version == reign.version), None)
    return {
        "name": name,
        "champion": None if reign is None else reign.version,
        "since": None if reign is None else reign.since.isoformat(),
        "by": None if reign is None else reign.by,
        "newest": versions[0].version if versions else None,
        "versions": len(versions),
        "metrics": {} if champion is None else _finite(registry.metrics(champion)),
    }


def _finite(metrics: "Mapping[str, float]") -> "dict[str, float | None]":
    from math import isfinite

    return {name: value if isfinite(value) else None for name, value in metrics.items()}


def _print_models(listed: list[dict[str, Any]]) -> None:
    from datetime import datetime

    from rich.markup import escape

    from deployments.terminal import console, titled_table

    table = titled_table("model", "champion", "since", "newest", "versions", "metrics of the champion")
    for one in listed:
        since = f"{datetime.fromisoformat(one['since']).astimezone():%Y-%m-%d %H:%M:%S}" if one["since"] else ""
        champion = one["champion"] or "none yet"
        row = (one["name"], champion, since, one["newest"] or "", str(one["versions"]), _numbers(one["metrics"]))
        table.add_row(*map(escape, row))
    console.print(table)


def _print_versions(found: "list[VersionDetails]") -> None:
    from rich.markup import escape

    from deployments.terminal import console, titled_table

    table = titled_table("version", "aliases", "made", "trained on", "metrics")
    for one in found:
        tables = ", ".join(f"{used.table}@{used.version}" for used in one.inputs)
        made = f"{one.created.astimezone():%Y-%m-%d %H:%M:%S}"
        table.add_row(*map(escape, (one.version, ", ".join(one.aliases), made, tables, _numbers(one.metrics))))
    console.print(table)


def _numbers(metrics: "Mapping[str, float | None]") -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in sorted(metrics.items()) if value is not None)
