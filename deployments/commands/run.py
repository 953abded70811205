"""`sluice run`: a use case's flow, started and followed."""

from typing import Annotated, Any

import typer

from deployments.commands.watch import AsJson, follow, print_started


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Use cases")(run)


def run(
    use_case: Annotated[str, typer.Argument(help="Its name; sluice use-cases lists them.", metavar="USE_CASE")],
    flow: Annotated[
        str,
        typer.Option(help="pipeline, one of its stages (ingest, features, train, evaluate), or score.", metavar="FLOW"),
    ] = "pipeline",
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            help="Over params in use_case.yaml, or over score there with --flow score.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Show its progress until it is over, or only start it.")
    ] = True,
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of",
            help="Ingest nothing; take this version of what is read, or the newest at this moment.",
            metavar="VERSION|TIME",
        ),
    ] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Skip nothing, also what did not change.")] = False,
    inline: Annotated[
        bool, typer.Option("--inline", help="Run in this process instead, for a debugger and print statements.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a use case: start its deployment and watch the stages.

    Stages whose inputs, parameters and code did not change are skipped. Values of
    --param are YAML. Exit code 0 when it completed, 1 when not, 130 after Ctrl-C,
    which only ends the watching.

    [bold]Examples[/bold]

      sluice run movies
      sluice run movies --flow train -p k=20 -p 'search={l2: [200, 400]}'
      sluice run movies --no-watch
      sluice run movies --json | jq -r .state
      sluice run movies --as-of 0 --fresh
      sluice run movies --inline
      sluice run movies --flow score -p 'predict_params={k: 20}'
    """
    from deployments.local.environment import join
    from deployments.local.record import current_stack
    from observability.tracing import configure_tracing, span, traceparent
    from sluice.runs import PrefectRuns

    record, settings = current_stack()
    join(record)
    configure_tracing(settings, service="sluice")
    params = parsed_params(param)
    check_params(use_case, params, flow)
    if flow != "score":
        params = {"params": params} if params else {}
    parameters: dict[str, Any] = {"use_case": use_case, **params}
    parameters |= _as_of(flow, as_of) | _fresh(flow, fresh)
    with PrefectRuns.of(settings.prefect) as prefect:
        if inline:
            prefect.request("GET", "/health")  # one line if it is not there; Prefect's own client would say many
            _run_inline(flow, parameters)
            return
        with span(f"run {flow}/{use_case}"):
            started = prefect.start(f"{flow}/{use_case}", parameters, traceparent=traceparent())
        if watch:
            follow(prefect, started, record.prefect_ui, as_json)
        else:
            print_started(started, record.prefect_ui, as_json)


def _as_of(flow: str, as_of: str) -> dict[str, Any]:
    if not as_of:
        return {}
    names = {"pipeline": "as_of", "features": "raw_version", "score": "version"}
    if flow not in names:
        problem = f"{flow} takes no version of a table; pipeline, features and score do"
        raise typer.BadParameter(problem, param_hint="--as-of")
    return {names[flow]: as_of}


def _fresh(flow: str, fresh: bool) -> dict[str, Any]:
    from uuid import uuid4

    if not fresh:
        return {}
    return {"fresh": True if flow == "pipeline" else uuid4().hex}


def check_params(use_case: str, params: dict[str, Any], flow: str = "") -> None:
    """Find a wrong name or parameter before anything is started. Those of ``score`` are its options.

    Raises:
        UseCaseNotFoundError: naming those that are installed.
        typer.BadParameter: naming the key that is wrong, and the allowed ones.
    """
    from sluice.errors import UseCaseInvalidError, UseCaseNotFoundError
    from sluice.use_case import discover, load_use_case

    installed = discover()
    if use_case not in installed:
        raise UseCaseNotFoundError(name=use_case, known=", ".join(installed) or "none")
    if not params:
        return
    if flow == "score":
        _check_score(params)
        return
    loaded = load_use_case(use_case)
    loaded.params()  # what is wrong in the file itself is not the option's fault
    try:
        loaded.params(params)
    except UseCaseInvalidError as error:
        raise typer.BadParameter(error.problem, param_hint="--param") from None


def _check_score(options: dict[str, Any]) -> None:
    from pydantic import ValidationError

    from sluice.explanation import explain
    from sluice.score_options import ScoreOptions

    try:
        ScoreOptions.model_validate(options)
    except ValidationError as error:
        raise typer.BadParameter(explain(error, ScoreOptions), param_hint="--param") from None


def parsed_params(param: list[str] | None) -> dict[str, Any]:
    """The values of ``--param``, by name.

    Raises:
        typer.BadParameter: one that is not NAME=VALUE, or whose value is not YAML.
    """
    return dict(_parsed(item) for item in param or ())


def _parsed(item: str) -> tuple[str, Any]:
    import yaml

    name, equals, value = item.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{item!r} is not NAME=VALUE, such as -p k=20", param_hint="--param")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        problem = f"the value of {name} is not YAML: {value}. Quote it for the shell, such as -p '{name}=[1, 2]'"
        raise typer.BadParameter(problem, param_hint="--param") from None


def _run_inline(flow: str, parameters: dict[str, Any]) -> None:
    from deployments.terminal import console

    state = flow_named(flow)(**parameters, **({"inline": True} if flow == "pipeline" else {}), return_state=True)
    if not state.is_completed():
        console.print(f"[red]{state.name}[/red] {state.message or ''}", soft_wrap=True)
        raise typer.Exit(1)
    console.print(f"{flow}/{parameters['use_case']} completed.")


def flow_named(name: str) -> Any:
    """The flow itself.

    Raises:
        typer.BadParameter: naming those that there are.
    """
    from importlib import import_module
    from typing import get_args

    from sluice.use_case import Flow

    if name not in get_args(Flow):
        raise typer.BadParameter(
            f"there is no flow {name!r}; there are {', '.join(get_args(Flow))}", param_hint="--flow"
        )
    return getattr(import_module(f"flows.{name}"), name)
