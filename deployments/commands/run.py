"""`sluice run`: a use case's flow, started and watched."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from deployments.runs import FlowRun, PrefectRuns


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Use cases")(run)


def run(
    use_case: Annotated[str, typer.Argument(help="Its name; sluice use-cases lists them.", metavar="USE_CASE")],
    flow: Annotated[
        str, typer.Option(help="pipeline, or one stage: ingest, features, train, evaluate.", metavar="FLOW")
    ] = "pipeline",
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="Over params in use_case.yaml, as NAME=VALUE.", metavar="NAME=VALUE"),
    ] = None,
    inline: Annotated[
        bool, typer.Option("--inline", help="Run in this process instead, for a debugger and print statements.")
    ] = False,
) -> None:
    """Run a use case: start its deployment and watch the stages.

    Stages whose inputs, parameters and code did not change are skipped. Exit code 0 when it completed, 1 when not.

    [bold]Examples[/bold]

      sluice run movies
      sluice run movies --flow train -p candidates='[200, 400]'
      sluice run movies --inline
    """
    from deployments.local.environment import join
    from deployments.local.record import current_stack
    from deployments.watch import watch

    record, settings = current_stack()
    join(record)
    parameters: dict[str, Any] = {"use_case": use_case}
    if param:
        parameters["params"] = dict(_parsed(item) for item in param)
    if inline:
        _run_inline(flow, parameters)
        return
    from deployments.runs import PrefectRuns
    from sluice.use_case import discover

    _check_name(use_case, list(discover()))
    with PrefectRuns(settings.prefect.url) as prefect:
        started = prefect.start(f"{flow}/{use_case}", parameters)
        try:
            finished = watch(prefect, started, flow)
        except KeyboardInterrupt:
            _say_it_goes_on(started, record.prefect_ui)
            raise typer.Exit(130) from None
        print_end(prefect, finished, record.prefect_ui)
    raise typer.Exit(0 if finished.completed else 1)


def _check_name(name: str, installed: list[str]) -> None:
    from sluice.errors import UseCaseNotFoundError

    if name not in installed:
        raise UseCaseNotFoundError(name=name, known=", ".join(installed) or "none")


def _parsed(item: str) -> tuple[str, Any]:
    import yaml

    name, equals, value = item.partition("=")
    if not equals:
        raise typer.BadParameter(f"{item!r} has no '='; write NAME=VALUE, such as -p lambda_=400", param_hint="--param")
    return name, yaml.safe_load(value)


def _run_inline(flow: str, parameters: dict[str, Any]) -> None:
    from deployments.terminal import console
    from sluice.errors import SluiceError

    try:
        state = _flow(flow)(**parameters, **({"inline": True} if flow == "pipeline" else {}), return_state=True)
    except SluiceError:
        raise
    if not state.is_completed():
        console.print(f"[red]{state.name}[/red] {state.message or ''}")
        raise typer.Exit(1)
    console.print(f"{flow}/{parameters['use_case']} completed.")


def _flow(name: str) -> Any:
    from importlib import import_module

    from sluice.use_case import Flow

    known = Flow.__args__  # type: ignore[attr-defined]
    if name not in known:
        raise typer.BadParameter(f"there is no flow {name!r}; there are {', '.join(known)}", param_hint="--flow")
    return getattr(import_module(f"flows.{name}"), name)


def _say_it_goes_on(run: "FlowRun", ui: str) -> None:
    from deployments.terminal import console

    console.print(f"It runs on: {ui}/runs/flow-run/{run.id}\nStop it: prefect flow-run cancel {run.id}", soft_wrap=True)


def print_end(prefect: "PrefectRuns", run: "FlowRun", ui: str) -> None:
    """Where the run can be looked at; if it did not complete, why, in as few lines as possible."""
    from rich.markup import escape

    from deployments.terminal import console

    if not run.completed:
        console.print(f"[bold red]{run.state_name}[/bold red] {escape(run.message)}", soft_wrap=True)
        for problem in _problems(prefect, run):
            console.print(f"  {escape(problem)}", soft_wrap=True, style="dim")
    console.print(f"{ui}/runs/flow-run/{run.id}", soft_wrap=True, style="dim")


def _problems(prefect: "PrefectRuns", run: "FlowRun") -> list[str]:
    """The errors in the logs of a run and its stages: of a traceback the last line, and each only once."""
    log = prefect.log([run.id, *(child.id for child in prefect.children(run.id))])
    last_lines = (line.strip().splitlines()[-1].strip() for line in log if line.strip())
    return [line for line in dict.fromkeys(last_lines) if line not in run.message]
