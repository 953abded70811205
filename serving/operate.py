"""The routers of what operates the platform: runs, tasks, logs, models, pages."""

from fastapi import APIRouter

from serving.log_routes import log_routes
from serving.operations import Operations
from serving.releases.routes import release_routes
from serving.runs.routes import run_routes
from serving.tasks.routes import task_routes


def operate_routers(operations: Operations) -> list[APIRouter]:
    """One for each part."""
    return [run_routes(operations), task_routes(operations), log_routes(operations), release_routes(operations)]
