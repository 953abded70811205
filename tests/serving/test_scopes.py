"""Which scope a request needs."""

from unittest.mock import MagicMock

import pytest
from fastapi.routing import APIRoute

from serving.operate import operate_routers
from serving.routes import routes
from serving.scopes import line_of, scope_of


def test_every_route_is_in_the_table() -> None:
    """A new route must say who may call it."""
    # Routes ask their handlers for nothing before they are called.
    routers = [routes(*(MagicMock() for _ in range(5)), "1"), *operate_routers(MagicMock())]
    every = [route for router in routers for route in router.routes]
    found = [(method, route.path) for route in every if isinstance(route, APIRoute) for method in route.methods]
    assert len(found) > 5
    assert [pair for pair in found if line_of(*pair) is None] == []


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/livez", None),
        ("HEAD", "/readyz", None),
        ("GET", "/v2/health/ready", None),
        ("GET", "/v2/models/movies/ready", "predict"),
        ("POST", "/v2/models/movies/versions/1/infer", "predict"),
        ("POST", "/invocations", "predict"),
        ("GET", "/recommendations/1", "predict"),
        ("POST", "/feedback", "predict"),
        ("GET", "/models", "predict"),
        ("GET", "/models/movies/history", "predict"),
        ("POST", "/models/movies/predict", "predict"),
        ("POST", "/models/movies/promote", "operate"),
        ("POST", "/models/predict/promote", "operate"),
        ("POST", "/models/movies/rollback", "operate"),
        ("DELETE", "/models/movies", "operate"),
        ("GET", "/runs", "operate"),
        ("GET", "/deployments", "operate"),
        ("POST", "/runs/1/cancel", "operate"),
        ("POST", "/runs/\n/cancel", "operate"),
        ("GET", "/logs", "operate"),
        ("GET", "/logs/services", "operate"),
        ("POST", "/keys", "admin"),
        ("DELETE", "/keys/a\nb", "admin"),
        ("GET", "/metrics", "predict"),
        ("GET", "/docs", "predict"),
        ("GET", "/console/login", None),
        ("POST", "/console/logout", None),
        ("GET", "/console/static/0123456789ab/runs.js", None),
        ("GET", "/console", "predict"),
        ("GET", "/console/runs", "predict"),
        ("GET", "/console/login/", "predict"),
        ("GET", "/console/forms/movies", "predict"),
        ("GET", "/", "predict"),
        ("GET", "/livez/", "predict"),
        ("GET", "//livez", "predict"),
        ("GET", "/livez\n", "predict"),
        ("GET", "/nothing", "predict"),
        ("GET", "", "predict"),
    ],
)
def test_a_request_needs_its_scope(method: str, path: str, scope: str | None) -> None:
    """Reading is less than changing; what is almost an open path is not one."""
    assert scope_of(method, path) == scope
