"""Which scope a request needs: a table of paths, the first that fits.

What is in no line needs a valid key of any scope, so that a wrong path is a 404 for callers and tells others nothing.
A test says that every route of the service is in a line.
"""

import re
from typing import NamedTuple

from sluice.api_keys import Scope


class _Line(NamedTuple):
    """``method`` is None for all of them, ``scope`` for callers without a key."""

    method: str | None
    path: re.Pattern[str]
    scope: Scope | None


def _line(method: str | None, path: str, scope: Scope | None) -> _Line:
    # A dot matches line breaks too: a path parameter may hold one, and must not fall to a weaker line.
    return _Line(method, re.compile(path, re.DOTALL), scope)


LINES = (
    # Whoever watches the process (Kubernetes, a load balancer, KServe) has no key.
    _line(None, r"/(livez|readyz|ping|health)|/v2/health/(live|ready)", None),
    # Signing in, and the files of its page, which hold nothing but the program.
    _line(None, r"/console/(login|logout|session|static/.*)", None),
    _line(None, r"/keys(/.*)?", "admin"),
    # Reading runs too: their logs may quote data.
    _line(None, r"/(deployments|runs|tasks|workers|logs)(/.*)?", "operate"),
    _line("POST", r"/models/[^/]+/(predict|stream)", "predict"),
    _line("GET", r"/models(/.*)?", "predict"),
    _line("HEAD", r"/models(/.*)?", "predict"),
    # Promote, rollback, and whatever else changes a model.
    _line(None, r"/models(/.*)?", "operate"),
    _line(None, r"/(recommendations|v2)(/.*)?", "predict"),
    _line(None, r"/(invocations|feedback|version|metrics|openapi\.json)|/docs(/.*)?|/console(/.*)?|/", "predict"),
)
# What the setting `public` opens.
PAGES = {
    "metrics": ("/metrics",),
    "docs": (
        "/docs",
        "/docs/oauth2-redirect",
        "/docs/static/swagger-ui-bundle.js",
        "/docs/static/swagger-ui.css",
        "/docs/static/favicon.png",
        "/openapi.json",
    ),
}


def scope_of(method: str, path: str) -> Scope | None:
    """The scope that a request needs; None when it needs no key."""
    found = line_of(method, path)
    return "predict" if found is None else found.scope


def line_of(method: str, path: str) -> _Line | None:
    for line in LINES:
        if (line.method is None or line.method == method) and line.path.fullmatch(path):
            return line
    return None


# Bodies without an end, whose lines are bounded instead.
STREAMS = re.compile(r"/models/[^/]+/stream", re.DOTALL)
# Whoever looks after the process must get an answer when it has most to do.
UNLIMITED = frozenset({"/livez", "/readyz", "/ping", "/health", "/metrics", "/v2/health/live", "/v2/health/ready"})
