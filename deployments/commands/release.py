"""`sluice history`, `promote` and `rollback`: which version is champion, since when, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sluice.promotions import Promotion, PromotionHistory

Model = Annotated[str, typer.Argument(help="The use case, which is its model's name.", metavar="USE_CASE")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Kept in the history.")]


def add_to(app: typer.Typer) -> None:
    for command in (history, promote, rollback):
        app.command(rich_help_panel="Models")(command)


def history(
    use_case: Model,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")] = False,
) -> None:
    """Show which version was champion from when to when, who or what made it so, and on which numbers.

    [bold]Examples[/bold]

      sluice history movies
      sluice history movies --json | jq -r '.[] | select(.until == null).version'
    """
    from deployments.terminal import console, print_json
    from sluice.errors import UseCaseNotFoundError
    from sluice.use_case import discover

    promotions = _promotions()
    promotions.reconcile(use_case)
    reigns = promotions.history(use_case)
    installed = discover()
    if not reigns and use_case not in installed:
        raise UseCaseNotFoundError(name=use_case, known=", ".join(installed) or "none")
    if as_json:
        print_json([reign.model_dump(mode="json") for reign in reigns])
        return
    if not reigns:
        console.print(f"{use_case} has had no champion yet. Train one: sluice run {use_case}")
        return
    for reign in reigns:
        _print_reign(reign)


def promote(
    use_case: Model,
    version: Annotated[str, typer.Argument(help="A registered version's number.")],
    reason: Reason = "promoted by hand",
) -> None:
    """Make a version champion by hand, past the gate. Serving takes it up by itself.

    [bold]Example[/bold]

      sluice promote movies 3 --reason "agreed with the editors"
    """
    _say(_promotions().promote(use_case, version, by=_user(), reason=reason))


def rollback(
    use_case: Model,
    to: Annotated[str | None, typer.Option("--to", help="A version; the champion before this one if left out.")] = None,
    reason: Reason = "rolled back by hand",
) -> None:
    """Go back to the champion before this one. Serving takes it up by itself.

    [bold]Examples[/bold]

      sluice rollback movies --reason "recommends what is sold out"
      sluice rollback movies --to 2
    """
    from deployments.errors import RollbackImpossibleError

    promotions = _promotions()
    promotions.reconcile(use_case)
    if to is None:
        champion = promotions.champion(use_case)
        if champion is None or champion.previous is None:
            raise RollbackImpossibleError(
                model=use_case, problem="it has no champion" if champion is None else "its champion is the first"
            )
        to = champion.previous
    _say(promotions.promote(use_case, to, by=_user(), reason=reason))


def _promotions() -> "PromotionHistory":
    from deployments.local.environment import join
    from deployments.local.record import current_stack
    from sluice.documents import open_documents
    from sluice.models import open_registry
    from sluice.promotions import PromotionHistory

    record, settings = current_stack()
    join(record)
    return PromotionHistory(open_documents(settings), open_registry(settings))


def _user() -> str:
    import getpass

    return getpass.getuser()


def _say(promotion: "Promotion") -> None:
    from deployments.terminal import console

    before = f" (before it: {promotion.previous})" if promotion.previous else ""
    console.print(f"{promotion.model}@{promotion.version} is champion{before}.")


def _print_reign(reign: "Promotion") -> None:
    from rich.markup import escape

    from deployments.terminal import console

    until = f"{reign.until.astimezone():%Y-%m-%d %H:%M:%S}" if reign.until else "[green]now[/green]"
    since = f"{reign.since.astimezone():%Y-%m-%d %H:%M:%S}"
    console.print(f"[bold]{reign.model}@{reign.version}[/bold]  {since} to {until}")
    console.print(f"  by      {escape(reign.by)}", soft_wrap=True)
    console.print(f"  because {escape(reign.reason)}", soft_wrap=True)
    for name, value in sorted(reign.metrics.items()):
        before = reign.champion_metrics.get(name)
        console.print(f"  {name:<20} {value:.4f}" + ("" if before is None else f"  (before: {before:.4f})"))
