"""`sluice history`, `promote` and `rollback`: which version is champion, since when, and why."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sluice.promotions import Promotion, PromotionHistory

Model = Annotated[str, typer.Argument(help="The use case, which is its model's name.", metavar="USE_CASE")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Kept in the history.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]


def add_to(app: typer.Typer) -> None:
    for command in (history, promote, rollback):
        app.command(rich_help_panel="Models")(command)


def history(
    use_case: Model,
    as_json: AsJson = False,
) -> None:
    """Show which version was champion from when to when, who or what made it so, and on which numbers.

    [bold]Examples[/bold]

      sluice history movies
      sluice history movies --json | jq -r '.[] | select(.until == null).version'
    """
    from deployments.terminal import console, print_json
    from sluice.errors import UseCaseNotFoundError
    from sluice.use_case import discover

    opened = promotions()
    opened.reconcile(use_case)
    reigns = opened.history(use_case)
    installed = discover()
    if not reigns and use_case not in installed:
        raise UseCaseNotFoundError(name=use_case, known=", ".join(installed) or "none")
    if as_json:
        print_json([_plain(reign) for reign in reigns])
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
    to_env: Annotated[
        str,
        typer.Option("--to-env", help="Not here: register it as challenger there.", metavar="ENVIRONMENT"),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make a version champion by hand, past the gate. Serving takes it up by itself.

    With --to-env the version is registered in another environment as it is, with
    its parameters, its numbers and where it is from. There it is challenger: that
    environment's gate decides. SLUICE_MLFLOW__ENVIRONMENTS names its MLflow.

    Exit code 0 when it is done, 1 when there is no such version or
    environment.

    [bold]Examples[/bold]

      sluice promote movies 3 --reason "agreed with the editors"
      sluice promote movies 3 --to-env prod --json | jq -r .to_version
      sluice promote movies 3 --json | jq -r .previous
    """
    if to_env:
        _send(use_case, version, to_env, reason, as_json)
    else:
        _say(promotions().promote(use_case, version, by=_user(), reason=reason), as_json)


def rollback(
    use_case: Model,
    to: Annotated[str | None, typer.Option("--to", help="A version; the champion before this one if left out.")] = None,
    reason: Reason = "rolled back by hand",
    as_json: AsJson = False,
) -> None:
    """Go back to the champion before this one. Serving takes it up by itself.

    Twice goes back two champions. Exit code 0 when it is done, 1 when there is
    nothing to go back to.

    [bold]Examples[/bold]

      sluice rollback movies --reason "recommends what is sold out"
      sluice rollback movies --to 2
      sluice rollback movies --json | jq -r .version
    """
    _say(promotions().rollback(use_case, to=to, by=_user(), reason=reason), as_json)


def _send(use_case: str, version: str, to_env: str, reason: str, as_json: bool) -> None:
    from deployments.local.environment import join
    from deployments.local.record import current_stack
    from deployments.terminal import console, print_json
    from sluice.model_transfer import transfer

    record, settings = current_stack()
    join(record)
    sent = transfer(settings, use_case, version, to_env, by=_user(), reason=reason)
    if as_json:
        print_json(sent.model_dump(mode="json"))
        return
    console.print(
        f"{use_case}@{sent.version} of {sent.environment} is {use_case}@{sent.to_version} in {to_env}, its challenger. "
        f"The gate there decides: sluice run {use_case} --flow evaluate",
        soft_wrap=True,
    )


def promotions() -> "PromotionHistory":
    """Of the stack that is up in this folder."""
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


def _plain(promotion: "Promotion") -> dict[str, Any]:
    """As JSON has it: a metric that is not a number is null."""
    import json

    return dict(json.loads(promotion.model_dump_json()))


def _say(promotion: "Promotion", as_json: bool) -> None:
    from deployments.terminal import console, print_json

    if as_json:
        print_json(_plain(promotion))
        return
    before = f" (before it: {promotion.previous})" if promotion.previous else ""
    console.print(f"{promotion.model}@{promotion.version} is champion{before}.")


def _print_reign(reign: "Promotion") -> None:
    from rich.markup import escape

    from deployments.terminal import console

    until = f"{reign.until.astimezone():%Y-%m-%d %H:%M:%S}" if reign.until else "[green]now[/green]"
    since = f"{reign.since.astimezone():%Y-%m-%d %H:%M:%S}"
    back = "  (rolled back to)" if reign.rollback else ""
    console.print(f"[bold]{reign.model}@{reign.version}[/bold]  {since} to {until}{back}")
    console.print(f"  by      {escape(reign.by)}", soft_wrap=True)
    console.print(f"  because {escape(reign.reason)}", soft_wrap=True)
    for name, value in sorted(reign.metrics.items()):
        before = reign.champion_metrics.get(name)
        console.print(f"  {name:<20} {value:.4f}" + ("" if before is None else f"  (before: {before:.4f})"))
