"""A run's lines and spans say which run and deployment they are of, in its own process and on the workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from loguru import logger
from opentelemetry import trace
from prefect.context import FlowRunContext

from observability import tracing
from observability.run_context import remember


@contextmanager
def of_run(flow_run_id: str, deployment: str, task_run_id: str | None = None) -> Iterator[None]:
    """What is logged in this block, by whomever, carries these; so does the span that is current."""
    said = {"flow_run_id": flow_run_id, "deployment": deployment or None}
    said |= {"task_run_id": task_run_id} if task_run_id else {}
    trace.get_current_span().set_attributes({f"sluice.{name}": value for name, value in said.items() if value})
    remember(flow_run_id, tracing.trace_id(), deployment or None)
    with logger.contextualize(**said):
        yield


@contextmanager
def this_run(deployment: str) -> Iterator[None]:
    """In a flow: Prefect's span of the run is current here."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        yield
        return
    with of_run(str(context.flow_run.id), deployment):
        yield


def deployment_here() -> str:
    """``flow/use_case`` of the run that is active here, also on a worker; empty where none is."""
    context = FlowRunContext.get()
    use_case = (context.parameters or {}).get("use_case") if context else None
    return f"{context.flow.name}/{use_case}" if context and context.flow and use_case else ""
