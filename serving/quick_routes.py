"""The routes that answer predictions: found by their path alone, and read without the web framework.

FastAPI's routes of the same paths document them; a request reaches those only when this table is not in front.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from serving.exchange import Answer, Call

Handler = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True)
class QuickRoute:
    """``path_format`` is the template, as the metrics name it; ``small`` are those whose bodies have no many rows."""

    path_format: str
    handler: Handler
    small: bool = False


class Found(NamedTuple):
    route: QuickRoute
    arguments: tuple[str, ...]

    async def answer(self, call: Call) -> Answer:
        return await self.route.handler(call, *self.arguments)


class QuickRoutes:
    """Templates have parameters for whole parts of the path: ``/models/{name}/predict``."""

    def __init__(self) -> None:
        self._fixed: dict[tuple[str, str], QuickRoute] = {}
        self._templates: dict[tuple[str, str, int], list[tuple[tuple[str | None, ...], QuickRoute]]] = {}

    def add(self, method: str, path_format: str, handler: Handler, small: bool = False) -> None:
        route = QuickRoute(path_format, handler, small)
        if "{" not in path_format:
            self._fixed[method, path_format] = route
            return
        parts = path_format.split("/")
        pattern = tuple(None if part.startswith("{") else part for part in parts)
        self._templates.setdefault((method, parts[1], len(parts)), []).append((pattern, route))

    def find(self, method: str, path: str, raw: bytes) -> Found | None:
        """``raw`` is the path as it was sent: a slash that was encoded is part of a name."""
        route = self._fixed.get((method, path))
        if route is not None:
            return Found(route, ())
        parts = path.split("/") if b"%" not in raw else [unquote(part) for part in raw.decode("latin-1").split("/")]
        if len(parts) < 3:
            return None
        for pattern, route in self._templates.get((method, parts[1], len(parts)), ()):
            pairs = list(zip(pattern, parts, strict=True))
            if all(fixed is None or fixed == part for fixed, part in pairs):
                arguments = tuple(part for fixed, part in pairs if fixed is None)
                return Found(route, arguments) if all(arguments) else None
        return None
